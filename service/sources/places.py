"""What a client may name as a source: an `https://` URL on a listed host, an `s3://` URL in a listed bucket.

A URL is taken apart here, once, by rules that are narrower than the standard's, and what is asked for is made of the
pieces: nobody else reads the text, so nobody can read another host in it. Leaves where a name leads to `addresses`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from hornbeam.errors import InvalidDataset, SourceNotAllowed
from hornbeam.settings import BUCKET_NAME, HOST_NAME
from schemas.problems import Finding

HTTPS = 443

_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<rest>.*)", re.DOTALL)
_WEB = re.compile(r"(?P<authority>[^/?]*)(?P<path>/[^?]*)?(?P<query>\?.*)?", re.DOTALL)
_AUTHORITY = re.compile(r"(?P<host>[^:]*)(?::(?P<port>[1-9][0-9]{0,4}))?", re.ASCII)
_TARGET = re.compile(r"(?:[A-Za-z0-9/?:@!$&'()*+,;=._~-]|%[0-9A-Fa-f]{2})*", re.ASCII)
"""What RFC 3986 allows in a path and a query."""
_WILDCARDS = frozenset("*?[]")
_LONGEST_KEY = 1024


@dataclass(frozen=True, slots=True)
class WebFile:
    """A file on a listed host."""

    host: str
    """In lower case."""
    port: int
    target: str
    """Path and query, as they are sent."""

    @property
    def file_name(self) -> str:
        """The last part of the path."""
        return unquote(self.target.partition("?")[0]).rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class BucketFile:
    """An object in a listed bucket."""

    bucket: str
    key: str

    @property
    def file_name(self) -> str:
        """The last part of the key."""
        return self.key.rpartition("/")[2]


Place = WebFile | BucketFile


class Listed:
    """What the operator lists, as the settings have checked it.

    Args:
        hosts: `name`, or `*.name` for all names below it; with `:port` where it is not 443.
        buckets: `bucket`, or `bucket/folder`.
    """

    def __init__(self, hosts: Sequence[str], buckets: Sequence[str]) -> None:
        self._hosts = frozenset(host if ":" in host else f"{host}:{HTTPS}" for host in hosts)
        self._buckets = tuple(buckets)

    def place(self, url: str) -> Place:
        """Where a URL leads. Raises InvalidDataset for what is no such URL, SourceNotAllowed."""
        found = _URL.fullmatch(url)
        scheme = found["scheme"].lower() if found else ""
        if found and scheme == "https":
            return self._checked_web(_web_file(found["rest"]))
        if found and scheme == "s3":
            return self._checked_bucket(_bucket_file(found["rest"]))
        raise _refused("A URL begins with https:// or s3://.")

    def _checked_web(self, file: WebFile) -> WebFile:
        labels = file.host.split(".")
        names = [file.host, *("*." + ".".join(labels[start:]) for start in range(1, len(labels)))]
        if self._hosts.isdisjoint(f"{name}:{file.port}" for name in names):
            at = file.host if file.port == HTTPS else f"{file.host}:{file.port}"
            said = f"{at} is not a host that this service fetches from." if self._hosts else "Fetching is off here."
            raise SourceNotAllowed(said, suggestion="HORNBEAM_SOURCE_HOSTS lists the hosts.")
        return file

    def _checked_bucket(self, file: BucketFile) -> BucketFile:
        whole = f"{file.bucket}/{file.key}"
        if not any(whole.startswith(f"{listed}/") for listed in self._buckets):
            said = (
                "This is not in a bucket that this service fetches from." if self._buckets else "Fetching is off here."
            )
            raise SourceNotAllowed(said, suggestion="HORNBEAM_SOURCE_BUCKETS lists the buckets.")
        return file


def _web_file(rest: str) -> WebFile:
    found = _WEB.fullmatch(rest.partition("#")[0])
    if found is None:
        raise AssertionError("it matches any text")
    if "@" in found["authority"]:
        raise _refused("No user name or password may stand in a URL.")
    authority = _AUTHORITY.fullmatch(found["authority"])
    port = int(authority["port"] or HTTPS) if authority else 0
    host = authority["host"].lower() if authority else ""
    if not HOST_NAME.fullmatch(host) or not 0 < port < 2**16:
        raise _refused("A host is given by its name, in ASCII, with a port between 1 and 65535 where it is not 443.")
    target = (found["path"] or "/") + (found["query"] or "")
    if not _TARGET.fullmatch(target):
        raise _refused("A URL's path and query are ASCII; other characters are written as %XX.")
    return WebFile(host, port, target)


def _bucket_file(rest: str) -> BucketFile:
    bucket, _, key = rest.partition("/")
    if not BUCKET_NAME.fullmatch(bucket):
        raise _refused("After s3:// stands the name of a bucket.")
    if not key or not all(key.split("/")) or len(key.encode(errors="replace")) > _LONGEST_KEY:
        raise _refused("After the bucket stands the key of one object, of at most 1024 bytes, without empty parts.")
    if ".." in key or "." in key.split("/") or not key.isprintable() or "\\" in key or _WILDCARDS & {*key}:
        raise _refused("A key is written as it is, without `..`, `*`, `?`, `[`, `]`, `\\` and control characters.")
    return BucketFile(bucket, key)


def _refused(message: str) -> InvalidDataset:
    return InvalidDataset([Finding(pointer="/url", code="field.value", message=message)], "The URL is not valid.")
