"""The real `gh` and `glab` for tests: found, or brought by scripts/forge_programs.py before the tests."""

import os
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
BROUGHT = ROOT / ".forges" / "usr" / "bin"


def bring(program: str) -> Path:
    """Return where a program is; without it the test is skipped, or fails in CI."""
    found = shutil.which(program) or shutil.which(program, path=str(BROUGHT))
    if found is not None:
        return Path(found)
    reason = f"{program} is not here; `scripts/test` brings it"
    if "CI" in os.environ:
        pytest.fail(reason)
    pytest.skip(reason)
