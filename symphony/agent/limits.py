"""Tells from an agent's error whether its model only refuses for now, and until when [CONTRACT 4.5].

Pure. What is recognised was seen from claude-agent-acp, codex-acp and opencode, or is what
their model providers document.
"""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

LONGEST_WAIT = 30 * 24 * 3600.0  # seconds; a reset further away is a misread number
LATEST_EPOCH = 10**11  # seconds; a larger number counts milliseconds
DEPTH = 6  # how deep error data is searched
TEXT_SEARCHED = 20_000  # characters

REFUSED = re.compile(
    r"""\b(?:status|http|error|code|response)\b[^\n]{0,24}?\b(?:429|529)\b
      | \b429\s+too\s+many\s+requests | too\s+many\s+requests
      | \brate[\s_-]?limit | \busage[\s_-]?limit | \blimit[\s_]reached\b
      | \bhit\s+your\b[^\n]{0,30}\blimit\b | \bout\s+of\s+(?:extra\s+)?usage\b
      | \boverloaded | \binsufficient_quota\b | \bquota\b[^\n]{0,40}\b(?:exceeded|exhausted|reached)\b
      | \b(?:exceeded|exhausted)\b[^\n]{0,40}\bquota\b | \bresource_exhausted\b
    """,
    re.IGNORECASE | re.VERBOSE,
)
NO_CREDENTIALS = re.compile(
    r"""\bauthentication[\s_](?:required|failed|error) | \bfailed\s+to\s+authenticate
      | \b401\b[^\n]{0,24}\bunauthorized | \b403\b[^\n]{0,24}\bforbidden
      | \bunauthorized\b | \binvalid[\s_](?:x-)?api[\s_-]?key
      | \bmissing\s+environment\s+variable | \bnot\s+logged\s+in | \bplease\s+(?:run\s+)?/?login
    """,
    re.IGNORECASE | re.VERBOSE,
)
PLACEHOLDER_SENT = re.compile(r"\bsmolvm\s+credentials:\s+placeholders\b", re.IGNORECASE)
REFUSAL_KINDS = frozenset(
    {
        "rate_limit",
        "rate_limit_error",
        "overloaded",
        "overloaded_error",
        "usage_limit_exceeded",
        "insufficient_quota",
    }
)
RELATIVE_KEYS = frozenset(
    {"retry_after", "retryafter", "retry-after", "retry_after_seconds", "resets_in_seconds"}
)
RELATIVE_MS_KEYS = frozenset({"retry_after_ms", "retryafterms", "retry-after-ms"})
ABSOLUTE_KEYS = frozenset({"resets_at", "resetsat", "reset_at", "resetat", "reset_time"})
STATUS_KEYS = frozenset({"http_status_code", "status", "statuscode", "status_code"})
EPOCH = re.compile(r"\|(1[0-9]{9})\b")
WAIT = re.compile(
    r"(?:try\s+again|retry|retrying|resets?|available|wait)(?:\s+again)?(?:\s+(?:in|after|for))?\s*[:=]?\s*"
    r"((?:about\s+)?(?:\d+(?:\.\d+)?\s*(?:milliseconds?|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d)\b"
    r"[\s,]*(?:and\s+)?)+)",
    re.IGNORECASE,
)
PART = re.compile(r"(\d+(?:\.\d+)?)\s*(milliseconds?|ms|[smhd])", re.IGNORECASE)
AT = re.compile(
    r"""(?:try\s+again|retry|resets?|available(?:\s+again)?)(?:\s+(?:at|on))?\s+
        (?:(?P<month>jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\.?\s+(?P<day>\d{1,2})
           (?:st|nd|rd|th)?(?:,?\s+(?P<year>\d{4})\b)?(?:,|\s+at\b)?\s+)?
        (?P<hour>\d{1,2})(?::(?P<minute>\d\d))?(?:\s?(?P<half>[ap])\.?m\b\.?)?
        (?:\s*\((?P<zone>[A-Za-z0-9_+/-]{1,40})\))?""",
    re.IGNORECASE | re.VERBOSE,
)
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
STALE = timedelta(hours=1)  # a time of day that is only just over is not meant for tomorrow
UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


def is_refused_for_now(message: str, data: Any) -> bool:
    """Say whether an error means a rate limit, a quota or an overload."""
    for key, value in _leaves(data):
        if isinstance(value, str) and value.casefold() in REFUSAL_KINDS:
            return True
        if key in STATUS_KEYS and value in (429, 529, "429", "529"):
            return True
    return REFUSED.search(error_text(message, data)) is not None


