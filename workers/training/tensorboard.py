"""TensorBoard event files of a finished training: the same directories and tags as Keras's TensorBoard callback.

Written by TensorBoard's own record writer, one scalar per metric and epoch. They name no host.
"""

import io
import tarfile
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

from workers.training.reporting import History

_FILE = "events.out.tfevents.{second}.hornbeam"


def write_archive(history: History, path: Path) -> None:
    """Write a `.tar.gz` that, unpacked, `tensorboard --logdir` reads: `train/` and, if any, `validation/`."""
    with tarfile.open(path, "w:gz", compresslevel=3) as archive:
        for run, records in _runs(history).items():
            if records:
                _add(archive, f"{run}/{_FILE.format(second=int(history.ended_at[0]))}", records)


def _runs(history: History) -> dict[str, list[Event]]:
    runs: dict[str, list[Event]] = {"train": [], "validation": []}
    for step, (metrics, wall_time) in enumerate(zip(history.epochs, history.ended_at, strict=True)):
        for key, value in metrics.items():
            run = "validation" if key.startswith("val_") else "train"
            runs[run].append(_scalar(f"epoch_{key.removeprefix('val_')}", value, step, wall_time))
    return runs


def _scalar(tag: str, value: float, step: int, wall_time: float) -> Event:
    return Event(wall_time=wall_time, step=step, summary=Summary(value=[Summary.Value(tag=tag, simple_value=value)]))


def _add(archive: tarfile.TarFile, name: str, events: list[Event]) -> None:
    buffer = io.BytesIO()
    writer = RecordWriter(buffer)
    for event in (Event(wall_time=events[0].wall_time, file_version="brain.Event:2"), *events):
        writer.write(event.SerializeToString())
    member = tarfile.TarInfo(name)
    member.size, member.mtime = buffer.tell(), int(events[-1].wall_time)
    buffer.seek(0)
    archive.addfile(member, buffer)
