"""The settings, read from `HORNBEAM_*` variables.

Nothing reads them at import: the two `main.py` and the command line build a `Settings` and pass it down.
`docs/reference/settings.md` is generated from this module.
"""

import os
import re
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

ANY_HOST = "*"
_DATABASE = re.compile(r"(sqlite|postgres(ql)?)(\+\w+)?://.*", re.DOTALL)
_RELATIVE_DATABASE = re.compile(r"(sqlite(?:\+\w+)?:///)(?![/?:]|file:|$)(.+)", re.DOTALL)
_HOST = re.compile(r"[a-z0-9._-]+|\[[0-9a-f:.]+\]")
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
HOST_NAME = re.compile(rf"(?=[^:]{{1,253}}$)(?:{_LABEL}\.)*(?![0-9]+$|0x[0-9a-f]*$){_LABEL}", re.ASCII)
"""A host by its name in lower case, without a dot in the end. No notation of an address is one."""
_SOURCE_HOST = re.compile(r"(?P<any>\*\.(?=.*\.))?(?P<name>[^:]+)(?::(?P<port>[1-9][0-9]{0,4}))?")
BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)
"""What S3 allows."""


class Settings(BaseSettings):
    """How this installation is set up."""

    model_config = SettingsConfigDict(env_prefix="HORNBEAM_", frozen=True, extra="ignore", hide_input_in_errors=True)

    data_dir: Path = Field(
        default=Path(".hornbeam"),
        description="Where the database and the artifacts live unless their URLs say otherwise.",
    )
    database_url: SecretStr = Field(
        default=SecretStr(""),
        description="SQLAlchemy URL: `sqlite:////path/hornbeam.db` or `postgresql+psycopg://user:password@host/name`. "
        "`sqlite:///hornbeam.db` lies in the directory where the process, or `hornbeam up`, is started.",
    )
    redis_url: SecretStr = Field(
        default=SecretStr("redis://127.0.0.1:6379/0"),
        description="Redis or Valkey: `redis://host:6379/0`, `rediss://…`, or `unix:///path/to/socket`.",
    )
    artifact_url: str = Field(
        default="", description="Where files are kept: a directory, `file:///path` or `s3://bucket/prefix`."
    )
    s3_endpoint_url: str | None = Field(
        default=None, description="The address of an S3-compatible store that is not AWS."
    )

    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(ANY_HOST,),
        description="Names and addresses under which the API answers, with a comma between them, or `*` for any.",
    )

    slots: int = Field(default=1, ge=1, le=256, description="Jobs that a worker trains at once.")
    threads_per_slot: int = Field(
        default=0, ge=0, description="CPU threads of a trainer; 0 shares the cores among the slots."
    )
    component_files: Annotated[tuple[Path, ...], NoDecode] = Field(
        default=(), description="Python files with components of your own, with a colon between them; for workers."
    )
    heartbeat_seconds: float = Field(default=5.0, gt=0, description="How often an attempt renews its lease.")
    lease_seconds: float = Field(default=60.0, gt=0, description="How long an attempt holds a job without renewing.")
    reconcile_seconds: float = Field(
        default=5.0, gt=0, description="How often a worker looks for lost jobs and messages."
    )
    resend_seconds: float = Field(
        default=30.0, gt=0, description="A queued job's wake-up is sent again after this long."
    )
    worker_timeout_seconds: float = Field(
        default=30.0, gt=0, description="A worker silent for this long counts as gone."
    )
    cancel_grace_seconds: float = Field(
        default=10.0, gt=0, description="What a trainer has to stop and save before it is killed."
    )
    drain_seconds: float = Field(
        default=30.0, gt=0, description="What a stopping worker gives its jobs to save a checkpoint."
    )
    max_attempts: int = Field(default=3, ge=1, description="How often a job is begun before lost attempts fail it.")

    max_job_seconds: int = Field(default=86_400, ge=1, description="The longest that a job may train.")
    max_job_memory_bytes: int = Field(
        default=0, ge=0, description="Resident memory of a trainer; 0 shares the machine's."
    )
    max_file_bytes: int = Field(default=8 * 2**30, ge=1, description="The largest file that a trainer may write.")
    cache_bytes: int = Field(
        default=20 * 2**30, ge=0, description="What tables of datasets may take of a worker's disk between jobs."
    )
    max_log_lines: int = Field(
        default=10_000, ge=1, description="Log lines kept per job; the rest is counted and dropped."
    )
    max_parameters: int = Field(default=1_000_000_000, ge=1, description="The most parameters that a model may have.")
    max_dimension: int = Field(default=16_777_216, ge=1, description="The largest number a layer's size may be.")
    max_body_bytes: int = Field(default=2**20, ge=1024, description="The largest request body.")
    max_nesting: int = Field(default=10, ge=1, description="How deep a spec's JSON may nest.")
    max_dataset_bytes: int = Field(
        default=16 * 2**30, ge=1, description="The largest file that a client may bring as a dataset."
    )
    ingests: int = Field(default=2, ge=1, le=64, description="Files that an API process reads into tables at once.")
    ingest_seconds: int = Field(
        default=3600, ge=1, description="What reading a file may take once it is there, and of CPU time."
    )
    upload_seconds: float = Field(
        default=86_400.0, gt=0, description="An upload in parts is removed when no part has come for so long."
    )
    source_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Hosts that datasets may be fetched from over https, with a comma between them: "
        "`data.example.org`, `*.example.org` for all names below it, `data.example.org:8443` for another port. "
        "None: it is off.",
    )
    source_buckets: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Buckets that datasets may be fetched from by `s3://`, with the service's own credentials and "
        "`HORNBEAM_S3_ENDPOINT_URL`: `bucket` or `bucket/folder`, with a comma between them. None: it is off.",
    )
    source_seconds: float = Field(
        default=3600.0, gt=0, description="What fetching a dataset from another host, or a bucket, may take."
    )
    proof_seconds: float = Field(default=5.0, gt=0, description="How long a request waits for the planner.")

    @field_validator("redis_url")
    @classmethod
    def _leads_to_redis(cls, url: SecretStr) -> SecretStr:
        if not _is_redis(url.get_secret_value()):
            raise ValueError("begins with redis://, rediss:// or unix:///, and a port or database in it is a number")
        return url

    @field_validator("database_url")
    @classmethod
    def _leads_to_a_database(cls, url: SecretStr) -> SecretStr:
        if url.get_secret_value() and not _DATABASE.fullmatch(url.get_secret_value()):
            raise ValueError("begins with sqlite:/// or postgresql+psycopg://")
        return url

    @field_validator("artifact_url")
    @classmethod
    def _leads_to_files(cls, url: str) -> str:
        if "://" in url and not url.startswith(("file:///", "s3://")):
            raise ValueError("begins with file:/// or s3://, or is a directory")
        return url

    @field_validator("database_url")
    @classmethod
    def _relative_to_here(cls, url: SecretStr) -> SecretStr:
        # As with the files of components: not to wherever a process runs that is told of it.
        found = _RELATIVE_DATABASE.fullmatch(url.get_secret_value())
        return SecretStr(f"{found[1]}{Path.cwd()}/{found[2]}") if found else url

    @field_validator("component_files", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return [part for part in value.split(os.pathsep) if part] if isinstance(value, str) else value

    @field_validator("component_files")
    @classmethod
    def _from_here(cls, files: tuple[Path, ...]) -> tuple[Path, ...]:
        # The processes of one installation need not run where it was set up.
        return tuple(file.absolute() for file in files)

    @field_validator("allowed_hosts", "source_hosts", "source_buckets", mode="before")
    @classmethod
    def _split_hosts(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("allowed_hosts")
    @classmethod
    def _as_requests_name_them(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        named = tuple(f"[{host}]" if host.count(":") > 1 and host[0] != "[" else host for host in map(str.lower, hosts))
        if not named or not all(host == ANY_HOST or _HOST.fullmatch(host) for host in named):
            raise ValueError("each is a name or an address, without a port; * is any")
        return named

    @field_validator("source_hosts")
    @classmethod
    def _are_names(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        named = tuple(map(str.lower, hosts))
        for host in named:
            found = _SOURCE_HOST.fullmatch(host)
            if found is None or not HOST_NAME.fullmatch(found["name"]) or int(found["port"] or 1) > 65535:
                raise ValueError("each is data.example.org or *.example.org, with :port where it is not 443")
        return named

    @field_validator("source_buckets")
    @classmethod
    def _are_buckets(cls, places: tuple[str, ...]) -> tuple[str, ...]:
        for place in places:
            bucket, *folders = place.removesuffix("/").split("/")
            if not BUCKET_NAME.fullmatch(bucket) or not all(folders) or {".", ".."} & {*folders}:
                raise ValueError("each is bucket or bucket/folder, without s3:// before it")
        return tuple(place.removesuffix("/") for place in places)

    @model_validator(mode="after")
    def _default_to_the_data_directory(self) -> Self:
        directory = self.data_dir.absolute()
        if not self.database_url.get_secret_value():
            object.__setattr__(self, "database_url", SecretStr(f"sqlite:///{directory / 'hornbeam.db'}"))
        if not self.artifact_url:
            object.__setattr__(self, "artifact_url", str(directory / "artifacts"))
        if self.heartbeat_seconds * 2 > self.lease_seconds:
            raise ValueError("HORNBEAM_LEASE_SECONDS must be at least twice HORNBEAM_HEARTBEAT_SECONDS")
        return self


def _is_redis(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    if parts.scheme == "unix":
        return bool(parts.path)
    database = parts.path.strip("/")
    return parts.scheme in ("redis", "rediss") and (not database or database.isdecimal())
