"""The process that reads one file: the request and the arrival come by stdin, the answer goes to stdout.

Its environment is what the API leaves it. Leaves the reading to `answering`.
"""

import errno
import os
import sys
import threading
from pathlib import Path

import pyarrow as pa

from hornbeam.ingest.answering import answer
from hornbeam.ingest.incoming import Arrival
from hornbeam.ingest.limits import OutOfTime, limit_this_process
from hornbeam.ingest.protocol import IngestAnswer, IngestRequest
from hornbeam.ingest.refusals import Abandoned, FileRefused, refused


def main() -> int:
    """Read the file that stdin asks for; the exit status is 0 whenever there is an answer, or nobody to hear it."""
    request = IngestRequest.model_validate_json(sys.stdin.readline())
    pa.set_memory_pool(pa.system_memory_pool())  # the others keep what they once had, and the limit counts it
    limit_this_process(request.limits)
    arrival = Arrival(Path(request.path))
    threading.Thread(target=arrival.follow, args=(sys.stdin,), name="arrival", daemon=True).start()
    try:
        told = answer(request, arrival)
    except Abandoned:
        return 0
    except OutOfTime:
        told = _refusal(
            refused("file.time", f"Reading the file takes more than the {request.limits.seconds} s allowed for it.")
        )
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        told = _refusal(refused("service.no_space", "The service has no space left for the table.", "Try again later."))
    sys.stdout.write(told.model_dump_json() + "\n")
    sys.stdout.flush()
    return 0


def _refusal(refusal: FileRefused) -> IngestAnswer:
    return IngestAnswer(findings=list(refusal.findings))


if __name__ == "__main__":
    status = main()
    # Arrow's reading thread may still wait for bytes that nobody wants: nothing of this process is to be tidied up.
    os._exit(status)
