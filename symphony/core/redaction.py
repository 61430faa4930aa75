"""Secrets taken out of what is written down: run logs and the daemon's log.

Known values are found in every form in which they usually travel; tokens that nobody told of
are found by their well-known shapes. A secret that a stream delivers in two pieces, each of
them a text of its own, cannot be found.
"""

import base64
import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any
from urllib.parse import quote, quote_plus

REDACTED = "[redacted]"
SHORTEST_SECRET = 4  # shorter values are in half the words of any text, and no secrets
SHORTEST_FRAGMENT = 8  # of base64 letters that say enough to be sure
SHAPE_LENGTH = 4096  # characters; no well-known token is longer
DEEPEST = 60  # levels; deeper values are written as text, so that no value can exhaust the stack


@dataclass(frozen=True, slots=True)
class Clipped:
    """The beginning of a text that is too long to be looked at as a whole.

    Attributes:
        text: as many characters as are to be kept, and `Redactor.overlap` more.
        length: characters of the whole text.
    """

    text: str
    length: int


@dataclass(frozen=True, slots=True)
class Shape:
    """A kind of token.

    Attributes:
        marker: lower case; a text without it holds no such token, which is quick to find out.
        pattern: what is replaced; a group `keep` before it stays.
    """

    marker: str
    pattern: re.Pattern[str]


def _shape(marker: str, pattern: str) -> Shape:
    return Shape(marker, re.compile(rf"(?<![A-Za-z0-9])(?:{pattern})"))


SHAPES = (
    _shape("bearer", r"(?P<keep>(?i:bearer)\s{1,8})(?=[^\s]{0,200}[0-9]|[^\s]{20})[A-Za-z0-9._~+/=-]{8,}"),
    _shape(
        "authorization",
        r"(?P<keep>(?i:authorization)[\"']?\s{0,8}[:=]\s{0,8}[\"']?(?!(?:[A-Za-z]{1,20}\s{1,8})?\[redacted)"
        r"(?:[A-Za-z]{1,20}\s{1,8})?)[^\s\"',}]{4,}",
    ),
    _shape("sk-", r"sk-[A-Za-z0-9_-]{16,}"),
    _shape("gh", r"gh[opsur]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}"),
    _shape("glpat-", r"glpat-[A-Za-z0-9_-]{16,}"),
    _shape("akia", r"AKIA[0-9A-Z]{16}"),
    _shape("asia", r"ASIA[0-9A-Z]{16}"),
    _shape("aiza", r"AIza[0-9A-Za-z_-]{30,}"),
    _shape("xox", r"xox[abeprs]-[A-Za-z0-9-]{10,}"),
    _shape("npm_", r"npm_[A-Za-z0-9]{30,}"),
    _shape("hf_", r"hf_[A-Za-z0-9]{20,}"),
    _shape("pypi-", r"pypi-[A-Za-z0-9_-]{30,}"),
    _shape("eyj", r"eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{5,}"),
    Shape("://", re.compile(r"(?P<keep>://[^\s/:@\"']{0,200}:)(?!\[redacted)[^\s/@\"']{1,500}(?=@)")),
    Shape(
        "private key",
        re.compile(
            r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----.{0,16384}?(?:-----END [A-Z ]{0,30}-----|\Z)", re.DOTALL
        ),
    ),
)

SECRET_KEYS = frozenset(
    {
        "access_token",
        "api-key",
        "api_key",
        "apikey",
        "authorization",
        "client_secret",
        "cookie",
        "id_token",
        "passwd",
        "password",
        "private_key",
        "proxy-authorization",
        "refresh_token",
        "secret",
        "set-cookie",
        "x-api-key",
    }
)
"""Keys, in lower case, whose texts are secrets whatever they look like."""


class Redactor:
    """Replaces secrets by `[redacted]`.

    Attributes:
        overlap: characters that have to follow a cut for the text before it to be safe.
    """

    def __init__(self, secrets: Collection[str] = ()) -> None:
        self._secrets = frozenset(secrets)
        forms = {form for secret in secrets if len(secret) >= SHORTEST_SECRET for form in forms_of(secret)}
        self._forms = tuple(sorted(forms, key=lambda form: (-len(form), form)))
        self.overlap = max([SHAPE_LENGTH, *map(len, self._forms)])

    def and_of(self, secrets: Collection[str]) -> "Redactor":
        """Return a redactor that knows these secrets as well."""
        return Redactor(self._secrets | frozenset(secrets))

    def text(self, text: str) -> str:
        """Return the text without secrets."""
        for form in self._forms:
            if form in text:
                text = text.replace(form, REDACTED)
        lowered = text.lower()
        for shape in SHAPES:
            if shape.marker in lowered:
                text = shape.pattern.sub(_replacement, text)
        return text

    def clipped(self, clipped: Clipped) -> str:
        """Return the beginning of the text without secrets, none cut in two, and how long it was."""
        return f"{self.text(clipped.text)[: -self.overlap]}… [cut: {clipped.length} characters]"

    def value(self, value: Any) -> Any:
        """Return the value as JSON can hold it, without secrets in any text or key at any depth."""
        return self._value(value, 0)

    def _value(self, value: Any, depth: int) -> Any:
        match value:
            case None | bool() | int():
                return value
            case float():
                return value if value - value == 0 else str(value)  # JSON has no infinity and no NaN
            case str():
                return self.text(value)
            case Clipped():
                return self.clipped(value)
            case Mapping() if depth < DEEPEST:
                return {self.text(str(key)): self._entry(key, entry, depth) for key, entry in value.items()}
            case list() | tuple() | set() | frozenset() if depth < DEEPEST:
                return [self._value(entry, depth + 1) for entry in value]
            case bytes():
                return self.text(value.decode("utf-8", "replace"))
            case Mapping() | list() | tuple() | set() | frozenset():
                return f"… [cut: {len(value)} entries]"
            case _:
                return self.text(str(value))

    def _entry(self, key: Any, entry: Any, depth: int) -> Any:
        if isinstance(entry, str | bytes | Clipped) and str(key).lower() in SECRET_KEYS:
            return REDACTED
        return self._value(entry, depth + 1)


def forms_of(secret: str) -> Iterator[str]:
    """Yield the forms in which a secret travels: plain, in JSON, in URLs, in base64, in hex."""
    yield secret
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    raw = secret.encode("utf-8", "surrogatepass")
    for quoted in (quote(raw, safe=""), quote(raw), quote_plus(raw)):
        yield quoted
        yield re.sub(r"%[0-9A-F]{2}", lambda match: match[0].lower(), quoted)
    yield raw.hex()
    yield raw.hex().upper()
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(raw).decode().rstrip("=")
        yield from _inside_base64(raw, encode)


def _inside_base64(raw: bytes, encode: Any) -> Iterator[str]:
    # behind other bytes, such as `user:`, a secret begins at one of three places in a group of
    # four letters; the letters that it shares with its neighbours are not its own
    for before in range(3):
        letters = encode(bytes(before) + raw).decode().rstrip("=")
        first = -(-before * 8 // 6)
        last = (before + len(raw)) * 8 // 6
        if last - first >= SHORTEST_FRAGMENT:
            yield "".join(islice(letters, first, last))


def _replacement(match: re.Match[str]) -> str:
    return (match.groupdict().get("keep") or "") + REDACTED
