"""Paths as an agent names them: what is outside of its workspace, and what a system or a home is made of.

Lexical: no file is looked at, and a link that leads out is not seen.
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from symphony.core.guard.finding import Match
from symphony.core.guard.secrets import without_secrets
from symphony.core.guard.shell import Simple, parse_shell

OUTSIDE: Final = "write-outside-workspace"
SYSTEM: Final = re.compile(
    r"/(?:bin|boot|dev|etc|lib|lib32|lib64|libx32|proc|root|run|sbin|sys|usr|var|System|Library|Applications)(?:/|$)"
)
OWN_PLACES: Final = (
    "/usr/local/",
    "/var/tmp/",
    "/var/lib/",
    "/var/www/",
    "/var/log/",
    "/var/cache/",
    "/dev/shm/",
)
"""Folders below those of the system in which programs and their users write all day."""
FREE: Final = re.compile(
    r"/(?:tmp|var/tmp|dev/shm)(?:/.*)?|/dev/(?:null|stdout|stderr|stdin|tty|zero|full|ptmx|fd/\d+)"
    r"|/proc/self/fd/\d+|~/\.(?:cache|npm|cargo|rustup|gradle|m2|nuget|pnpm-store|yarn)(?:/.*)?"
    r"|~/(?:go|\.local/share|\.local/bin|\.local/lib)(?:/.*)?",
    re.DOTALL,
)
"""Places outside of a workspace in which anybody may write: temporary files, devices, caches."""
DEVICE: Final = re.compile(
    r"/dev/(?:[shv]d[a-z]|xvd[a-z]|nvme\d|mmcblk\d|disk\d|rdisk\d|mapper/|md\d|loop\d|dm-\d|mem$|kmem$|port$)"
)
HOME: Final = re.compile(
    r"(?:~[A-Za-z0-9_-]{0,32}|\$HOME|\$\{HOME\}|/home|/home/[^/]{1,64}|/Users|/Users/[^/]{1,64}|/root)(?:/\*|/\.\*)?"
    r"|(?:~|\$HOME|\$\{HOME\})/\.(?:ssh|gnupg|aws|config|kube|docker|password-store|mozilla)"
)
HOME_SIGNS: Final = re.compile(r"(?:\$HOME|\$\{HOME\}|~)(?=/|$)")
UNKNOWN: Final = re.compile(r"[$`*?\[{]")


def strip_slashes(path: str) -> str:
    """Return a path without what does not change it at its end; `/` stays."""
    path = re.sub(r"/{2,}", "/", path[:4_096])
    path = re.sub(r"(?<=/)(?:\./)+", "", path)
    return path.rstrip("/") or "/" if path.startswith("/") else path.rstrip("/")


def is_whole(path: str) -> bool:
    """Say whether it names the root, or everything in it."""
    return path in ("/", "/*", "/.", "/..", "/.*", "/{*,.*}", "/../..")


def is_home(path: str) -> bool:
    """Say whether it names a home as a whole, all homes, or what in a home keeps a person's keys."""
    return HOME.fullmatch(path) is not None


def is_system(path: str) -> bool:
    """Say whether it is a part of the system, not one of the places in it where anybody writes."""
    if SYSTEM.match(path) is None:
        return False
    return FREE.fullmatch(path) is None and not f"{path}/".startswith(OWN_PLACES)


def is_device(path: str) -> bool:
    """Say whether it is a disk or the machine's memory."""
    return DEVICE.match(path) is not None


def outside(path: str, workspace: str, folder: str | None = None) -> bool:
    """Say whether a path lies outside of the workspace and in none of the free places.

    Args:
        path: as the agent wrote it; with a variable other than HOME in it nobody knows, and it is none.
        workspace: an absolute path, as the agent sees it.
        folder: what a relative path begins at; None when that is not known.
    """
    path = HOME_SIGNS.sub("~", path, count=1) if HOME_SIGNS.match(path) else path
    known = UNKNOWN.split(path)[0]
    if not known:
        return False
    if known.startswith("~"):
        home = known if known == "~" or known.startswith("~/") else ""
        return bool(home) and FREE.fullmatch(path) is None
    if not known.startswith("/"):
        if folder is None:
            return False
        known = f"{folder}/{known}"
    whole = _normal(known)
    root = _normal(workspace)
    return whole != root and not f"{whole}/".startswith(f"{root}/") and FREE.fullmatch(whole) is None


def _normal(path: str) -> str:
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            parts[-1:] = []
        elif part not in ("", "."):
            parts.append(part)
    return "/" + "/".join(parts)


def find_writes(command: str, workspace: str, folder: str | None = None) -> Iterator[Match]:
    """Yield what a command line writes outside of the workspace.

    Args:
        command: the line.
        workspace: an absolute path, as the agent sees it.
        folder: where it is run; None is the workspace.
    """
    here: str | None = folder or workspace
    seen: set[str] = set()
    for simple in parse_shell(command):
        for path in _written(simple):
            if path not in seen and outside(path, workspace, here):
                seen.add(path)
                yield Match(OUTSIDE, without_secrets(path[:1_000]))
        if simple.name in ("cd", "pushd"):
            here = _after_cd(simple, here)


def _after_cd(simple: Simple, here: str | None) -> str | None:
    words = [word.text for word in simple.arguments if not word.text.startswith("-")]
    target = words[0] if words else "~"
    if UNKNOWN.search(target) or target.startswith("~"):
        return None
    if target.startswith("/"):
        return _normal(target)
    return None if here is None else _normal(f"{here}/{target}")


LAST: Final = frozenset({"cp", "mv", "ln", "install", "rsync", "scp"})
ALL: Final = frozenset({"rm", "rmdir", "touch", "mkdir", "tee", "truncate", "shred", "unlink", "mkfifo"})


def _written(simple: Simple) -> Iterator[str]:
    for each in simple.redirections:
        if (
            each.writes
            and not each.sign.startswith("<")
            and not (each.sign == ">&" and each.target.text.isdigit())
            and not each.target.inner
        ):
            yield each.target.text
    words = [word.text for word in simple.arguments if not (word.literal and word.text.startswith("~"))]
    named = [word for word in words if not word.startswith("-") and word]
    if simple.name in LAST and len(named) > 1:
        target = next((after for word, after in pairwise(words) if word == "-t"), named[-1])
        if ":" not in target:
            yield target
        if simple.name == "mv":
            yield from named[:-1]
    elif simple.name in ALL:
        yield from named
    elif simple.name == "dd":
        yield from (word[3:] for word in words if word.startswith("of="))
    elif simple.name in ("sed", "perl") and any(
        word.startswith(("-i", "--in-place", "-pi")) for word in words
    ):
        yield from (word for word in named[1:] if "/" in word)
    elif simple.name in ("chmod", "chown", "chgrp"):
        yield from named[1:]
    elif simple.name in ("curl", "wget"):
        yield from (
            after
            for word, after in pairwise(words)
            if word in (("-o", "--output") if simple.name == "curl" else ("-O", "--output-document", "-P"))
            and after != "-"
        )
    elif simple.name == "tar" and any("x" in word for word in words[:1]):
        yield from (after for word, after in pairwise(words) if word == "-C")
    elif simple.name == "git" and "clone" in words and len(named) > 2:
        yield named[-1]
