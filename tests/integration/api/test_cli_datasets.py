"""`hornbeam datasets` against a service that runs: what it prints, and the exit codes."""

import json

import pytest
from typer.testing import CliRunner

from hornbeam.cli.main import app
from tests.integration.api.conftest import FLOWERS
from tests.unit.ingest import files


@pytest.fixture
def hornbeam(empty_api, tmp_path, monkeypatch):
    """Runs a command in a directory with a file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HORNBEAM_SERVER", str(empty_api.http.base_url))
    (tmp_path / "flowers.csv").write_bytes(FLOWERS)
    return lambda *arguments: CliRunner().invoke(app, ["datasets", *arguments])


def test_a_file_is_added_and_its_columns_shown(hornbeam):
    added = hornbeam("add", "flowers.csv", "--kind", "width=category", "--metadata", "team=vision")
    assert added.exit_code == 0, added.output
    assert "flowers.csv" in added.stdout
    assert "csv, 60 rows" in added.stdout
    lines = {line.split()[0]: line for line in added.stdout.splitlines() if line.strip()}
    assert "category" in lines["width"]
    assert "target?" in lines["kind"]
    assert "setosa 20, versicolor 20, virginica 20" in lines["kind"]
    listed = hornbeam("list", "--metadata", "team=vision", "--json")
    dataset_id = json.loads(listed.stdout)["id"]
    assert dataset_id in hornbeam("list").stdout
    assert hornbeam("show", dataset_id).stdout == added.stdout


def test_how_a_file_is_read_may_be_json(hornbeam, tmp_path):
    examples = [files.example(x=[0.5, float(number)], y=[number]) for number in range(6)]
    (tmp_path / "a.tfrecord").write_bytes(files.records(*examples))
    declared = {"x": {"dtype": "float32", "shape": [2]}, "y": {"dtype": "int64"}}
    added = hornbeam("add", "a.tfrecord", "--option", f"record_features={json.dumps(declared)}")
    assert added.exit_code == 0, added.output
    assert "tfrecord, 6 rows" in added.stdout
    plain = hornbeam("add", "flowers.csv", "--option", "delimiter=,", "--option", 'missing=["?", "4.0"]', "--json")
    options = json.loads(plain.stdout)["options"]
    assert (options["delimiter"], options["missing"]) == (",", ["?", "4.0"])
    refused = hornbeam("add", "flowers.csv", "--option", 'missing=["?"')
    assert refused.exit_code == 2
    assert "is not JSON" in refused.stderr


def test_rows_a_download_and_the_end(hornbeam, tmp_path):
    dataset_id = json.loads(hornbeam("add", "flowers.csv", "--name", "..", "--option", "format=csv", "--json").stdout)[
        "id"
    ]
    rows = hornbeam("rows", dataset_id, "--limit", "2").stdout.splitlines()
    assert [row.split() for row in (rows[0], *rows[2:])] == [
        ["length", "width", "kind"],
        ["4.0", "2.5", "setosa"],
        ["5.1", "3.5", "versicolor"],
    ]
    assert hornbeam("download", dataset_id).exit_code == 0
    assert (tmp_path / dataset_id).read_bytes() == FLOWERS
    assert hornbeam("delete", dataset_id).stdout == f"{dataset_id} deleted\n"
    assert hornbeam("show", dataset_id).exit_code == 4
    assert "No datasets yet" in hornbeam("list").stderr


def test_what_is_wrong_is_said_with_its_exit_code(hornbeam, tmp_path):
    refused = hornbeam("add", "flowers.csv", "--kind", "knid=category")
    assert refused.exit_code == 3
    assert "/options/kinds/knid" in refused.stderr
    assert "help:" in refused.stderr
    assert hornbeam("add", "flowers.csv", "--kind", "kind=catgory").exit_code == 2
    assert hornbeam("add", "flowers.csv", "--kind", "kind").exit_code == 2
    assert hornbeam("add", "flowers.csv", "--option", "header=perhaps").exit_code == 2
    assert hornbeam("add", "missing.csv").exit_code == 1
