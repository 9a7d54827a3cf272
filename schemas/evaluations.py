"""The wish to have a finished job's model measured on other rows."""

from pydantic import Field

from schemas.datasets import DatasetSource
from schemas.strict import Request


class EvaluatedDataset(Request):
    """The rows to measure on. What goes into the model, and what it is to predict, is as it was in the training."""

    source: DatasetSource = Field(description="Where the rows come from; they need the columns of the training's.")


class EvaluationRequest(Request):
    """What a model is to be measured on."""

    dataset: EvaluatedDataset
