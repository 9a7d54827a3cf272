"""ZIP and TAR archives, read member by member in memory under the rules of SECURITY; nothing is ever extracted.

Leaves what the members hold to `arrays`, `images` and `texts`.
"""

import tarfile
import zipfile
import zlib
from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, Any, Protocol

from hornbeam.ingest.compression import GRACE, Compression, open_plain
from hornbeam.ingest.incoming import Arrival
from hornbeam.ingest.protocol import IngestLimits
from hornbeam.ingest.refusals import FileRefused, quoted, refused

ARCHIVES = frozenset({".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar"})
_IGNORED = frozenset({"__MACOSX", "Thumbs.db", "desktop.ini"})
_DAMAGED = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, OSError, ValueError, NotImplementedError)
_ENCRYPTED = 0x1


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive."""

    path: PurePosixPath
    size: int
    """As the archive tells it: what is read is counted all the same."""

    @property
    def name(self) -> str:
        """Its whole path."""
        return str(self.path)

    @property
    def suffix(self) -> str:
        """The ending of its name, in lower case."""
        return self.path.suffix.lower()

    @property
    def folder(self) -> str | None:
        """The directory it lies in, by its last name; None at the top."""
        return self.path.parent.name or None


class Archive(Protocol):
    """An archive whose table of contents was checked."""

    members: list[Member]
    """Without directories, and without what operating systems leave behind."""

    def contents(self, wanted: Container[str]) -> Iterator[tuple[Member, bytes]]:
        """The members of these names in the order of the archive. Raises FileRefused for one that is damaged."""
        ...


def open_archive(arrival: Arrival, compression: Compression | None, limits: IngestLimits) -> Archive:
    """Open a ZIP (which waits for its end) or a TAR, and check its table of contents; raises FileRefused."""
    if compression is None and arrival.open().read(2) == b"PK":
        return ZipArchive(arrival, limits)
    return TarArchive(arrival, compression, limits)


class _Contents:
    """Checks names as they are found."""

    def __init__(self, limits: IngestLimits) -> None:
        self._limits = limits
        self._seen: set[str] = set()
        self.members: list[Member] = []

    def add(self, name: str, size: int) -> None:
        """One more file; raises FileRefused if it may not be in an archive."""
        if len(self._seen) >= self._limits.members:
            raise refused("archive.too_many_members", f"The archive holds more than {self._limits.members} files.")
        path = safe_path(name)
        if str(path) in self._seen:
            raise refused("archive.duplicate_member", f"The archive holds two files called {quoted(str(path))}.")
        self._seen.add(str(path))
        if any(part.startswith(".") or part in _IGNORED for part in path.parts):
            return
        if path.suffix.lower() in ARCHIVES:
            raise refused(
                "archive.nested",
                f"The archive holds another one, {quoted(str(path))}.",
                "Bring the files in it by themselves.",
            )
        self.members.append(Member(path, size))


def safe_path(name: str) -> PurePosixPath:
    """The path of a member; raises FileRefused for one that leads out of the archive."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or name[1:2] == ":" or not path.parts:
        raise refused(
            "archive.member_path",
            f"The archive holds {quoted(name)}, a name that leads out of it.",
            "Pack the files with relative names.",
        )
    return path


def damaged(what: str, error: BaseException) -> FileRefused:
    """The finding about an archive or a member that cannot be read."""
    return refused("archive.damaged", f"{what} is cut off or damaged ({error}).", "Pack it again, and send it again.")


def _too_large(member: str, limit: int) -> FileRefused:
    return refused("cell.too_large", f"The file {quoted(member)} has more than the {limit} bytes allowed for one.")


class Counted:
    """Counts what comes out of an archive, all members together."""

    def __init__(self, limits: IngestLimits, size: int) -> None:
        self._factor = limits.expansion
        self._most = limits.expansion * size + GRACE
        self._sum = 0

    def add(self, size: int) -> None:
        """So many bytes more; raises FileRefused where they are too many."""
        self._sum += size
        if self._sum > self._most:
            raise refused(
                "archive.expansion",
                f"The archive becomes more than {self._factor} times larger when it is unpacked.",
                "Pack it without compression.",
            )


