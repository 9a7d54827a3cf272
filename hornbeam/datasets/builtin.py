"""What is known about the built-in datasets: static facts, so that the API can check a spec without scikit-learn.

Leaves reading the rows to `workers.training.data`; a test compares these facts with the rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from schemas.datasets import BuiltinDataset


@dataclass(frozen=True, slots=True)
class DatasetSchema:
    """The shape and meaning of a dataset. Features are float32, as scikit-learn has them: nothing is scaled."""

    rows: int
    feature_shape: tuple[int, ...]
    """The shape of one example, without the batch."""
    feature_names: tuple[str, ...]
    """One for each number of an example, in row-major order."""
    task: Literal["classification", "regression"]
    classes: tuple[str, ...] | None
    """Label `i` means `classes[i]`; None for regression."""
    description: str


_PIXELS = tuple(f"pixel_{row}_{column}" for row in range(8) for column in range(8))
_CELL_PROPERTIES = (
    "radius",
    "texture",
    "perimeter",
    "area",
    "smoothness",
    "compactness",
    "concavity",
    "concave points",
    "symmetry",
    "fractal dimension",
)
_CELL_FEATURES = (
    *(f"mean {name}" for name in _CELL_PROPERTIES),
    *(f"{name} error" for name in _CELL_PROPERTIES),
    *(f"worst {name}" for name in _CELL_PROPERTIES),
)

BUILTIN: Mapping[BuiltinDataset, DatasetSchema] = MappingProxyType(
    {
        BuiltinDataset.DIGITS: DatasetSchema(
            rows=1797,
            feature_shape=(64,),
            feature_names=_PIXELS,
            task="classification",
            classes=tuple(str(digit) for digit in range(10)),
            description="Handwritten digits: 8 x 8 images, flat, each pixel from 0 to 16; 10 classes.",
        ),
        BuiltinDataset.IRIS: DatasetSchema(
            rows=150,
            feature_shape=(4,),
            feature_names=("sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)"),
            task="classification",
            classes=("setosa", "versicolor", "virginica"),
            description="Irises: four lengths in centimetres; three species of 50 flowers each.",
        ),
        BuiltinDataset.WINE: DatasetSchema(
            rows=178,
            feature_shape=(13,),
            feature_names=(
                "alcohol",
                "malic_acid",
                "ash",
                "alcalinity_of_ash",
                "magnesium",
                "total_phenols",
                "flavanoids",
                "nonflavanoid_phenols",
                "proanthocyanins",
                "color_intensity",
                "hue",
                "od280/od315_of_diluted_wines",
                "proline",
            ),
            task="classification",
            classes=("class_0", "class_1", "class_2"),
            description="Italian wines: 13 chemical measurements on unlike scales (to 1680); three growers.",
        ),
        BuiltinDataset.BREAST_CANCER: DatasetSchema(
            rows=569,
            feature_shape=(30,),
            feature_names=_CELL_FEATURES,
            task="classification",
            classes=("malignant", "benign"),
            description="Breast tumours (Wisconsin): 30 measurements of cell nuclei on unlike scales (to 4254).",
        ),
        BuiltinDataset.DIABETES: DatasetSchema(
            rows=442,
            feature_shape=(10,),
            feature_names=("age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"),
            task="regression",
            classes=None,
            description="Diabetes patients: 10 standardised measurements; the disease's progress a year on, 25 to 346.",
        ),
    }
)
"""The facts about each dataset that a spec may name."""
