"""One suite for those who tell people: a webhook over a real server, a command in a real shell."""

import asyncio
import hashlib
import hmac
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import psutil
import pytest
from aiohttp import web

from symphony.core.attention import Need, NeedKind
from symphony.core.notice import Notice, NoticeFailed
from symphony.core.ports import Notifier
from symphony.core.settings import NotifySettings
from symphony.host.notice_command import NoticeCommand
from symphony.web.webhook import Webhook, page_url, signature_of

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
NEED = Need(
    "question:a1.q1",
    NeedKind.QUESTION,
    "7",
    "APP-7",
    "Fix it",
    "Which \x1b[31mcolour?",
    "'; rm -rf /",
    since=NOON,
)
NOTICE = Notice(NEED, NOON, "http://127.0.0.1:8080/issues/7")
FIELDS = {
    "key": "question:a1.q1",
    "kind": "question",
    "issue_id": "7",
    "identifier": "APP-7",
    "title": "Fix it",
    "text": "Which [31mcolour?",
    "context": "'; rm -rf /",
    "host": "",
    "code": "",
    "since": "2026-01-01T12:00:00+00:00",
    "at": "2026-01-01T12:00:00+00:00",
    "url": "http://127.0.0.1:8080/issues/7",
}
BOUND = 20.0


class Stage(Protocol):
    """A notifier with something at the other end."""

    notifier: Notifier
    target: NotifySettings

    def heard(self) -> list[dict[str, str]]: ...
    def fail(self) -> None: ...
    def hang(self) -> None: ...


@dataclass
class Hook:
    """A webhook's receiver."""

    notifier: Notifier = field(default_factory=lambda: Webhook(1.0))
    target: NotifySettings = NotifySettings(kind="webhook", target="http://127.0.0.1:1/")
    status: int = 204
    answer: str = ""
    location: str = ""
    release: asyncio.Event = field(default_factory=asyncio.Event)
    hangs: bool = False
    requests: list[tuple[web.BaseRequest, bytes]] = field(default_factory=list)

    async def serve(self, request: web.BaseRequest) -> web.Response:
        self.requests.append((request, await request.read()))
        if self.hangs:
            await self.release.wait()
        headers = {"Location": self.location} if self.location else None
        return web.Response(status=self.status, text=self.answer or None, headers=headers)

    def heard(self) -> list[dict[str, str]]:
        return [json.loads(body) for _, body in self.requests]

    def fail(self) -> None:
        self.status = 503

    def hang(self) -> None:
        self.hangs = True


@dataclass
class Shell:
    """A command that writes its input into a file."""

    folder: Path
    notifier: Notifier
    target: NotifySettings

    @classmethod
    def in_folder(cls, folder: Path, bound_s: float = 1.0) -> "Shell":
        target = NotifySettings(kind="command", target="cat > heard.json; env > heard.env")
        return cls(folder, NoticeCommand(folder, os.environ, bound_s), target)

    def heard(self) -> list[dict[str, str]]:
        file = self.folder / "heard.json"
        return [json.loads(file.read_text())] if file.exists() else []

    def run(self, command: str) -> None:
        self.target = NotifySettings(kind="command", target=command)

    def fail(self) -> None:
        self.run("exit 3")

    def hang(self) -> None:
        self.run("sleep 600 & echo $$ > pid; wait")


@asynccontextmanager
async def open_hook() -> AsyncIterator[Hook]:
    hook = Hook()
    runner = web.ServerRunner(web.Server(hook.serve), shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        hook.target = NotifySettings(
            kind="webhook", target=f"http://127.0.0.1:{port}/hook?a=b", secret="s3cret"
        )
        yield hook
    finally:
        hook.release.set()
        await runner.cleanup()


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    async with open_hook() as hook:
        yield hook


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell.in_folder(tmp_path)


@pytest.fixture(params=["webhook", "command"])
async def stage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stage]:
    if request.param == "command":
        yield Shell.in_folder(tmp_path)
        return
    async with open_hook() as hook:
        yield hook


class TestBoth:
    async def test_the_notice_arrives_whole_and_as_text(self, stage: Stage) -> None:
        await asyncio.wait_for(stage.notifier.tell(stage.target, NOTICE), BOUND)
        assert stage.heard() == [FIELDS]

    async def test_a_failure_is_said_and_may_be_tried_again(self, stage: Stage) -> None:
        stage.fail()
        with pytest.raises(NoticeFailed) as caught:
            await asyncio.wait_for(stage.notifier.tell(stage.target, NOTICE), BOUND)
        assert (caught.value.code, caught.value.final) == ("notify.failed", False)

    async def test_what_hangs_is_given_up_in_time(self, stage: Stage) -> None:
        stage.hang()
        with pytest.raises(NoticeFailed, match="within 1 s"):
            await asyncio.wait_for(stage.notifier.tell(stage.target, NOTICE), BOUND)

    async def test_a_cancelled_notice_ends_at_once(self, stage: Stage) -> None:
        stage.hang()
        telling = asyncio.create_task(stage.notifier.tell(stage.target, NOTICE))
        await asyncio.sleep(0)
        telling.cancel()
        await asyncio.wait({telling}, timeout=BOUND)
        assert telling.cancelled()


