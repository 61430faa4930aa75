"""One log line as `key=value` pairs that no value can break out of [CONTRACT 1.4]."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from symphony.core.redaction import Clipped, Redactor

VALUE_LIMIT = 16_384  # characters of one value; a traceback fits, a file does not
BARE = re.compile(r"[A-Za-z0-9_.,:;/+@%#()\[\]{}<>*&!?|~^$'`-]+")
NOT_A_KEY = re.compile(r"[^A-Za-z0-9_.-]+")
RESERVED = frozenset({"ts", "level", "msg"})


def render_line(at: datetime, level: str, event: str, fields: Mapping[str, Any], redactor: Redactor) -> str:
    """Return `ts=… level=… msg=…` and the fields, without secrets and without a line feed.

    A value stands bare when it is of plain characters, else quoted as JSON quotes, with every
    character that does not print as its escape. None is an empty value.
    """
    words = [
        f"ts={at.astimezone(UTC).isoformat(timespec='milliseconds').removesuffix('+00:00')}Z",
        f"level={level}",
        f"msg={_value(event, redactor)}",
    ]
    for key, value in fields.items():
        name = NOT_A_KEY.sub("_", redactor.text(str(key))) or "_"
        words.append(f"{name}_" if name in RESERVED else name)
        words[-1] += f"={_value(value, redactor)}"
    return " ".join(words)


def _value(value: Any, redactor: Redactor) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = value.isoformat() if isinstance(value, datetime) else str(value)
    if len(text) > VALUE_LIMIT:
        text = redactor.clipped(Clipped(text[: VALUE_LIMIT + redactor.overlap], len(text)))
    else:
        text = redactor.text(text)
    return text if BARE.fullmatch(text) else _quoted(text)


def _quoted(text: str) -> str:
    quoted = json.dumps(text, ensure_ascii=False)
    if quoted.isprintable():
        return quoted
    return "".join(
        character if character.isprintable() else json.dumps(character)[1:-1] for character in quoted
    )
