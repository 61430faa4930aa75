"""Values that have a telling name, such as `api_key`, and look like what it says."""

import re
from collections.abc import Iterator
from typing import Final

from symphony.core.guard.entropy import classes, entropy, is_drawn


def assigned_secrets(text: str, low: str) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yield the rule and the place of each value that has a telling name and looks like what the name says.

    Args:
        text: what is looked through.
        low: the same in lower case, letter by letter.
    """
    for key in KEYWORDS.finditer(low):
        found = VALUE.match(text, key.end())
        if found is None:
            continue
        before = NAME_BEGINS.search(text, max(0, key.start() - NAME_LONG), key.start())
        name = (before[0] if before else "") + text[key.start() : found.end("rest")]
        if is_telling(name, found["secret"]) and is_drawn(found["secret"], 3.2):
            yield "assigned-secret", found.span("secret")


KEYWORDS: Final = re.compile(
    "secret|token|passw(?:or)?d|passwd|passphrase|pwd|api_?key|api-key|access_?key|access-key|auth_?key|credential"
    "|private_?key|encryption_?key|signing_?key|client_?key|account_?key|master_?key|session_?key"
)
HEX: Final = re.compile(r"[0-9a-fA-F]+")
NAME_LONG: Final = 40  # characters of a name before its telling word
NAME_BEGINS: Final = re.compile(r"[A-Za-z0-9_.-]{1,40}$")
VALUE: Final = re.compile(
    r"(?P<rest>[A-Za-z0-9_-]{0,20})[\"'`]?\s{0,5}(?::\s{0,2}(?:str|string|String)\s{0,5})?(?::=|=>|[:=>])\s{0,5}[\"'`]?"
    r"(?P<secret>[A-Za-z0-9+/_\-~!#%^&*]{16,200}={0,2})(?![A-Za-z0-9+/_\-~(.\[$])"
)
NO_SECRETS: Final = re.compile(
    r"(?i)public|page|cursor|continuation|next|prev|hash|sha\d|digest|checksum|fingerprint|etag|integrity|token_?(?:type|url|uri|count|limit|id\b|path"
    r"|file|name|endpoint)|(?:url|uri|path|file|name|id|type|endpoint|arn|version|regexp?|pattern|label|ref"
    r"|primary_key|foreign_key|sort_key|cache_key|csrf)s?$"
)
PATH: Final = re.compile(r"~?(?:/[a-z0-9_.-]{1,60}){2,}")
UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
CAMEL: Final = re.compile(r"(?:[A-Z][a-z]{1,20}|[A-Z]{2,8}|\d{1,6})+")
WORDS: Final = re.compile(r"(?:[A-Za-z]{2,20}|\d{1,4})(?:[_.\-/](?:[A-Za-z]{2,20}|\d{1,4}))+")


def is_telling(name: str, word: str) -> bool:
    """Say whether what is assigned to a name is likely to be what the name says."""
    if NO_SECRETS.search(name) or any(kind.fullmatch(word) for kind in (UUID, WORDS, CAMEL)):
        return False
    if not (any(letter.isdigit() for letter in word) and any(letter.isalpha() for letter in word)):
        return False
    if word.count("/") > 1 and PATH.fullmatch(word):
        return False
    return len(word) >= 32 if HEX.fullmatch(word) else classes(word) >= 3 and entropy(word) >= 3.7
