"""Runs containers as processes, as a container runtime would: each with its root, its user, its files and variables.

The gateway's image is a root directory of its own, so its probes and hooks run in it, too. What a newcomer would get
wrong: to give the application's image the same care. It stands for any application; it is run by the interpreter that
has its packages, and what is tried is the order in which it meets the gateway.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import container
import harness
import manifests
import recipe
from harness import Program, expect

APPLICATION = harness.ROOT / "helm/examples/operators-app"
INTERPRETER = harness.TARGET / "pod/python/bin/python"

IN_IMAGE = {"python3": str(INTERPRETER), "/app/app.py": str(APPLICATION / "app.py")}
"""Where things are that the application's image would have."""


class Box:
    """A container that may be started, once."""

    def __init__(self, spec: manifests.Container, pod: manifests.Pod, more: Mapping[str, str], directory: Path) -> None:
        self.spec, self.directory = spec, directory
        user = spec.spec.get("securityContext", {}).get("runAsUser", container.USER)
        expect(spec.image != "chathub-gateway" or user == container.USER, f"{spec.name} is to run as user {user}")
        self.env = {**spec.env, **more}
        self.root = self._make_root(pod) if spec.image == "chathub-gateway" else None
        self.program = Program(spec.name, self._command(), directory, self.env, is_contained=True)
        self.ended_at = 0.0

    def _make_root(self, pod: manifests.Pod) -> Path:
        root = self.directory / spec_root(self.spec)
        recipe.fill(recipe.read()[1][-1], {"/image/chathub-gateway": harness.TARGET / recipe.BUILT}, root)
        for place, volume in self.spec.mounts.items():
            for path, content in pod.volumes[volume].items():
                file = root / place.lstrip("/") / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(content, "utf-8")
        container.make_readable(root)
        return root

    def _command(self) -> list[str | Path]:
        if self.root is None:
            return [IN_IMAGE.get(word, word) for word in self.spec.words]
        entry = [] if self.spec.has_command else entry_point()
        return container.within(self.root, *entry, *self.spec.words)

    def start(self) -> None:
        """Starts its process."""
        self.program.__enter__()

    def is_started(self) -> bool:
        return hasattr(self.program, "process")

    def code(self) -> int | None:
        """What it ended with, if it has."""
        return self.program.process.poll() if self.is_started() else None

    def execute(self, command: list[str], seconds: float) -> int:
        """Runs a command within it, as probes and hooks are, and returns its exit code; -1: it took too long."""
        expect(self.root is not None, f"{self.spec.name} is asked to run {command}, and has no root here")
        try:
            ended = subprocess.run(
                container.within(self.root or Path(), *command),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                env=self.env,
                timeout=seconds,
            )
        except subprocess.TimeoutExpired:
            return -1
        return ended.returncode

    def run(self, *words: str, seconds: float) -> int:
        """The same, of the program that is the image's entry point."""
        return self.execute([*entry_point(), *words], seconds)

    def wait(self, seconds: float) -> bool:
        """Waits until it has ended, for so long."""
        try:
            self.program.process.wait(max(seconds, 0))
        except subprocess.TimeoutExpired:
            return False
        self.ended_at = self.ended_at or time.monotonic()
        return True

    def terminate(self) -> None:
        """Sends SIGTERM."""
        if self.code() is None:
            os.kill(self.program.process.pid, signal.SIGTERM)

    def kill(self) -> None:
        """Sends SIGKILL, and waits."""
        if self.is_started() and self.code() is None:
            self.program.process.kill()
            self.program.process.wait()


def entry_point() -> list[str]:
    """What the gateway's image starts with."""
    return recipe.exec_form(recipe.read()[1][-1].one("ENTRYPOINT"))


def spec_root(spec: manifests.Container) -> str:
    """The name of a container's root."""
    return f"{spec.name}-root"


def remove_roots(directory: Path) -> None:
    """A root is a copy of the binary: twenty pods' are not kept, their logs are."""
    for root in directory.glob("*-root"):
        shutil.rmtree(root)


Note = Callable[[str, str], None]
