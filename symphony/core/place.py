"""Places in files, as problems name them: `FILE`, `FILE:LINE`, `FILE:LINE:COLUMN` and more behind."""

import re

AFTER_FILE = re.compile(r":([0-9]{1,9})(?![0-9])")


def line_in(where: str, file: str) -> int | None:
    """Return the line that a place in this file begins with; None when it names none, or another file."""
    if not where.startswith(file):
        return None
    found = AFTER_FILE.match(where, len(file))
    return int(found[1]) if found else None
