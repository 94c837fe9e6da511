"""Plays a kubelet for one pod: what is started when, what is asked, who is told to stop in which order.

Starting: init containers one after another; one that goes on running (a native sidecar) has started when its startup
probe has succeeded, and holds up the next until then; then the containers, each when the postStart hook of the one
before has ended. Stopping: every container's preStop hook at once, *also a native sidecar's*; then SIGTERM, for
sidecars when those after them have ended; SIGKILL when the grace period is over, which all of this shares. That the
hook of a sidecar does not wait for its turn is what a newcomer would get wrong: it runs while the application works.

Periods of probes pass ten times as fast here (`HASTE`), the grace period does not.
"""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import manifests
import runtime
from harness import Failure, expect
from runtime import Box

HASTE = 10
"""How much faster than real ones probes follow each other."""

LEAST_GRACE_SECONDS = 2
"""What a container is given after SIGTERM even if hooks and waiting have used up the grace period."""

Overrides = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class Event:
    """What happened to a container."""

    at: float
    container: str
    what: str


class Running:
    """A pod that is being started, runs, or is being stopped."""

    def __init__(self, pod: manifests.Pod, overrides: Overrides, directory: Path, late: str | None = None) -> None:
        """`late` names a container whose process is started only when its startup probe has failed twice."""
        self.pod, self.late = pod, late
        self.events: list[Event] = []
        self.boxes = {
            each.name: Box(each, pod, overrides.get(each.name, {}), directory) for each in [*pod.init, *pod.main]
        }
        self.ending, self.over = threading.Event(), threading.Event()
        self.watchers: list[threading.Thread] = []
        self.directory = directory

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *_: object) -> None:
        self.ending.set()
        self.over.set()
        for box in self.boxes.values():
            box.kill()
        for watcher in self.watchers:
            watcher.join(10)
        runtime.remove_roots(self.directory)

    def note(self, container: str, what: str) -> None:
        self.events.append(Event(time.monotonic(), container, what))

    def at(self, container: str, what: str) -> float:
        """When something happened first."""
        for event in list(self.events):
            if (event.container, event.what) == (container, what):
                return event.at
        raise Failure(f"{container} has not {what}; the pod's story:\n{self.story()}")

    def has(self, container: str, what: str) -> bool:
        return any((event.container, event.what) == (container, what) for event in list(self.events))

    def story(self) -> str:
        """All that happened, for whoever reads a failure."""
        events = list(self.events)
        began = events[0].at if events else 0.0
        return "\n".join(f"{1000 * (each.at - began):8.0f} ms  {each.container}: {each.what}" for each in events)

    # === starting ===

    def start(self) -> None:
        """Starts all containers in their order."""
        self.note("pod", "begun")
        for spec in self.pod.init:
            self._start_box(spec)
            if spec.is_sidecar:
                self._await_startup(spec)
                continue
            expect(self.boxes[spec.name].wait(60), f"{spec.name} has not ended")
            expect(self.boxes[spec.name].code() == 0, f"{spec.name} ended with {self.boxes[spec.name].code()}")
        for spec in self.pod.main:
            self._start_box(spec)
        for spec in self.pod.main:
            self._await_startup(spec)

    def _start_box(self, spec: manifests.Container) -> None:
        if self.late != spec.name:
            self.boxes[spec.name].start()
            self.note(spec.name, "started")
        for kind in "readinessProbe", "livenessProbe":
            if spec.probe(kind):
                watcher = threading.Thread(target=self._watch, args=(spec, kind), daemon=True)
                self.watchers.append(watcher)
                watcher.start()
        hook = spec.hook("postStart")
        if hook:
            code = self.boxes[spec.name].execute(hook, 60)
            self.note(spec.name, f"postStart ended with {code}")
            expect(code == 0, f"{spec.name}: the hook {hook} failed\n{self.story()}")

    def _await_startup(self, spec: manifests.Container) -> None:
        probe = spec.probe("startupProbe")
        failures = 0
        while probe and not self._succeeds(spec, probe):
            failures += 1
            self.note(spec.name, "startup probe failed")
            expect(failures < probe.get("failureThreshold", 3), f"{spec.name} does not start\n{self.story()}")
            self._expect_alive(spec)
            if self.late == spec.name and failures == 2:
                self.boxes[spec.name].start()
                self.note(spec.name, "started")
            self.over.wait(probe.get("periodSeconds", 10) / HASTE)
        if probe:
            self.note(spec.name, "startup probe succeeded")

    def _succeeds(self, spec: manifests.Container, probe: manifests.Document) -> bool:
        seconds = probe.get("timeoutSeconds", 1)
        if "exec" in probe:
            return self.boxes[spec.name].execute(probe["exec"]["command"], seconds) == 0
        ports = {each.get("name"): each["containerPort"] for each in spec.spec.get("ports", [])}
        wanted = probe["httpGet"]
        connection = http.client.HTTPConnection("127.0.0.1", ports.get(wanted["port"], wanted["port"]), timeout=seconds)
        try:
            connection.request("GET", wanted.get("path", "/"))
            return 200 <= connection.getresponse().status < 400
        except OSError:
            return False
        finally:
            connection.close()

    def _expect_alive(self, spec: manifests.Container) -> None:
        code = self.boxes[spec.name].code()
        words = self.boxes[spec.name].program.last_words() if code is not None else ""
        expect(code is None, f"{spec.name} ended with {code}\n{words}")

    def _watch(self, spec: manifests.Container, kind: str) -> None:
        """Asks again and again, from the time on when it has started, and notes when the verdict changes.

        Who is told to stop is no longer asked whether he is alive: his port is closed before his process has ended.
        """
        probe = spec.probe(kind) or {}
        good, bad, until = ("ready", "unready", self.over)
        if kind == "livenessProbe":
            good, bad, until = ("alive", "not alive", self.ending)
        verdict: str | None = None
        while not until.is_set():
            if spec.probe("startupProbe") is None or self.has(spec.name, "startup probe succeeded"):
                told = good if self._succeeds(spec, probe) else bad
                if told != verdict and not until.is_set() and (verdict or told == good):
                    self.note(spec.name, told)
                    verdict = told
            until.wait(probe.get("periodSeconds", 10) / HASTE)

    # === stopping ===

    def stop(self, lingering: str | None = None) -> None:
        """Stops all containers, as when a pod is deleted.

        `lingering` names a gateway that goes on for long after everybody whom it serves; it is told to end with the
        last of them, to save time.
        """
        self.note("pod", "told to stop")
        hastener = threading.Thread(target=self._hasten, args=(lingering,))
        if lingering:
            hastener.start()
        self._end(list(self.boxes.values()))
        if lingering:
            hastener.join()

    def _hasten(self, name: str) -> None:
        deadline = time.monotonic() + self.pod.grace_seconds
        for spec in self.pod.main:
            if spec.name != name:
                self.boxes[spec.name].wait(deadline - time.monotonic())
        code = self.boxes[name].run("quit", "--now", seconds=deadline - time.monotonic())
        self.note(name, f"quit ended with {code}")

    def complete(self, seconds: float) -> None:
        """Waits until the application of a Job has ended, then stops the sidecars, as a kubelet does."""
        until = time.monotonic() + seconds
        for spec in self.pod.main:
            box = self.boxes[spec.name]
            expect(box.wait(until - time.monotonic()), f"{spec.name} has not ended within {seconds} s\n{self.story()}")
            self.note(spec.name, f"ended with {box.code()}")
        self._end([self.boxes[spec.name] for spec in self.pod.init if spec.is_sidecar])

    def _end(self, boxes: list[Box]) -> None:
        self.ending.set()
        deadline = time.monotonic() + self.pod.grace_seconds
        enders = [threading.Thread(target=self._end_box, args=(box, deadline)) for box in boxes]
        for ender in enders:
            ender.start()
        for ender in enders:
            ender.join()
        self.over.set()

    def _end_box(self, box: Box, deadline: float) -> None:
        name = box.spec.name
        hook = box.spec.hook("preStop")
        if hook and box.code() is None:
            self.note(name, "preStop begun")
            code = box.execute(hook, deadline - time.monotonic())
            self.note(name, f"preStop ended with {code}")
        for other in self._before(box):
            other.wait(deadline - time.monotonic())
        if box.code() is None:
            self.note(name, "SIGTERM")
            box.terminate()
        if not box.wait(max(deadline - time.monotonic(), LEAST_GRACE_SECONDS)):
            self.note(name, "SIGKILL")
            box.kill()
            box.wait(0)
        if not any(event.container == name and event.what.startswith("ended with") for event in list(self.events)):
            self.note(name, f"ended with {box.code()}")

    def _before(self, box: Box) -> list[Box]:
        """Who must have ended before this one is told to stop: for a sidecar, the application and later sidecars."""
        if not box.spec.is_sidecar:
            return []
        names = [each.name for each in self.pod.init]
        later = [each for each in self.pod.init[names.index(box.spec.name) + 1 :] if each.is_sidecar]
        return [self.boxes[each.name] for each in [*self.pod.main, *later]]

    def code(self) -> int:
        """What the pod comes to: 0 if all of its containers but the sidecars ended with 0."""
        codes = [self.boxes[each.name].code() for each in self.pod.main]
        return 0 if all(code == 0 for code in codes) else 1