class TestWebhook:
    async def test_it_is_signed_json(self, hook: Hook) -> None:
        await hook.notifier.tell(hook.target, NOTICE)
        request, body = hook.requests[0]
        expected = "sha256=" + hmac.new(b"s3cret", body, hashlib.sha256).hexdigest()
        assert (request.method, request.path_qs, request.content_type) == (
            "POST",
            "/hook?a=b",
            "application/json",
        )
        assert request.headers["X-Symphony-Signature"] == expected == signature_of(body, "s3cret")

    async def test_it_is_not_signed_without_a_secret(self, hook: Hook) -> None:
        await hook.notifier.tell(hook.target.model_copy(update={"secret": None}), NOTICE)
        assert "X-Symphony-Signature" not in hook.requests[0][0].headers

    @pytest.mark.parametrize(
        ("status", "final"),
        [
            (400, True),
            (401, True),
            (404, True),
            (410, True),
            (408, False),
            (429, False),
            (500, False),
            (302, True),
        ],
    )
    async def test_a_refusal_that_stands_is_final(self, hook: Hook, status: int, final: bool) -> None:
        hook.status, hook.answer = status, "no \x1b[0mway"
        with pytest.raises(NoticeFailed) as caught:
            await hook.notifier.tell(hook.target, NOTICE)
        assert (caught.value.final, str(caught.value)) == (
            final,
            f"The webhook answered with status {status}: no [0mway",
        )

    async def test_a_redirect_is_not_followed(self, hook: Hook) -> None:
        hook.status, hook.location = 307, "/elsewhere"
        with pytest.raises(NoticeFailed):
            await hook.notifier.tell(hook.target, NOTICE)
        assert len(hook.requests) == 1

    async def test_a_server_that_is_not_there_is_said_without_its_address(self, unused_port: int) -> None:
        target = NotifySettings(kind="webhook", target=f"http://127.0.0.1:{unused_port}/s3cret")
        with pytest.raises(NoticeFailed) as caught:
            await Webhook(1.0).tell(target, NOTICE)
        assert (caught.value.final, "s3cret" in str(caught.value)) == (False, False)

    async def test_a_url_that_is_none_is_final(self) -> None:
        with pytest.raises(NoticeFailed) as caught:
            await Webhook(1.0).tell(NotifySettings(kind="webhook", target="http://"), NOTICE)
        assert caught.value.final


class TestCommand:
    async def test_the_environment_has_the_notice_and_the_users_own_variables(
        self, shell: Shell, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MINE", "1")
        await shell.notifier.tell(shell.target, NOTICE)
        lines = (shell.folder / "heard.env").read_text().splitlines()
        assert {
            "MINE=1",
            "SYMPHONY_KIND=question",
            "SYMPHONY_ISSUE_ID=7",
            "SYMPHONY_CONTEXT='; rm -rf /",
            "SYMPHONY_URL=http://127.0.0.1:8080/issues/7",
        } <= set(lines)

    async def test_a_failing_command_is_shown_with_its_words(self, shell: Shell) -> None:
        shell.run("echo '\x1b[31mno such user' >&2; exit 4")
        with pytest.raises(NoticeFailed) as caught:
            await shell.notifier.tell(shell.target, NOTICE)
        assert str(caught.value) == "The command ended with status 4: [31mno such user"

    async def test_what_it_started_is_ended_with_it(self, shell: Shell) -> None:
        shell.hang()
        with pytest.raises(NoticeFailed):
            await shell.notifier.tell(shell.target, NOTICE)
        assert not psutil.pid_exists(int((shell.folder / "pid").read_text()))

    async def test_a_command_that_reads_nothing_and_says_a_lot_is_fine(self, shell: Shell) -> None:
        shell.run("head -c 10000000 /dev/zero")
        await shell.notifier.tell(shell.target, NOTICE)

    async def test_a_folder_that_is_gone_is_said(self, tmp_path: Path) -> None:
        command = NoticeCommand(tmp_path / "gone", os.environ)
        with pytest.raises(NoticeFailed, match="could not be started"):
            await command.tell(NotifySettings(kind="command", target="true"), NOTICE)


@pytest.fixture
async def unused_port() -> int:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return port


def test_any_id_has_its_page() -> None:
    assert page_url("http://h", "a/b%") == "http://h/issues/a%2Fb%25"
    assert page_url("http://h", None) == "http://h/inbox"
