"""The shells and programs of guest images, as far as this machine has them."""

import os
import shutil
from pathlib import Path

import pytest

SHELLS = {"dash": ("dash",), "busybox": ("busybox", "sh"), "bash": ("bash", "--posix")}


def find(name: str) -> Path:
    """Return a program's real file; a missing one is a skip here, and a failure where CI is set."""
    found = shutil.which(name)
    if found is not None:
        return Path(found).resolve()
    if os.environ.get("CI"):
        pytest.fail(f"{name} is missing")
    pytest.skip(f"{name} is missing: install it to run this")


def shell(name: str) -> tuple[str, ...]:
    """Return how a shell is called."""
    program, *arguments = SHELLS[name]
    return (str(find(program)), *arguments)
