"""What tests of containers share: a network of their own, and programs that see a root of their own.

There is no container engine here, and none is needed: what a container is for a program is a root directory, a user
and a network, and Linux gives each of them by itself. What a newcomer would get wrong: to make do without the network.
Pods have fixed ports, and so has the gateway's default; on the machine's own network two runs at once would meet on
them, and `0.0.0.0` would be open to others.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import struct
import subprocess
import sys
from pathlib import Path

from harness import Failure, expect

USER = 65532
"""The user and the group of the image."""

INSIDE = "TEST_NETWORK_IS_OWN"
"""Set in the environment of a test that has gone into a network of its own."""

SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1


def enter_own_network() -> None:
    """Starts this program anew in a network that has nothing but its own loopback. To be called first."""
    if os.environ.get(INSIDE) != "yes":
        command = [tool("unshare"), *([] if is_root() else ["--user", "--map-root-user"]), "--net"]
        refused = subprocess.run([*command, "true"], capture_output=True, text=True)
        if refused.returncode != 0:
            sys.exit(
                f"this needs a network of its own, and may not have one: {refused.stderr.strip()}\n"
                "run it as root, or allow namespaces to other users, as root: sysctl -w kernel.unprivileged_userns_clone=1"
                " on Debian, sysctl -w kernel.apparmor_restrict_unprivileged_userns=0 on Ubuntu"
            )
        os.environ[INSIDE] = "yes"
        sys.stdout.flush()
        os.execv(command[0], [*command, sys.executable, *sys.argv])
    raise_loopback()


def raise_loopback() -> None:
    """A new network's loopback is down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        told = fcntl.ioctl(asked, SIOCGIFFLAGS, struct.pack("16sH14x", b"lo", 0))
        flags = struct.unpack("16sH14x", told)[1]
        fcntl.ioctl(asked, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | IFF_UP))


def is_root() -> bool:
    """Whether we are root of the machine, or of a container, and not merely of a user namespace of our own."""
    names = Path("/proc/self/uid_map").read_text("utf-8").split()
    return os.geteuid() == 0 and int(names[2]) > USER


def within(root: Path, *command: str) -> list[str | Path]:
    """A command that sees `root` as its root and is the image's user. The process becomes the program itself."""
    if is_root():
        user = [f"--userspec={USER}:{USER}", "--groups="]
        return [tool("chroot"), *user, root, *command]
    # The name `65532` is then our own by another name: we may take no other, but the program cannot tell.
    user = [f"--map-user={USER}", f"--map-group={USER}"]
    return [tool("unshare"), "--user", *user, f"--root={root}", "--wd=/", "--", *command]


def tool(name: str) -> str:
    """A program of every Debian's and Ubuntu's base system."""
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"]))
    expect(found is not None, f"{name} is missing: it comes with the packages coreutils and util-linux")
    return str(found)


def run(root: Path, *command: str, settings: dict[str, str] | None = None, seconds: float = 30) -> tuple[int, str, str]:
    """Runs a command within `root` to its end, with no environment but `settings`: exit code, output, complaints."""
    try:
        ended = subprocess.run(
            within(root, *command),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=settings or {},
            timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        raise Failure(f"{' '.join(command)} has not ended within {seconds} s") from None
    return ended.returncode, ended.stdout.strip(), ended.stderr.strip()


def make_readable(root: Path) -> None:
    """Lets the image's user into a directory that another has made."""
    for place in [root, *root.rglob("*")]:
        place.chmod(place.stat().st_mode | (0o555 if place.is_dir() else 0o444))
