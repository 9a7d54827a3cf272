"""Starts the processes that read files, `python -m hornbeam.ingest`, and speaks `hornbeam.ingest.protocol` to them.

One for each file: in a private directory that goes with it, without our environment, killed when nobody waits for it
any more or when it takes too long. Only so many read at once; who comes later waits a little, then is told to come
again. Leaves files and datasets to `datasets`.
"""

import asyncio
import logging
import os
import re
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from pydantic import ValidationError

from hornbeam.errors import IngestBusy, InvalidDataset, StorageFull
from hornbeam.ingest.protocol import END, TABLE, IngestAnswer, IngestRequest
from hornbeam.processes import dying_with_parent
from schemas.problems import Finding
from service.threads import Threads

WAIT_SECONDS = 10.0
"""For a place to read in."""
_NO_SPACE = "service.no_space"
"""The process's word for a disk on which its table has no room."""
_LONGEST_ANSWER = 64 * 2**20
_LOG = "log.txt"
_LOG_TAIL = 2000
_SHA256 = re.compile(r"[0-9a-f]{64}")

_log = logging.getLogger(__name__)


class Ingests:
    """The processes that read files for this one. For one event loop.

    Args:
        at_once: How many may read.
        seconds: What one may take once its file is there.
        threads: Who parses answers.
    """

    def __init__(self, at_once: int, seconds: float, threads: Threads) -> None:
        self._places = asyncio.Semaphore(at_once)
        self._seconds = seconds
        self._threads = threads

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """One of the places. Raises IngestBusy when none gets free in time."""
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await self._places.acquire()
        except TimeoutError:
            raise IngestBusy from None
        try:
            yield
        finally:
            self._places.release()

    @asynccontextmanager
    async def reading(self, request: IngestRequest) -> AsyncIterator["Ingest"]:
        """A process that reads a file, for as long as the block lasts."""
        workdir = Path(request.workdir)
        with (workdir / _LOG).open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",  # its directory holds what a client sent: nothing is imported from there
                "-m",
                "hornbeam.ingest",
                stdin=PIPE,
                stdout=PIPE,
                stderr=log,
                cwd=workdir,
                env={"PATH": os.environ.get("PATH", os.defpath)},
                preexec_fn=dying_with_parent(),
            )
        ingest = Ingest(process, request, self._seconds, self._threads)
        try:
            await ingest.say(request.model_dump_json())
            yield ingest
        finally:
            await ingest.end()


class Ingest:
    """One process, and what it is told and says."""

    def __init__(self, process: Process, request: IngestRequest, seconds: float, threads: Threads) -> None:
        self._process = process
        self._request = request
        self._seconds = seconds
        self._threads = threads
        self._told = asyncio.create_task(self._listen())

    @property
    def has_ended(self) -> bool:
        """Whether there is an answer already: it refuses the file, however much more of it will come."""
        return self._told.done()

    async def grown(self, size: int) -> None:
        """Tell how many bytes are in the file."""
        await self.say(str(size))

    async def say(self, line: str) -> None:
        """Write a line. A process that has gone has left an answer, or none."""
        if self._process.stdin is None:
            raise AssertionError("it was started with a pipe")
        with suppress(ConnectionError, RuntimeError):  # uvloop's word for a pipe that the other end has closed
            self._process.stdin.write(f"{line}\n".encode())
            await self._process.stdin.drain()

    async def answer(self) -> IngestAnswer:
        """What was read, now that the file is whole. Raises InvalidDataset, StorageFull."""
        await self.say(END)
        try:
            async with asyncio.timeout(self._seconds):
                said = await asyncio.shield(self._told)
        except TimeoutError:
            raise _unreadable("reader.silent", f"It was not read within {self._seconds:g} seconds.") from None
        answer = await self._threads.run(self._parsed, said)
        if answer.profile is None:
            if any(finding.code == _NO_SPACE for finding in answer.findings):
                raise StorageFull
            raise InvalidDataset(answer.findings)
        return answer

    async def end(self) -> None:
        """Kill it if it still runs, and wait until it is gone."""
        with suppress(ProcessLookupError):
            self._process.kill()
        self._told.cancel()
        await asyncio.gather(self._told, self._process.wait(), return_exceptions=True)

    async def _listen(self) -> bytes:
        """The line that it answers, or what there was of it when it ended."""
        if self._process.stdout is None:
            raise AssertionError("it was started with a pipe")
        said = bytearray()
        while b"\n" not in said and len(said) <= _LONGEST_ANSWER:
            piece = await self._process.stdout.read(2**16)
            if not piece:
                await self._process.wait()
                break
            said += piece
        return bytes(said)

    def _parsed(self, said: bytes) -> IngestAnswer:
        try:
            answer = IngestAnswer.model_validate_json(said)
        except ValidationError:
            raise self._died() from None
        is_whole = answer.profile is not None and _SHA256.fullmatch(answer.table_sha256) is not None
        table = Path(self._request.workdir) / TABLE
        if not (is_whole and table.is_file() and not table.is_symlink()) and not answer.findings:
            raise self._died()
        return answer if is_whole else answer.model_copy(update={"profile": None})

    def _died(self) -> InvalidDataset:
        status = self._process.returncode
        _log.warning("A process that read a file ended with %s: %s", status, self._last_words())
        if status is not None and status < 0:
            reason = "it needs more memory or time to read than it may have"
        else:
            reason = "reading it failed; the service's log says more"
        return _unreadable("reader.ended", f"The file could not be read: {reason}.")

    def _last_words(self) -> str:
        with suppress(OSError):
            return (Path(self._request.workdir) / _LOG).read_text(errors="replace")[-_LOG_TAIL:]
        return ""


def _unreadable(code: str, message: str) -> InvalidDataset:
    return InvalidDataset([Finding(pointer="", code=code, message=message)], message)
