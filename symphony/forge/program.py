"""A forge's own program as the way to its API: the login is the user's, and stays with the program.

Both programs have an `api` command that speaks to a host with the login that it knows, takes a
body from its stdin, and prints the answer with its status. Nothing secret is on the command line
or in an error. The program runs outside of any repository, asks no questions, and sees of the
environment only what logins, networks and certificates need.
"""

import asyncio
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from symphony.core.forge import ForgeRepo
from symphony.core.ports import RunResult
from symphony.core.text import one_line
from symphony.forge.errors import ForgeError, Words
from symphony.host.inherited import inherited
from symphony.host.process import ProcessError, run_group

CALL_TIMEOUT = 60.0  # seconds for one request; GitHub itself gives up after ten
ANSWER_LIMIT = 1 << 24  # bytes; a hundred pull requests are two million
PAGE_SIZE = 100  # the most that both forges give at once
PAGES = 10  # of one list; a pull request with more than a thousand comments is not read to its end
VERSION_TIMEOUT = 10.0  # seconds; it answers in milliseconds
VERSION_LIMIT = 1 << 16  # bytes
VERSION = re.compile(rb"[0-9]{1,6}(\.[0-9]{1,6})+")
SAID_SHOWN = 400  # characters of a forge's words in a message
HIDDEN = "[hidden]"
LOGIN_PLACES = (
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_STATE_HOME",
    "XDG_CACHE_HOME",
    "XDG_RUNTIME_DIR",
    "DBUS_SESSION_BUS_ADDRESS",  # the way to the keyring
)
NETWORK = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")
QUIET = {"NO_COLOR": "1", "PAGER": "cat", "DO_NOT_TRACK": "1", "TERM": "dumb"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a forge answered.

    Attributes:
        status: HTTP's.
        value: the JSON; None when it is none.
    """

    status: int
    value: Any

    @property
    def ok(self) -> bool:
        """Say whether it did what was asked."""
        return 200 <= self.status < 300

    @property
    def said(self) -> str:
        """The forge's own words about a refusal, on one line."""
        value = self.value if isinstance(self.value, dict) else {}
        errors = value.get("errors") or []
        details = [
            each.get("message") or f"{each.get('field')} is {each.get('code')}"
            if isinstance(each, dict)
            else each
            for each in (errors if isinstance(errors, list) else [errors])
        ]
        words = [value.get("message") or value.get("error"), *details]
        return one_line(": ".join(_words(word) for word in words if word), SAID_SHOWN) or "no reason given"


@dataclass(frozen=True, slots=True)
class Program:
    """One forge's program.

    Attributes:
        words: what it and its forge are called.
        environ: the daemon's environment.
        passed: the variables of it that the program may see besides the common ones.
        secrets: those of them that hold a token.
        switches: what keeps it from asking, updating and reporting.
        host_variable: names the host to it.
        headers: with every request.
    """

    words: Words
    environ: Mapping[str, str]
    passed: tuple[str, ...]
    secrets: tuple[str, ...]
    switches: Mapping[str, str]
    host_variable: str
    headers: tuple[str, ...]

    async def call(
        self, repo: ForgeRepo, asked: str, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> Any:
        """Make one request about a repository and return its JSON.

        `asked` is what it is to do, for messages: "open a pull request". `path` is below the API's
        root, with its query, and already quoted.

        Raises:
            ForgeError: `forge.*`.
        """
        answer = await self.ask(repo, method, path, body)
        if not answer.ok:
            raise self.refused(repo, asked, answer)
        return answer.value

    @contextmanager
    def reading(self, repo: ForgeRepo, asked: str) -> Iterator[None]:
        """Hold the block that reads an answer's parts.

        Raises:
            ForgeError: `forge.odd_answer`, when they are not what the API promises.
        """
        try:
            yield
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self.words.odd(repo.host, asked) from error

    async def pages(self, repo: ForgeRepo, asked: str, path: str, within: str = "") -> list[Any]:
        """Return a list that comes in pages, `within` a key of each answer if it is named.

        Raises:
            ForgeError: `forge.*`.
        """
        found: list[Any] = []
        for number in range(1, PAGES + 1):
            answer = await self.call(repo, asked, "GET", f"{path}?per_page={PAGE_SIZE}&page={number}")
            page = (answer or {}).get(within) if within else answer
            found += page or ()
            if len(page or ()) < PAGE_SIZE:
                break
        return found

    def refused(self, repo: ForgeRepo, asked: str, answer: Answer) -> ForgeError:
        """Return the error for an answer that is a refusal."""
        return self.words.refused(repo, asked, answer.status, self._hide(answer.said))

    async def ask(
        self, repo: ForgeRepo, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> Answer:
        """Make one request about a repository and return what came, also when it is a refusal.

        Raises:
            ForgeError: there was no answer: `forge.program_missing`, `forge.not_logged_in`,
                `forge.unreachable`, `forge.timeout`.
        """
        argv = [self.words.program, "api", "--include", "--method", method]
        for header in self.headers:
            argv += ["--header", header]
        if body is not None:
            argv += ["--input", "-"]
        environment = self.environment(repo.host)
        if await asyncio.to_thread(shutil.which, self.words.program, path=environment["PATH"]) is None:
            raise self.words.missing(repo.host)
        try:
            result = await run_group(
                [*argv, path],
                cwd=Path("/"),
                env=environment,
                timeout_s=CALL_TIMEOUT,
                output_limit=ANSWER_LIMIT,
                stdin=None if body is None else json.dumps(body).encode(),
            )
        except ProcessError as error:
            raise self.words.missing(repo.host) from error
        return self._read(repo, result)

    def place(self) -> str | None:
        """Return where the program is; None without one. Blocks on the disk."""
        return shutil.which(self.words.program, path=self.environment("")["PATH"])

    async def version(self) -> tuple[int, ...]:
        """Return the program's own version, which it is asked for without a host; empty when it does not say.

        Raises:
            ForgeError: `forge.program_missing`.
        """
        try:
            result = await run_group(
                [self.words.program, "--version"],
                cwd=Path("/"),
                env=self.environment(""),
                timeout_s=VERSION_TIMEOUT,
                output_limit=VERSION_LIMIT,
            )
        except ProcessError as error:
            raise self.words.missing("") from error
        found = VERSION.search(result.stdout)
        return tuple(int(part) for part in found[0].split(b".")) if found else ()

    def environment(self, host: str) -> dict[str, str]:
        """Return all that the program may know of this machine."""
        proxies = tuple(name.lower() for name in NETWORK)
        names = (*LOGIN_PLACES, *NETWORK, *proxies, *self.passed, *self.secrets)
        known = {name: self.environ[name] for name in names if name in self.environ}
        return {**inherited(self.environ), **known, **QUIET, **self.switches, self.host_variable: host}

    def _read(self, repo: ForgeRepo, result: RunResult) -> Answer:
        """Read what `api --include` printed: a status line, headers, an empty line, the body."""
        if result.exit_status is None:
            raise self.words.silent(repo.host, CALL_TIMEOUT)
        head, _, body = result.stdout.replace(b"\r\n", b"\n").partition(b"\n\n")
        status = head.partition(b"\n")[0].split(b" ")
        if len(status) < 2 or not status[0].startswith(b"HTTP/") or not status[1].isdigit():
            raise self._no_answer(repo, result)
        try:
            value = json.loads(body)
        except ValueError:
            value = None
        return Answer(int(status[1]), value)

    def _no_answer(self, repo: ForgeRepo, result: RunResult) -> ForgeError:
        said = self._hide(result.stderr.decode("utf-8", "replace"))
        if "auth login" in said:
            return self.words.not_logged_in(repo.host)
        return self.words.unreachable(repo.host, one_line(said, SAID_SHOWN).rstrip("."))

    def _hide(self, text: str) -> str:
        for name in self.secrets:
            if value := self.environ.get(name):
                text = text.replace(value, HIDDEN)
        return text


def _words(value: Any) -> str:
    """Return what stands in a message, which on GitLab may be a list or a map."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {_words(each)}" for name, each in value.items())
    if isinstance(value, list):
        return ", ".join(_words(each) for each in value)
    return str(value)