class ZipArchive:
    """A ZIP."""

    def __init__(self, arrival: Arrival, limits: IngestLimits) -> None:
        size = arrival.wait_until_whole()
        self._limits = limits
        self._counted = Counted(limits, size)
        try:
            self._zip = zipfile.ZipFile(arrival.open())
        except _DAMAGED as error:
            raise damaged("The ZIP", error) from error
        contents = _Contents(limits)
        declared = Counted(limits, size)
        for info in self._zip.infolist():
            self._check(info)
            declared.add(info.file_size)
            if not info.is_dir():
                contents.add(info.filename, info.file_size)
        self.members = contents.members
        self._infos = {str(PurePosixPath(info.filename)): info for info in self._zip.infolist() if not info.is_dir()}

    def contents(self, wanted: Container[str]) -> Iterator[tuple[Member, bytes]]:
        """The members of these names."""
        for member in self.members:
            if member.name in wanted:
                with self.open(member) as file:
                    data = file.read(self._limits.cell_bytes + 1)
                if len(data) > self._limits.cell_bytes:
                    raise _too_large(member.name, self._limits.cell_bytes)
                yield member, data

    def open(self, member: Member) -> "_MemberFile":
        """A member as a stream that is counted."""
        try:
            file = self._zip.open(self._infos[member.name])
        except (*_DAMAGED, RuntimeError) as error:
            raise damaged(f"The file {quoted(member.name)} in the archive", error) from error
        return _MemberFile(file, member.name, self._counted)

    @staticmethod
    def _check(info: zipfile.ZipInfo) -> None:
        name = quoted(info.filename)
        if info.flag_bits & _ENCRYPTED:
            raise refused("archive.encrypted", f"The file {name} is encrypted.", "Pack the files without a password.")
        kind = info.external_attr >> 28
        if info.create_system == 3 and kind not in (0, 0o4, 0o10):
            raise refused("archive.link", f"The archive holds {name}, which is a link or no file.", "Pack files only.")


class _MemberFile:
    """A member as a stream: counted, and what is damaged told as a finding."""

    def __init__(self, file: IO[bytes], name: str, counted: Counted) -> None:
        self._file = file
        self._name = name
        self._counted = counted

    def read(self, size: int = -1, /) -> bytes:
        """So many bytes."""
        try:
            data = self._file.read(size)
        except _DAMAGED as error:
            raise damaged(f"The file {quoted(self._name)} in the archive", error) from error
        self._counted.add(len(data))
        return data

    def __enter__(self) -> "_MemberFile":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


class TarArchive:
    """A TAR, compressed or not. It is gone through twice: for its contents while it arrives, then for its members."""

    def __init__(self, arrival: Arrival, compression: Compression | None, limits: IngestLimits) -> None:
        self._arrival = arrival
        self._compression = compression
        self._limits = limits
        contents = _Contents(limits)
        for info in self._infos(self._opened()):
            contents.add(info.name, info.size)
        self.members = contents.members

    def contents(self, wanted: Container[str]) -> Iterator[tuple[Member, bytes]]:
        """The members of these names."""
        members = {member.name: member for member in self.members}
        tar = self._opened()
        for info in self._infos(tar):
            member = members.get(str(PurePosixPath(info.name)))
            if member is None or member.name not in wanted:
                continue
            if info.size > self._limits.cell_bytes:
                raise _too_large(member.name, self._limits.cell_bytes)
            try:
                file = tar.extractfile(info)
                data = file.read() if file else b""
            except _DAMAGED as error:
                raise damaged(f"The file {quoted(member.name)} in the archive", error) from error
            yield member, data

    def _opened(self) -> tarfile.TarFile:
        stream: Any = open_plain(self._arrival, self._compression, self._limits.expansion)
        try:
            if self._compression is None:
                return tarfile.open(fileobj=stream, mode="r:")
            return tarfile.open(fileobj=stream, mode="r|")
        except _DAMAGED as error:
            raise damaged("The TAR", error) from error

    def _infos(self, tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
        while True:
            try:
                info = tar.next()
            except _DAMAGED as error:
                raise damaged("The TAR", error) from error
            if info is None:
                return
            tar.members = []  # type: ignore[attr-defined] # it would remember them all
            if info.issparse() or not (info.isreg() or info.isdir()):
                raise refused(
                    "archive.link",
                    f"The archive holds {quoted(info.name)}, which is a link or no file.",
                    "Pack files only.",
                )
            if info.isreg():
                yield info
