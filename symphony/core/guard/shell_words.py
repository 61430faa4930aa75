"""The words, redirections and signs of a shell command, read once from left to right.

Quotes are taken off; what a shell would put in place of a variable or a substitution is not known here.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, TypeAlias


@dataclass(frozen=True, slots=True)
class Word:
    """One word, its quotes taken off.

    Attributes:
        literal: it stood in single quotes as a whole, so that no shell would expand it.
        inner: texts of the substitutions in it, `$(...)`, `<(...)` and backticks.
    """

    text: str
    literal: bool = False
    inner: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Redirection:
    """Where a command writes to or reads from."""

    sign: str
    target: Word

    @property
    def writes(self) -> bool:
        """Say whether it is for output."""
        return ">" in self.sign


Token: TypeAlias = str | Word | Redirection
"""A sign between commands, a word, or a redirection."""

SIGNS: Final = (
    "&&", "||", "|&", ";;", "&>>", "&>", "<<<", "<<-", "<<", "<>", ">>", ">|", ">&", "<&", ";", "&", "|", "(",
    ")", "\n", "<", ">",
)  # fmt: skip
REDIRECTIONS: Final = frozenset(sign for sign in SIGNS if "<" in sign or ">" in sign)
SIGN: Final = re.compile("|".join(re.escape(sign) for sign in sorted(SIGNS, key=len, reverse=True)))
PLAIN: Final = re.compile(r"[^\s'\"\\$`|&;()<>#]+")


def tokenize(text: str) -> Iterator[Token]:
    """Yield words, redirections and the signs between commands; read once from left to right."""
    return _Tokenizer(text).tokens()


@dataclass
class _Tokenizer:
    text: str
    at: int = 0
    waiting: list[tuple[Word, bool]] = field(default_factory=list)

    def tokens(self) -> Iterator[Token]:
        sign = ""
        while True:
            self._skip_blank()
            if self.at >= len(self.text):
                return
            matched = SIGN.match(self.text, self.at)
            if matched and not self._is_substitution():
                self.at = matched.end()
                if matched[0] in REDIRECTIONS:
                    sign = matched[0]
                elif matched[0] == "\n":
                    yield from self._documents()
                    yield ";"
                else:
                    yield matched[0]
                continue
            word = self._word()
            if sign in ("<<", "<<-"):
                self.waiting.append((word, sign == "<<-"))
            elif sign:
                yield Redirection(sign, word)
            elif not (word.text.isdigit() and self.text[self.at : self.at + 1] in ("<", ">")):
                yield word
            sign = ""

    def _documents(self) -> Iterator[Redirection]:
        """Read the here-documents whose commands the line had."""
        for word, dashed in self.waiting:
            lines: list[str] = []
            while self.at < len(self.text):
                end = self.text.find("\n", self.at)
                line = self.text[self.at :] if end < 0 else self.text[self.at : end]
                self.at = len(self.text) if end < 0 else end + 1
                if (line.strip() if dashed else line) == word.text:
                    break
                lines.append(line)
            yield Redirection("<<", Word("\n".join(lines), literal=True))
        self.waiting = []

    def _skip_blank(self) -> None:
        text = self.text
        while self.at < len(text):
            if text[self.at].isspace() and text[self.at] != "\n":
                self.at += 1
            elif text.startswith("\\\n", self.at):
                self.at += 2
            elif text[self.at] == "#":
                end = text.find("\n", self.at)
                self.at = len(text) if end < 0 else end
            else:
                return

    def _is_substitution(self) -> bool:
        return self.text.startswith(("<(", ">("), self.at)

    def _word(self) -> Word:
        parts: list[str] = []
        inner: list[str] = []
        quoted = open_ = False
        text = self.text
        while self.at < len(text):
            letter = text[self.at]
            if plain := PLAIN.match(text, self.at):
                parts.append(plain[0])
                self.at, open_ = plain.end(), True
            elif letter == "'":
                parts.append(self._until_quote())
                quoted = True
            elif letter == '"':
                open_ = True
                self._double(parts, inner)
            elif letter == "\\":
                parts.append(text[self.at + 1 : self.at + 2].replace("\n", ""))
                self.at += 2
                open_ = True
            elif letter in "$`" or self._is_substitution():
                open_ = True
                self._dollar(parts, inner)
            elif letter == "#":
                parts.append(letter)
                self.at += 1
            else:
                break
        return Word("".join(parts), quoted and not open_, tuple(inner))

    def _until_quote(self) -> str:
        end = self.text.find("'", self.at + 1)
        end = len(self.text) if end < 0 else end
        found = self.text[self.at + 1 : end]
        self.at = end + 1
        return found

    def _double(self, parts: list[str], inner: list[str]) -> None:
        text = self.text
        self.at += 1
        while self.at < len(text) and text[self.at] != '"':
            if text[self.at] == "\\":
                parts.append(text[self.at + 1 : self.at + 2])
                self.at += 2
            elif text[self.at] in "$`":
                self._dollar(parts, inner)
            else:
                begin = self.at
                while self.at < len(text) and text[self.at] not in '"\\$`':
                    self.at += 1
                parts.append(text[begin : self.at])
        self.at += 1

    def _dollar(self, parts: list[str], inner: list[str]) -> None:
        """Read a substitution; a variable stays as it is written."""
        text, begin = self.text, self.at
        if text[begin] == "`":
            end = text.find("`", begin + 1)
            end = len(text) if end < 0 else end
            inner.append(text[begin + 1 : end])
            self.at = end + 1
        elif text.startswith(("$(", "<(", ">("), begin):
            self.at = _closing(text, begin + 1)
            inner.append(text[begin + 2 : self.at - 1])
        elif text.startswith("${", begin):
            end = text.find("}", begin)
            self.at = len(text) if end < 0 else end + 1
        else:
            self.at += 1
        parts.append(text[begin : self.at])


BRACKETS: Final = re.compile(r"\\.|'[^']*'?|[()\"]", re.DOTALL)


def _closing(text: str, opened: int) -> int:
    """Return the place behind the bracket that closes the one at `opened`."""
    depth = 0
    for found in BRACKETS.finditer(text, opened):
        depth += (found[0] == "(") - (found[0] == ")")
        if depth == 0:
            return found.end()
    return len(text)
