"""The examples of datasets and uploads in the API's documentation. A test sends the file and reads the answers."""

from typing import Any

_DATASET_ID = "ds_01JA2V7H3M8Q4T6W9Y1B5D7FKP"
_UPLOAD_ID = "up_01JA2V9C5E7G2J4L6N8Q1S3UWX"
_SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_AT = "2030-05-04T09:30:01.120000Z"

FILE_NAME = "flowers.csv"
FILE = "length,width,kind\n5.1,3.5,setosa\n7.0,3.2,versicolor\n6.3,3.3,virginica\n4.9,3.0,setosa\n"
"""A CSV file, small enough to read it at a glance."""

_NUMBER = {"kind": "number", "dtype": "double", "shape": [], "missing": 0, "distinct": 4, "values": None}

COLUMNS: list[dict[str, Any]] = [
    {
        **_NUMBER,
        "name": "length",
        "minimum": 4.9,
        "maximum": 7.0,
        "mean": 5.825,
        "standard_deviation": 0.9979,
        "sha256": _SHA256,
    },
    {
        "name": "kind",
        "kind": "category",
        "dtype": "string",
        "shape": [],
        "missing": 0,
        "distinct": 3,
        "values": [
            {"value": "setosa", "count": 2},
            {"value": "versicolor", "count": 1},
            {"value": "virginica", "count": 1},
        ],
        "sha256": _SHA256,
    },
]

DATASET: dict[str, Any] = {
    "id": _DATASET_ID,
    "name": FILE_NAME,
    "format": "csv",
    "created_at": _AT,
    "size_bytes": len(FILE),
    "sha256": _SHA256,
    "rows": 4,
    "columns": COLUMNS,
    "target": "kind",
    "options": {"format": "csv", "header": True, "delimiter": ","},
    "findings": [],
    "metadata": {"team": "vision"},
    "links": {
        "self": f"/v1/datasets/{_DATASET_ID}",
        "rows": f"/v1/datasets/{_DATASET_ID}/rows",
        "statistics": f"/v1/datasets/{_DATASET_ID}/statistics",
        "content": f"/v1/datasets/{_DATASET_ID}/content",
    },
}

ROWS: dict[str, Any] = {
    "columns": ["length", "width", "kind"],
    "data": [[5.1, 3.5, "setosa"], [7.0, 3.2, "versicolor"]],
    "has_more": True,
}

STATISTICS: dict[str, Any] = {"rows": 4, "columns": COLUMNS}

CHANGE: dict[str, Any] = {"options": {"kinds": {"kind": "text"}}, "metadata": {"team": "vision"}}

SOURCE: dict[str, Any] = {"url": f"https://data.example.org/{FILE_NAME}", "metadata": {"team": "vision"}}

UPLOAD_REQUEST: dict[str, Any] = {"name": FILE_NAME, "size_bytes": len(FILE), "metadata": {"team": "vision"}}

PART: dict[str, Any] = {"number": 1, "size_bytes": len(FILE), "sha256": _SHA256}

UPLOAD: dict[str, Any] = {
    "id": _UPLOAD_ID,
    "name": FILE_NAME,
    "created_at": _AT,
    "expires_at": "2030-05-05T09:30:01.120000Z",
    "parts": [PART],
    "size_bytes": len(FILE),
    "links": {"self": f"/v1/uploads/{_UPLOAD_ID}", "complete": f"/v1/uploads/{_UPLOAD_ID}/complete"},
}

BUILTIN: dict[str, Any] = {
    "name": "iris",
    "description": "Irises: four lengths in centimetres; three species of 50 flowers each.",
    "task": "classification",
    "source": {"builtin": "iris"},
    "rows": 150,
    "feature_shape": [4],
    "columns": [
        {"name": "sepal length (cm)", "kind": "number", "dtype": "float", "classes": None},
        {"name": "target", "kind": "category", "dtype": "int64", "classes": ["setosa", "versicolor", "virginica"]},
    ],
    "target": "target",
}
