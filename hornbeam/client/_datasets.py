"""Everything about datasets that a service offers, typed.

Leaves HTTP to `_transport`, sending files to `_uploads`, and saving them to `_downloads`.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Literal
from urllib.parse import quote

from hornbeam.client._downloads import download
from hornbeam.client._pages import Listing, every_row
from hornbeam.client._transport import Call, QueryValue, Transport
from hornbeam.client._uploads import Outgoing, send_file, when_there_is_room
from schemas.stored_datasets import (
    BuiltinPage,
    BuiltinTable,
    Dataset,
    DatasetChange,
    DatasetPage,
    ReadingOptions,
    RowPage,
    SourceRequest,
    Statistics,
)

Options = Mapping[str, Any] | ReadingOptions

READ_SECONDS = 3600
"""What the service may take to read a file anew."""
FETCH_SECONDS = 7200
"""What it may take to fetch a file, and to read it."""


class Datasets:
    """The datasets of a service. Each method raises DatasetNotFound for an id that the service does not know."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(
        self,
        file: str | Path | BinaryIO,
        *,
        name: str | None = None,
        options: Options | None = None,
        metadata: Mapping[str, str] | None = None,
        upload: str | None = None,
    ) -> Dataset:
        """Bring a file, and have it read: streamed, and above 64 MiB in parts that are sent again when they are lost.

        Args:
            file: A path, or an open binary file, which is read to its end.
            name: What it is called: its ending tells the format. The path's own where it is left out.
            options: How it is to be read, as far as it does not say so itself.
            metadata: Pairs that the dataset carries.
            upload: The id of an upload that broke off, as that error's suggestion has it: only what is missing is sent.

        Raises:
            InvalidDataset: With every finding about the file.
            DatasetTooLarge: It is larger than the service takes.
            ServiceUnreachable: The service has been away for too long.
        """
        reading = _options(options)
        told = dict(metadata or {})
        if isinstance(file, str | Path):
            path = Path(file)
            with path.open("rb") as opened:
                return send_file(self._transport, Outgoing(opened, name or path.name, reading, told), upload)
        own_name = getattr(file, "name", None)
        known = name or (Path(own_name).name if isinstance(own_name, str) else "data")
        return send_file(self._transport, Outgoing(file, known, reading, told), upload)

    def create_from(
        self,
        url: str,
        *,
        name: str | None = None,
        options: Options | None = None,
        metadata: Mapping[str, str] | None = None,
        sha256: str | None = None,
    ) -> Dataset:
        """Have the service fetch a file from where it lies, and read it.

        Args:
            url: `https://host/path` or `s3://bucket/key`, on a host or in a bucket that the service's operator lists.
            name: What it is called: its ending tells the format. The last part of the URL's path where it is left out.
            options: How it is to be read, as far as it does not say so itself.
            metadata: Pairs that the dataset carries.
            sha256: Of the file, in hexadecimal: what differs is refused.

        Raises:
            SourceNotAllowed: The operator does not list the host or the bucket.
            SourcePrivate, SourceRedirected, SourceFailed: The file cannot be had from there.
            InvalidDataset: With every finding about the file, or about the URL.
            DigestMismatch: It is another file than was announced.
            DatasetTooLarge: It is larger than the service takes.
        """
        told = SourceRequest(
            url=url, name=name, options=_options(options), metadata=dict(metadata or {}), sha256=sha256
        )
        body = told.model_dump_json(exclude_defaults=True).encode()
        call = Call("POST", "/v1/datasets", content=body, repeatable=False, read_seconds=FETCH_SECONDS)
        return when_there_is_room(self._transport, call)

    def get(self, dataset_id: str) -> Dataset:
        """The dataset, with its columns."""
        return Dataset.model_validate_json(self._transport.get(_path(dataset_id)).content)

    def list(
        self,
        *,
        metadata: Mapping[str, str] | None = None,
        created_after: datetime | None = None,
        order: Literal["desc", "asc"] = "desc",
    ) -> Iterator[Dataset]:
        """Datasets by the time of their creation, page after page as they are asked for."""
        query: dict[str, QueryValue] = {"order": order}
        query.update({f"metadata[{key}]": value for key, value in (metadata or {}).items()})
        if created_after is not None:
            query["created_after"] = created_after.isoformat()
        return every_row(self._transport, Listing("/v1/datasets", DatasetPage, query))

    def builtin(self) -> Sequence[BuiltinTable]:
        """The datasets that ship with the service."""
        return BuiltinPage.model_validate_json(self._transport.get("/v1/datasets/builtin").content).data

    def rows(self, dataset_id: str, *, limit: int = 20, after: int = 0) -> RowPage:
        """Some of the first hundred rows."""
        answer = self._transport.get(_path(dataset_id, "rows"), {"limit": limit, "after": after})
        return RowPage.model_validate_json(answer.content)

    def statistics(self, dataset_id: str) -> Statistics:
        """What is known about the values of each column."""
        return Statistics.model_validate_json(self._transport.get(_path(dataset_id, "statistics")).content)

    def update(
        self,
        dataset_id: str,
        *,
        name: str | None = None,
        options: Options | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Dataset:
        """Change what is given; with other options the file is read anew. Raises DatasetInUse, InvalidDataset."""
        given: dict[str, Any] = {"name": name, "metadata": None if metadata is None else dict(metadata)}
        if options is not None:
            given["options"] = _options(options)
        change = DatasetChange(**{key: value for key, value in given.items() if value is not None})
        body = change.model_dump_json(exclude_unset=True).encode()
        call = Call("PATCH", _path(dataset_id), content=body, read_seconds=READ_SECONDS)
        return Dataset.model_validate_json(self._transport.send(call).content)

    def delete(self, dataset_id: str) -> None:
        """Forget a dataset. Raises DatasetInUse while a job that is not over uses it."""
        self._transport.send(Call("DELETE", _path(dataset_id), repeatable=False))

    def download(self, dataset_id: str, path: str | Path) -> Path:
        """Save the file as it was sent to `path`, checked; a download that broke off goes on where it stopped."""
        return download(self._transport, _path(dataset_id, "content"), Path(path))


def _options(options: Options | None) -> ReadingOptions:
    """The options as a model. Raises pydantic's ValidationError for what no service would take."""
    if options is None:
        return ReadingOptions()
    return options if isinstance(options, ReadingOptions) else ReadingOptions.model_validate(dict(options))


def _path(dataset_id: str, *parts: str) -> str:
    return "/".join(["/v1/datasets", *(quote(part, safe="") for part in (dataset_id, *parts))])
