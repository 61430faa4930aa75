"""A folder for Unix sockets: short enough for their addresses, and open to a machine's user."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def short_folder() -> Iterator[Path]:
    """Yield a fresh folder, removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="s-", dir="/tmp"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