def lacks_credentials(message: str, data: Any) -> bool:
    """Say whether an error means that the model refuses the agent's credentials.

    A machine's engine that does not let a placeholder pass says so in the words of a refusal, and is none.
    """
    if PLACEHOLDER_SENT.search(error_text(message, data)):
        return False
    if any(key in STATUS_KEYS and value in (401, "401") for key, value in _leaves(data)):
        return True
    return NO_CREDENTIALS.search(error_text(message, data)) is not None


def seconds_until_reset(message: str, data: Any, now: datetime) -> float | None:
    """Return how long the error says to wait, from `now`; None when it does not say, or nonsense.

    A time of day without a zone is read in that of `now`.
    """
    for key, value in _leaves(data):
        number = _number(value)
        if number is None:
            waiting = _seconds_to(value, now) if key in ABSOLUTE_KEYS else None
        elif key in RELATIVE_KEYS:
            waiting = number
        elif key in RELATIVE_MS_KEYS:
            waiting = number / 1000
        elif key in ABSOLUTE_KEYS:
            waiting = (number / 1000 if number > LATEST_EPOCH else number) - now.timestamp()
        else:
            waiting = None
        if waiting is not None and 0 <= waiting <= LONGEST_WAIT:
            return waiting
    return _told_in_text(error_text(message, data), now)


def error_text(message: str, data: Any) -> str:
    """Return all words of an error as one text, bounded."""
    words = [
        message,
        *(value for _, value in _leaves(data) if isinstance(value, str) and value not in message),
    ]
    return " ".join(words)[:TEXT_SEARCHED]


def _told_in_text(text: str, now: datetime) -> float | None:
    if epoch := EPOCH.search(text):
        waiting = int(epoch.group(1)) - now.timestamp()
    elif told := WAIT.search(text):
        waiting = sum(_part_seconds(*part) for part in PART.findall(told.group(1)))
    elif (due := next(filter(None, (_moment(found, now) for found in AT.finditer(text))), None)) is not None:
        waiting = (due - now).total_seconds()
    else:
        return None
    return waiting if 0 <= waiting <= LONGEST_WAIT else None


def _moment(told: re.Match[str], now: datetime) -> datetime | None:
    """Return the next such time of day, or such a time on a day; None for what is no time."""
    hour, minute, half = int(told["hour"]), int(told["minute"] or 0), told["half"]
    if half is None and told["minute"] is None:
        return None
    if half is not None:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half.casefold() == "p" else 0)
    here = now.astimezone(_zone(told["zone"], now))
    try:
        if told["month"] is None:
            due = here.replace(hour=hour, minute=minute, second=0, microsecond=0)
            return due + timedelta(days=1) if due < here - STALE else due
        month = MONTHS.index(told["month"].casefold()) + 1
        year = int(told["year"] or here.year)
        due = here.replace(
            year=year, month=month, day=int(told["day"]), hour=hour, minute=minute, second=0, microsecond=0
        )
        soon = told["year"] is not None or due > here - timedelta(days=180)
        return due if soon else due.replace(year=year + 1)
    except (ValueError, OverflowError):
        return None


def _zone(name: str | None, now: datetime) -> tzinfo | None:
    try:
        return now.tzinfo if name is None else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return now.tzinfo


def _part_seconds(amount: str, unit: str) -> float:
    unit = unit.casefold()
    return float(amount) / 1000 if unit.startswith(("ms", "milli")) else float(amount) * UNITS[unit[0]]


def _seconds_to(value: Any, now: datetime) -> float | None:
    try:
        when = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return None if when is None or when.tzinfo is None else (when - now).total_seconds()


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _leaves(data: Any, key: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Give every scalar with the name it stands under, also of JSON inside a string."""
    if depth > DEPTH:
        return
    if isinstance(data, Mapping):
        for name, value in data.items():
            yield from _leaves(value, str(name).casefold(), depth + 1)
    elif isinstance(data, list | tuple):
        for value in data[:100]:
            yield from _leaves(value, key, depth + 1)
    else:
        yield key, data
        if isinstance(data, str) and data[:1] in "{[" and len(data) <= TEXT_SEARCHED:
            try:
                inner = json.loads(data)
            except (ValueError, RecursionError):
                return
            if isinstance(inner, Mapping | list):
                yield from _leaves(inner, key, depth + 1)
