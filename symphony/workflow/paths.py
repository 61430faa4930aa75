"""Paths in the front matter: `~` expands, relative ones start at the workflow's folder [CONTRACT 2.2]."""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from symphony.core.settings import Settings
from symphony.workflow.document import Document, KeyPath
from symphony.workflow.words import annotation_at, strip

Exists: TypeAlias = Callable[[Path], bool]

URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|[^/]+:")  # git's rule: a colon before the first slash
DEFAULTS = (("tracker", "root"), ("workspace", "root"), ("workspace", "source"))
SOURCE: KeyPath = ("workspace", "source")
PROGRAM: KeyPath = ("smolvm", "binary")
IMAGES: tuple[KeyPath, ...] = (("smolvm", "image"), ("smolvm", "from"))


def is_there(path: Path) -> bool:
    """Say whether a file is there; a name that no file can have is not."""
    return os.path.exists(path)  # noqa: PTH110 - Path.exists raises for a name that is too long


def is_url(source: str) -> bool:
    """Say whether git reads this source as a URL, not as a folder."""
    return URL.match(source) is not None


def resolve_paths(document: Document, folder: Path, environ: Mapping[str, str], exists: Exists) -> None:
    """Make every path in the document absolute, defaults included.

    `folder` is the workflow's. `exists` decides whether an image's name is meant as a path. A value
    of a wrong type is left for the settings to refuse.
    """
    for section, key in DEFAULTS:
        values = document.values.setdefault(section, {})
        if isinstance(values, dict):
            default = getattr(getattr(Settings(), section), key)
            values.setdefault(key, str(default))
    for path, value in list(_texts(document.values, ())):
        if _is_path(path, value, folder, exists):
            _replace(document, path, value, folder, environ)


def _texts(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(item, (*path, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _texts(item, (*path, number))
    elif isinstance(value, str):
        yield path, value


def _is_path(path: KeyPath, value: str, folder: Path, exists: Exists) -> bool:
    if path == SOURCE:
        return not is_url(value)
    if path == PROGRAM:
        return "/" in value
    if path in IMAGES:
        named = value.startswith(("/", "./", "../", "~"))
        return named or ("\0" not in value and exists(folder / value))
    return strip(annotation_at(Settings, path))[0] is Path


def _replace(document: Document, path: KeyPath, value: str, folder: Path, environ: Mapping[str, str]) -> None:
    if not value or "\0" in value:
        document.problems.append((path, "found an empty path; allowed: a path."))
        return
    try:
        expanded = _expand(value, environ)
    except RuntimeError:
        document.problems.append((path, f'found "{value}"; there is no such home folder.'))
        return
    target: Any = document.values
    for part in path[:-1]:
        target = target[part]
    target[path[-1]] = os.path.normpath(folder / expanded)


def _expand(value: str, environ: Mapping[str, str]) -> Path:
    home = environ.get("HOME")
    if home and (value == "~" or value.startswith("~/")):
        return Path(home) / value[2:]
    return Path(value).expanduser()
