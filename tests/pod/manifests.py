"""Reads pods out of manifests, as `helm template` prints them: their containers, in which order, with which files.

What a newcomer would get wrong: to read a pod from what the test would like to find. Whatever a kubelet heeds and this
does not know is refused by its name (`HEEDED`), or a chart could ask for something that is never tried.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from harness import Failure, expect

Document = dict[str, Any]
Secrets = Mapping[str, Mapping[str, str]]

HEEDED = {
    "name", "image", "command", "args", "env", "restartPolicy", "lifecycle", "startupProbe", "livenessProbe",
    "readinessProbe", "volumeMounts", "securityContext",
}  # fmt: skip
"""What of a container is played."""

OF_NO_CONCERN = {"imagePullPolicy", "ports", "resources"}
"""What of a container changes nothing for processes on one machine."""


@dataclass(frozen=True)
class Container:
    """One container of a pod."""

    name: str
    image: str
    """The image's name, without registry and tag."""
    words: list[str]
    """What is run in place of the image's entry point, and its arguments."""
    has_command: bool
    env: dict[str, str]
    mounts: dict[str, str]
    """Names of volumes by the directories at which they are mounted."""
    is_sidecar: bool
    """Whether it is an init container that goes on running."""
    spec: Document

    def hook(self, moment: str) -> list[str] | None:
        """The command of postStart or preStop."""
        handler = self.spec.get("lifecycle", {}).get(moment)
        expect(not handler or set(handler) == {"exec"}, f"{self.name}: {moment} is of a kind that is not known here")
        return handler["exec"]["command"] if handler else None

    def probe(self, kind: str) -> Document | None:
        """startupProbe, livenessProbe or readinessProbe."""
        return self.spec.get(kind)


@dataclass(frozen=True)
class Pod:
    """A pod, before it is started."""

    name: str
    init: list[Container]
    main: list[Container]
    volumes: dict[str, dict[str, str]]
    """For each volume its files: path and content."""
    grace_seconds: int
    is_job: bool


def read(text: str, secrets: Secrets) -> list[Pod]:
    """The pods of Deployments and Jobs."""
    documents = [each for each in yaml.safe_load_all(text) if each]
    maps = {each["metadata"]["name"]: each["data"] for each in documents if each["kind"] == "ConfigMap"}
    owners = [each for each in documents if each["kind"] in ("Deployment", "Job")]
    return [_pod(each, maps, secrets) for each in owners]


def _pod(owner: Document, maps: Secrets, secrets: Secrets) -> Pod:
    spec = owner["spec"]["template"]["spec"]
    init = [_container(each, secrets) for each in spec.get("initContainers", [])]
    main = [_container(each, secrets) for each in spec["containers"]]
    expect(all(not each.is_sidecar for each in main), "restartPolicy is for init containers")
    return Pod(
        name=owner["metadata"]["name"],
        init=init,
        main=main,
        volumes={each["name"]: _files(each, maps, secrets) for each in spec.get("volumes", [])},
        grace_seconds=spec.get("terminationGracePeriodSeconds", 30),
        is_job=owner["kind"] == "Job",
    )


def _container(spec: Document, secrets: Secrets) -> Container:
    unknown = set(spec) - HEEDED - OF_NO_CONCERN
    expect(not unknown, f"the container {spec['name']} has what is not known here: {sorted(unknown)}")
    return Container(
        name=spec["name"],
        image=spec["image"].rpartition("/")[2].partition(":")[0].partition("@")[0],
        words=[*spec.get("command", []), *spec.get("args", [])],
        has_command="command" in spec,
        env={each["name"]: _value(each, secrets) for each in spec.get("env", [])},
        mounts={each["mountPath"]: each["name"] for each in spec.get("volumeMounts", [])},
        is_sidecar=spec.get("restartPolicy") == "Always",
        spec=spec,
    )


def _value(entry: Document, secrets: Secrets) -> str:
    if "value" in entry:
        return entry["value"]
    wanted = entry.get("valueFrom", {}).get("secretKeyRef")
    if not wanted:
        raise Failure(f"the variable {entry['name']} is from what is not known here")
    return secrets[wanted["name"]][wanted["key"]]


def _files(volume: Document, maps: Secrets, secrets: Secrets) -> dict[str, str]:
    """The files of a volume: of one ConfigMap or Secret, or of several together (projected)."""
    sources = volume["projected"]["sources"] if "projected" in volume else [volume]
    files: dict[str, str] = {}
    for source in sources:
        if "configMap" in source:
            files |= _items(source["configMap"], maps[source["configMap"]["name"]])
        elif "secret" in source:
            chosen = source["secret"]
            files |= _items(chosen, secrets[chosen.get("secretName") or chosen["name"]])
        else:
            raise Failure(f"the volume {volume['name']} is of a kind that is not known here")
    return files


def _items(source: Document, data: Mapping[str, str]) -> dict[str, str]:
    items = source.get("items")
    return {each["path"]: data[each["key"]] for each in items} if items else dict(data)
