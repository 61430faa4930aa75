"""The few variables of the user's that a command of the workflow is given."""

import os
from collections.abc import Mapping

INHERITED = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "TZ", "TMPDIR", "TERM")


def inherited(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what a program needs to start and to speak the user's language, and nothing else."""
    return {"PATH": os.defpath, **{name: environ[name] for name in INHERITED if name in environ}}
