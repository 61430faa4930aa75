"""What people and programs get wrong, over a whole engine: each has its status and its code."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

import pytest

from symphony.agent.script import Script, Turn, ask, mark_done
from symphony.core.claim import Parked
from symphony.core.event import DrainAsked
from symphony.web.listener import Bounds, open_listener
from tests.engine.conftest import World
from tests.web.conformity import check, path_of
from tests.web.support import Answer, Client, Daemon, Door, surface_of

ODD_IDS = [
    "none", "..", ".", "a/b", "../../etc/passwd", "%", "%2F", "100%", "a.b", "...", "ü", "😀", "\u202e",
    "a b", "?q", "#h", "\x00", "\n", "'; --", "<script>", "x" * 3_000, "mcp", "state", "openapi.json",
    "Todo/1", "1.md",
]  # fmt: skip
COMMANDS: list[tuple[str, Any]] = [
    ("steering-reply", {"text": "yes"}),
    ("retry", {}),
    ("cancel", {}),
    ("pause", {}),
    ("resume", {}),
    ("move", {"state": "Done"}),
    ("approve", {}),
    ("discard", {}),
    ("reject", {"text": "why"}),
    ("access", {"host": "pypi.org", "decision": "issue"}),
]
ASKS, RESTS = "1", "2"  # an issue with a question, and one that a person holds back


@dataclass
class Served:
    """A listener over a whole engine with rooms in memory."""

    world: World
    client: Client

    async def get(self, path: str) -> Answer:
        return await self._held("GET", path, self.client.ask("GET", path))

    async def post(self, path: str, body: Any = None) -> Answer:
        return await self._held("POST", path, self.client.ask("POST", path, body))

    async def command(self, issue_id: str, name: str, body: Any = None) -> Answer:
        return await self.post(f"/api/v1/issues/{quote(issue_id, safe='')}/{name}", body)

    async def _held(self, method: str, path: str, asking: Awaitable[Answer]) -> Answer:
        """Let virtual time pass while the answer is awaited, and hold it to the document."""
        asked = asyncio.ensure_future(asking)
        while not (await asyncio.wait({asked}, timeout=0.01))[0]:
            if (due := self.world.clock.next_due) is not None:
                await self.world.clock.advance(due)
        check(method.lower(), path_of(path), asked.result())
        return asked.result()


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    world = World()
    async with world.running():
        world.script(ASKS, Script((Turn((ask("Which colour?"),)), Turn((mark_done(),)))))
        world.drop(ASKS)
        world.drop(RESTS, state="Backlog")
        await world.until(lambda: world.operations.snapshot().waiting)
        surface = replace(surface_of(Daemon(), Door()), operations=world.operations)
        bounds = Bounds(close_s=0.1)
        async with open_listener(surface, host="127.0.0.1", port=0, token=None, bounds=bounds) as listener:
            yield Served(world, Client(listener.port))


class TestUnknownIds:
    @pytest.mark.parametrize("issue_id", ODD_IDS)
    async def test_what_is_no_issue_is_404_under_every_command(self, served: Served, issue_id: str) -> None:
        for name, body in COMMANDS:
            answer = await served.command(issue_id, name, body)
            assert answer.error[:2] == (404, "issue_not_found"), name
        assert (await served.get(f"/api/v1/issues/{quote(issue_id, safe='')}")).status == 404

    async def test_what_is_said_of_it_is_text_and_short(self, served: Served) -> None:
        _, _, message = (await served.get(f"/api/v1/issues/{quote('a' * 3_000 + chr(27), safe='')}")).error
        assert "\x1b" not in message
        assert len(message) < 500


class TestQuestions:
    async def test_an_answer_to_nothing_is_409(self, served: Served) -> None:
        answer = await served.command(RESTS, "steering-reply", {"text": "yes"})
        assert answer.error[:2] == (409, "no_open_question")

    async def test_of_two_people_who_answer_at_once_one_is_heard_and_the_other_is_told(
        self, served: Served
    ) -> None:
        answers = await asyncio.gather(
            served.command(ASKS, "steering-reply", {"text": "red"}),
            served.command(ASKS, "steering-reply", {"text": "blue"}),
        )
        assert sorted(answer.status for answer in answers) == [202, 409]
        refused = next(answer for answer in answers if answer.status == 409)
        assert refused.error[1] in {"already_answered", "no_open_question"}
        kept = (await served.get(f"/api/v1/issues/{ASKS}")).json["steering"][0]["reply"]
        assert kept == ("red" if answers[0].status == 202 else "blue")

    async def test_the_same_answer_sent_twice_reaches_the_agent_once(self, served: Served) -> None:
        first = await served.command(ASKS, "steering-reply", {"text": "red"})
        second = await served.command(ASKS, "steering-reply", {"text": "red"})
        assert (first.status, second.status) == (202, 409)
        steering = (await served.get(f"/api/v1/issues/{ASKS}")).json["steering"]
        assert [each["reply"] for each in steering] == ["red"]

    async def test_an_answer_to_a_question_that_is_no_longer_asked_reaches_no_other(
        self, served: Served
    ) -> None:
        body = {"text": "red", "question": "an older one"}
        assert (await served.command(ASKS, "steering-reply", body)).error[:2] == (409, "already_answered")
        asked = (await served.get(f"/api/v1/issues/{ASKS}")).json["steering"][0]
        assert asked["open"]
        body = {"text": "red", "question": asked["id"]}
        assert (await served.command(ASKS, "steering-reply", body)).status == 202


class TestDoubleSubmits:
    async def test_two_issues_of_one_id_are_one_and_a_refusal(self, served: Served) -> None:
        answers = await asyncio.gather(
            *(
                served.post("/api/v1/issues", {"title": title, "id": "9", "state": "Backlog"})
                for title in "AB"
            )
        )
        assert sorted(answer.status for answer in answers) == [201, 409]

    @pytest.mark.parametrize("name", ["pause", "resume", "retry"])
    async def test_what_says_the_same_twice_is_taken_twice(self, served: Served, name: str) -> None:
        first, second = await served.command(RESTS, name), await served.command(RESTS, name)
        assert first.status == second.status

    async def test_a_second_move_to_the_same_place_does_no_harm(self, served: Served) -> None:
        answers = [await served.command(RESTS, "move", {"state": "Done"}) for _ in range(2)]
        assert [answer.status for answer in answers] == [200, 200]
        assert served.world.state_of(RESTS) == "Done"

    async def test_a_second_approval_is_told(self, served: Served) -> None:
        assert (await served.command(RESTS, "approve")).status == 200
        assert (await served.command(RESTS, "approve")).error[:2] == (409, "not_proposed")

    async def test_a_second_discard_is_told(self, served: Served) -> None:
        await served.command(ASKS, "cancel")
        await served.world.until(lambda: isinstance(served.world.claim(ASKS), Parked))
        assert (await served.command(ASKS, "discard")).status == 202
        assert (await served.command(ASKS, "discard")).error[:2] == (409, "nothing_to_discard")


class TestValues:
    @pytest.mark.parametrize("issue_id", ["..", ".", "a/b", "", " ", "\x00", "a\nb", "x" * 300])
    async def test_an_id_that_is_no_file_name_is_422(self, served: Served, issue_id: str) -> None:
        answer = await served.post("/api/v1/issues", {"title": "T", "id": issue_id})
        assert answer.error[:2] == (422, "invalid_id")

    @pytest.mark.parametrize("title", ["", " ", "\n"])
    async def test_a_title_that_is_none_is_422(self, served: Served, title: str) -> None:
        answer = await served.post("/api/v1/issues", {"title": title})
        assert answer.error[:2] == (422, "invalid_title")

    @pytest.mark.parametrize("state", ["Nowhere", "", "../Done", "Done/x", "\x00"])
    async def test_a_state_that_is_none_is_422(self, served: Served, state: str) -> None:
        answers = [await served.command(RESTS, "move", {"state": state})]
        if state:  # an empty one, as forms send it, is the first active state
            answers.append(await served.post("/api/v1/issues", {"title": "T", "state": state}))
        for answer in answers:
            assert answer.error[:2] == (422, "unknown_state")
        assert served.world.state_of(RESTS) == "Backlog"

    @pytest.mark.parametrize("host", ["", " ", "a b", "http://pypi.org", "*.pypi.org", "-", "😀", "x" * 400])
    async def test_a_host_that_is_none_is_422(self, served: Served, host: str) -> None:
        answer = await served.command(ASKS, "access", {"host": host, "decision": "issue"})
        assert answer.status == 422

    @pytest.mark.parametrize(
        "field", [{"priority": True}, {"priority": 1.5}, {"labels": "a"}, {"blocked_by": [None]}]
    )
    async def test_a_field_of_another_type_is_422(self, served: Served, field: dict[str, Any]) -> None:
        answer = await served.post("/api/v1/issues", {"title": "T", **field})
        assert answer.error[:2] == (422, "invalid_body")

    @pytest.mark.parametrize("priority", [-(10**30), 10**30])
    async def test_a_number_that_no_file_can_hold_is_422(self, served: Served, priority: int) -> None:
        answer = await served.post("/api/v1/issues", {"title": "T", "priority": priority, "state": "Backlog"})
        assert answer.error[:2] == (422, "invalid_body")


class TestDraining:
    async def test_a_daemon_that_stops_says_so_and_still_shows_everything(self, served: Served) -> None:
        """The question keeps its attempt alive, so the daemon drains until its grace is over."""
        world = served.world
        await world.engine.mailbox.put(DrainAsked())
        await world.quiet()
        state = await served.client.ask("GET", "/api/v1/state")
        check("get", "/api/v1/state", state)
        assert (state.status, state.json["status"]) == (200, "draining")
        for name in ("retry", "pause"):
            answer = await served.client.ask("POST", f"/api/v1/issues/{RESTS}/{name}")
            check("post", f"/api/v1/issues/{{id}}/{name}", answer)
            assert answer.error[:2] == (503, "draining")
