"""Reads the Dockerfile and does by hand what a builder would do: gathers what it is given, fills the last stage.

So the root in which the tests run the binary holds what the image holds, by the Dockerfile's own words. What a newcomer
would get wrong: to think that this is a builder. It knows the few forms that our Dockerfile needs, and refuses all
else; whoever writes something cleverer must teach it here first.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import harness
from harness import Failure, expect

DOCKERFILE = harness.ROOT / "helm/image/Dockerfile"

BUILT = "image/chathub-gateway"
"""Where `build` puts the image's binary, under target/."""


@dataclass(frozen=True)
class Instruction:
    """One instruction: `COPY`, and the rest of its line."""

    word: str
    rest: str


@dataclass(frozen=True)
class Stage:
    """From one FROM to the next."""

    base: str
    instructions: list[Instruction]

    def all(self, word: str) -> list[str]:
        """The instructions with this word."""
        return [each.rest for each in self.instructions if each.word == word]

    def one(self, word: str) -> str:
        """The one instruction with this word."""
        found = self.all(word)
        expect(len(found) == 1, f"the stage from {self.base} has {len(found)} instructions {word}, not one")
        return found[0]


def read(path: Path = DOCKERFILE) -> tuple[dict[str, str], list[Stage]]:
    """The arguments before the first stage with their defaults, and the stages."""
    arguments: dict[str, str] = {}
    stages: list[Stage] = []
    for instruction in _instructions(path.read_text("utf-8")):
        if instruction.word == "FROM":
            stages.append(Stage(instruction.rest, []))
        elif stages:
            stages[-1].instructions.append(instruction)
        else:
            expect(instruction.word == "ARG", f"{instruction.word} stands before the first FROM")
            name, _, value = instruction.rest.partition("=")
            arguments[name] = value
    return arguments, stages


def _instructions(text: str) -> list[Instruction]:
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [Instruction(*line.split(maxsplit=1)) for line in joined.splitlines()]


@dataclass(frozen=True)
class Copy:
    """A COPY: from another stage, or from what the builder is given."""

    stage: str | None
    sources: list[str]
    target: str


def copies(stage: Stage) -> list[Copy]:
    """What a stage copies."""
    found = []
    for rest in stage.all("COPY"):
        words = rest.split()
        options = [word for word in words if word.startswith("--")]
        expect(all(option.startswith("--from=") for option in options), f"COPY {rest}: only --from is known here")
        places = words[len(options) :]
        origin = options[0].removeprefix("--from=") if options else None
        found.append(Copy(origin, places[:-1], places[-1]))
    expect(not stage.all("ADD"), "ADD does more than it says: use COPY")
    return found


def admitted(root: Path = harness.ROOT) -> list[str]:
    """What .dockerignore lets through: after `*`, the lines that take back."""
    lines = (root / ".dockerignore").read_text("utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    expect(rules[:1] == ["*"], ".dockerignore must begin with *, for it lists what may go in")
    expect(all(rule.startswith("!") for rule in rules[1:]), ".dockerignore leaves out something after *")
    return [rule[1:] for rule in rules[1:]]


def gather(stage: Stage, context: Path) -> None:
    """Lays out what the building stage is given, and nothing else. Times of files stay, or cargo would begin anew."""
    admissible = admitted()
    wanted = []
    for copy in copies(stage):
        expect(copy.stage is None, "the building stage copies from another one")
        for source in copy.sources:
            expect(source in admissible, f"{source} is copied, and .dockerignore keeps it out")
            wanted.append((harness.ROOT / source, context / _place(copy, source)))
    for origin, place in wanted:
        _renew(origin, place)


def _renew(origin: Path, place: Path) -> None:
    if not origin.is_dir():
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(origin, place)
        return
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(origin, place)


def _place(copy: Copy, source: str) -> str:
    """Where a source goes: a directory's content into the target; a file to it or, if it ends with a slash, into it."""
    expect(" " not in copy.target, f"COPY {copy.target}")
    is_folder = (harness.ROOT / source).is_dir()
    if is_folder or not copy.target.endswith("/"):
        return copy.target.strip("/")
    return f"{copy.target}{Path(source).name}".removeprefix("./").lstrip("/")


def fill(stage: Stage, built: dict[str, Path], root: Path) -> None:
    """Makes the root of the last stage. `built` are the files of the stage before, by their paths there."""
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    for copy in copies(stage):
        for source in copy.sources:
            if copy.stage is not None and source not in built:
                raise Failure(f"COPY --from={copy.stage} {source}: the stage before builds only {list(built)}")
            origin = built[source] if copy.stage else harness.ROOT / source
            place = root / _place(copy, source)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(origin, place)


def listing(root: Path) -> set[str]:
    """The files under a root."""
    return {f"/{path.relative_to(root)}" for path in root.rglob("*") if not path.is_dir()}


def this_architecture() -> str:
    """This machine's, as Docker calls it."""
    machine = os.uname().machine
    known = {"x86_64": "amd64", "aarch64": "arm64"}
    expect(machine in known, f"no image is built for {machine}")
    return known[machine]


def exec_form(rest: str) -> list[str]:
    """The words of an instruction in the form that needs no shell."""
    try:
        return json.loads(rest)
    except json.JSONDecodeError:
        raise Failure(f"{rest} needs a shell, and the image has none: write a JSON array") from None
