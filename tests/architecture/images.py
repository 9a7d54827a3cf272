"""The Dockerfile, read: each target's instructions, with those of the stages that it stands on."""

import json
import re
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from dockerfile_parse import DockerfileParser

from tests.architecture.sources import ROOT


@dataclass(frozen=True)
class Instruction:
    """One instruction, without its comments and line breaks."""

    name: str
    value: str

    @property
    def words(self) -> list[str]:
        """The words of an instruction in exec form."""
        return json.loads(self.value)


@dataclass(frozen=True)
class Stage:
    """A stage, and the image or stage that it starts from."""

    name: str
    source: str
    instructions: tuple[Instruction, ...]


class Dockerfile:
    """All stages of the Dockerfile."""

    def __init__(self, path: Path = ROOT / "Dockerfile") -> None:
        parser = DockerfileParser(fileobj=BytesIO(path.read_bytes()))
        self.stages: dict[str, Stage] = {}
        name, source, found = "", "", list[Instruction]()
        for entry in [*parser.structure, {"instruction": "FROM", "value": "none AS none"}]:
            if entry["instruction"] == "FROM":
                if name:
                    self.stages[name] = Stage(name, source, tuple(found))
                source, _, name = re.split(r"\s+", entry["value"])
                found = []
            elif entry["instruction"] != "COMMENT":
                found.append(Instruction(entry["instruction"], entry["value"]))

    def instructions(self, target: str) -> list[Instruction]:
        """Everything that makes a target, from its first stage on."""
        stage = self.stages[target]
        inherited = self.instructions(stage.source) if stage.source in self.stages else []
        return [*inherited, *stage.instructions]

    def last(self, target: str, name: str) -> Instruction:
        """The instruction of this name that counts for a target."""
        return [entry for entry in self.instructions(target) if entry.name == name][-1]

    def environment(self, target: str) -> dict[str, str]:
        """What ENV sets, as it is written."""
        pairs = [entry.value for entry in self.instructions(target) if entry.name == "ENV"]
        return dict(re.findall(r"(\w+)=(\S+)", " ".join(pairs)))
