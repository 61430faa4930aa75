"""What an author writes into front matter, as JSON, which lacks YAML's dates, sets, loops and odd numbers."""

import math
from collections.abc import Mapping
from datetime import date
from typing import Any

DEPTH_LIMIT = 20  # of an author's own front matter


def plain_value(value: Any, depth: int = 0) -> Any:
    """Return whatever YAML can produce as something that JSON can hold."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case date():  # and datetime: as the author meant it, with or without a zone
            return value.isoformat()
        case _ if depth >= DEPTH_LIMIT:
            return "…"
        case Mapping():
            return {str(key): plain_value(each, depth + 1) for key, each in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain_value(each, depth + 1) for each in value]
        case _:
            return str(value)
