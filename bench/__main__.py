"""Runs every measurement, one after the other, each in a process of its own."""

import subprocess
import sys

MEASUREMENTS = (
    "bench.job_list",
    "bench.api",
    "bench.train",
    "bench.proof",
    "bench.memory",
    "bench.ingest",
    "bench.feeding",
)


def main() -> int:
    """Run them all; the exit status is the worst of theirs."""
    return max(subprocess.run([sys.executable, "-m", name], check=False).returncode for name in MEASUREMENTS)


if __name__ == "__main__":
    sys.exit(main())
