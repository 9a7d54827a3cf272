import pytest

from hornbeam.datasets.facts import ColumnFacts, DatasetFacts, as_json
from schemas.problems import Severity
from schemas.stored_datasets import ColumnKind
from workers.training.starving import starving_findings

GIB = 2**30
SHAPES = [(224, 224, 3)]


def dataset(rows=1_000_000, shape=(480, 640, 3), kind=ColumnKind.IMAGE):
    columns = {"image": ColumnFacts(kind, "binary", shape), "label": ColumnFacts(ColumnKind.BOOLEAN, "bool")}
    facts = DatasetFacts("photos.zip", rows, columns, target="label")
    return {"source": {"id": "ds_1"}, "facts": as_json(facts)}


def found(data, room=(2 * GIB, 8 * GIB), seconds=100.0):
    return starving_findings(data, SHAPES, room_bytes=room, epoch_seconds=seconds)


def test_images_that_are_decoded_anew_for_longer_than_the_model_computes_are_told():
    (finding,) = found(dataset())
    assert (finding.severity, finding.code) == (Severity.WARNING, "dataset.starves")
    assert "1,000,000 images" in finding.message


@pytest.mark.parametrize(
    ("data", "options"),
    [
        (dataset(rows=1000), {}),  # 600 MB when decoded: kept in a file
        (dataset(), {"room": (0, 8 * GIB)}),  # nobody knows how much memory there is
        (dataset(), {"room": (4096 * GIB, 8 * GIB)}),
        (dataset(), {"seconds": 10.0**6}),
        (dataset(), {"seconds": None}),
        (dataset(kind=ColumnKind.ARRAY), {}),
    ],
)
def test_nobody_waits_where_there_is_room_or_time(data, options):
    assert found(data, **options) == []
