"""A shell command taken apart as far as a guard needs it: simple commands, their words and redirections.

Not a shell: nothing is expanded. Quotes, substitutions, here-documents, wrappers such as `sudo` and
`env`, and `sh -c '...'` are seen through. What cannot be parsed is taken word by word, never refused.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from symphony.core.guard.shell_words import Redirection, Token, Word, tokenize

COMMAND_LIMIT: Final = 1 << 16  # characters of a command line that are looked at
COMMANDS_LIMIT: Final = 500  # simple commands of one line
DEPTH_LIMIT: Final = 6  # commands within commands


@dataclass(frozen=True, slots=True)
class Simple:
    """One simple command, seen through its wrappers.

    Attributes:
        piped: commands whose output it reads, the first of the pipeline first.
        depth: how many commands it lies in.
    """

    words: tuple[Word, ...]
    redirections: tuple[Redirection, ...] = ()
    piped: "tuple[Simple, ...]" = ()
    depth: int = 0

    @property
    def name(self) -> str:
        """The program's name without its folder; empty when only variables are set."""
        return self.words[0].text.rpartition("/")[2] if self.words else ""

    @property
    def arguments(self) -> tuple[Word, ...]:
        """All words but the name."""
        return self.words[1:]


SHELLS: Final = frozenset({"sh", "bash", "zsh", "dash", "ash", "ksh", "fish"})
ASSIGNMENT: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,100}\+?=")
BEFORE_A_COMMAND: Final = frozenset(
    {"if", "then", "elif", "else", "while", "until", "do", "!", "{", "time", "coproc"}
)
WRAPPERS: Final = {
    "sudo": "CDghpRrTtUu", "doas": "Cu", "env": "uCS", "nohup": "", "nice": "n", "ionice": "cnpt",
    "timeout": "ks", "stdbuf": "ioe", "setsid": "", "exec": "a", "command": "", "builtin": "", "busybox": "",
    "xargs": "EILPdans", "unbuffer": "", "chronic": "", "time": "fo", "flock": "wE", "watch": "n",
}  # fmt: skip
"""Programs that run another one, with those of their letters that take a word."""
TAKES_FIRST: Final = frozenset({"timeout", "flock"})  # whose first word is not yet the command


def parse_shell(text: str) -> tuple[Simple, ...]:
    """Return every simple command that the text may run, those in substitutions included."""
    return tuple(_Parse().all(text[:COMMAND_LIMIT], 0))


@dataclass
class _Parse:
    """One parse, which counts what it has found."""

    found: int = 0
    left: int = 4 * COMMAND_LIMIT  # characters: what lies in several commands is read several times

    def all(self, text: str, depth: int) -> Iterator[Simple]:
        self.left -= len(text)
        if depth > DEPTH_LIMIT or self.left < 0:
            return
        pipeline: list[Simple] = []
        for tokens, ends in _split(tokenize(text)):
            simple = _simple(tokens, depth)
            if simple.words or simple.redirections:
                self.found += 1
                if self.found > COMMANDS_LIMIT:
                    return
                simple = replace(simple, piped=tuple(pipeline))
                yield simple
                yield from self._within(simple, depth)
                pipeline = [*pipeline[-8:], replace(simple, piped=())]
            if ends not in ("|", "|&"):
                pipeline = []

    def _within(self, simple: Simple, depth: int) -> Iterator[Simple]:
        words = (*simple.words, *(each.target for each in simple.redirections))
        for inner in (part for word in words for part in word.inner):
            yield from self.all(inner, depth + 1)
        for script in scripts_of(simple):
            yield from self.all(script, depth + 1)


def scripts_of(simple: Simple) -> Iterator[str]:
    """Yield the texts that a command hands to a shell to run."""
    words = [word.text for word in simple.arguments]
    if simple.name in SHELLS:
        for at, word in enumerate(words):
            if re.fullmatch(r"-[a-zA-Z]{0,8}c[a-zA-Z]{0,8}", word):
                yield from words[at + 1 : at + 2]
                break
            if not word.startswith(("-", "+")):
                break
        yield from (each.target.text for each in simple.redirections if each.sign in ("<<", "<<-", "<<<"))
    elif simple.name == "eval":
        yield " ".join(words)
    elif simple.name in ("su", "runuser") and "-c" in words:
        yield from words[words.index("-c") + 1 :][:1]
    elif simple.name == "find":
        for sign in ("-exec", "-execdir", "-ok"):
            if sign in words:
                yield _quoted(words[words.index(sign) + 1 :])


def _quoted(words: Sequence[str]) -> str:
    ended = [word for word in words if word not in (";", "+", "\\;")]
    return " ".join("'" + word.replace("'", "'\\''") + "'" for word in ended)


def _split(tokens: Iterator[Token]) -> Iterator[tuple[list[Word | Redirection], str]]:
    """Yield the tokens of each simple command, and the sign that ends it."""
    current: list[Word | Redirection] = []
    for token in tokens:
        if isinstance(token, str):
            yield current, token
            current = []
        else:
            current.append(token)
    yield current, ""


def _simple(tokens: Sequence[Word | Redirection], depth: int) -> Simple:
    words = [token for token in tokens if isinstance(token, Word)]
    redirections = tuple(token for token in tokens if isinstance(token, Redirection))
    return Simple(tuple(_unwrapped(words)), redirections, depth=depth)


def _unwrapped(words: list[Word]) -> list[Word]:
    """Return the words from the program on that runs in the end."""
    inner: tuple[str, ...] = ()
    at = 0
    while at < len(words):
        text = words[at].text
        name = text.rpartition("/")[2]
        if ASSIGNMENT.match(text) and not words[at].literal:
            inner += words[at].inner
            at += 1
        elif name in BEFORE_A_COMMAND and name not in WRAPPERS:
            at += 1
        elif name in WRAPPERS and at + 1 < len(words) and not _only_asks(words, at):
            at = _after_wrapper(words, at, name)
        else:
            break
    left = words[at:]
    if inner:  # what an assignment runs, it runs all the same
        left = [replace(left[0], inner=left[0].inner + inner), *left[1:]] if left else [Word("", inner=inner)]
    return left


def _only_asks(words: list[Word], at: int) -> bool:
    return words[at].text == "command" and words[at + 1].text in ("-v", "-V")


def _after_wrapper(words: list[Word], at: int, name: str) -> int:
    takes, at = WRAPPERS[name], at + 1
    while at < len(words) and words[at].text.startswith("-") and words[at].text != "-":
        text = words[at].text
        at += 1
        if text == "--":
            break
        if not text.startswith("--") and text[-1] in takes and len(text) == 2:
            at += 1
    return at + (name in TAKES_FIRST)
