"""A run log's lines as a story."""

from typing import Any

import pytest

from symphony.cli.timeline import Entry, Heading, Timeline

AT = "2026-01-01T12:00:00.000000+00:00"


def line(kind: str, **fields: Any) -> dict[str, Any]:
    return {"at": AT, "attempt": "3.1", "kind": kind, **fields}


def chunk(text: str, name: str = "agent_message_chunk") -> dict[str, Any]:
    update = {"sessionUpdate": name, "content": {"type": "text", "text": text}}
    return line("frame_in", frame={"method": "session/update", "params": {"update": update}})


def story(*lines: dict[str, Any], raw: bool = False) -> list[str]:
    timeline = Timeline(raw=raw)
    parts = [part for each in lines for part in timeline.take(each)] + list(timeline.flush())
    return [f"{part.label}: {part.text}" for part in parts if isinstance(part, Entry)]


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (line("phase", phase="preparing the workspace", turn=0), "phase: preparing the workspace"),
        (line("phase", phase="in a turn", turn=2), "phase: in a turn, turn 2"),
        (line("tool_call", text="Edit a.py (completed)"), "tool: Edit a.py (completed)"),
        (line("plan", text="plan 1/2 done"), "plan: plan 1/2 done"),
        (line("usage", text="5 tokens in this session"), "usage: 5 tokens in this session"),
        (line("permission", text="rm: allowed"), "permission: rm: allowed"),
        (line("stderr", text="warning"), "stderr: warning"),
        (line("garbage", text="not JSON"), "garbage: not JSON"),
        (
            line("host_tool", name="ticket", arguments="{}", status=0, problem="", seconds=0.1),
            "host tool: ticket ended with status 0\n{}",
        ),
        (
            line("hook", name="before_run", status=1, seconds=0.1, output="no\nroom\n"),
            "hook: before_run: exit status 1\nno\nroom",
        ),
        (line("hook", name="before_run", status=None, output=""), "hook: before_run: killed at its timeout"),
        (line("question", question="Blue?", context="Or red."), "question: Blue?\nOr red."),
        (line("mark_done", title="Fix", summary="Fixed it."), "done: Fix\nFixed it."),
        (
            line("transition_asked", to="Review", notes="Wrote it.\nTested it."),
            "transition: to Review\nWrote it.\nTested it.",
        ),
        (line("transition_asked", to="Review", notes=""), "transition: to Review"),
        (
            line("transition", to="Review", note="attempt 1 (claude) moved it from Todo to Review"),
            "moved: attempt 1 (claude) moved it from Todo to Review",
        ),
        (line("guard", text="rm -rf /: removes the root"), "guard: rm -rf /: removes the root"),
        (line("handoff", result="patch", note="1 commit"), "handoff: 1 commit"),
        (
            line("uncommitted_work_saved", head="abc"),
            "saved: work that the agent had not committed was committed to the branch",
        ),
        (line("problem", step="after_run", message="failed"), "problem: after_run: failed"),
        (line("ended", outcome="delivered", message="", turns=1), "ended: delivered after turn 1"),
        (
            line("ended", outcome="agent.exited", message="Gone.", turns=0),
            "ended: agent.exited after turn 0: Gone.",
        ),
        (line("mcp_connected", client="claude 2"), "tools: the agent can reach symphony (claude 2)"),
        (line("proposed_issue", id="9", title="More"), "proposes: issue 9: More"),
        (line("dropped", lines=7), "dropped: 7 lines are missing: the disk was slower than the agent"),
        (line("novelty", colour="red", parts=[1, 2]), "novelty: colour=red  parts=[1, 2]"),
        (line("phase", surprise=True), "phase: surprise=true"),
    ],
)
def test_each_kind_of_line_is_said_in_words(given, shown):
    assert story(given) == [shown]


def test_the_protocols_messages_are_hidden_unless_asked_for():
    frame = line("frame_out", frame={"method": "initialize"})
    assert story(frame) == []
    assert story(frame, raw=True) == ['->: {"method": "initialize"}']


def test_what_an_agent_says_in_chunks_is_one_entry_with_its_own_spaces():
    said = story(
        chunk("I wi"), line("message", text="I wi"), chunk("ll  go"), line("message", text="ll go"),
        chunk("hm", "agent_thought_chunk"), line("thought", text="hm"),
        line("plan", text="plan 0/1 done"),
        chunk("Done."), line("message", text="Done."),
    )  # fmt: skip
    assert said == ["agent: I will  go", "thinks: hm", "plan: plan 0/1 done", "agent: Done."]


def test_a_message_whose_frame_is_missing_is_shown_by_itself():
    assert story(line("message", text="Hello")) == ["agent: Hello"]


def test_a_tool_call_keeps_its_title_when_only_its_id_is_said():
    update = {"sessionUpdate": "tool_call", "toolCallId": "c1", "title": "Run tests"}
    frame = line("frame_in", frame={"method": "session/update", "params": {"update": update}})
    assert story(frame, line("tool_call", text="c1 (failed)")) == ["tool: Run tests (failed)"]


def test_every_attempt_and_every_day_begin_with_a_heading():
    timeline = Timeline()
    lines = [
        line("plan", text="a"),
        line("plan", text="b"),
        {**line("plan", text="c"), "attempt": "3.2"},
        {**line("plan", text="d"), "attempt": "3.2", "at": "2026-01-02T00:00:01+00:00"},
    ]
    parts = [part for each in lines for part in timeline.take(each)]
    assert [part.text for part in parts if isinstance(part, Heading)] == [
        "attempt 3.1, 2026-01-01 (UTC)",
        "attempt 3.2, 2026-01-01 (UTC)",
        "attempt 3.2, 2026-01-02 (UTC)",
    ]


def test_nothing_in_a_line_can_move_a_cursor():
    (shown,) = story(line("stderr\x1b", text="a\x1b]0;title\x07b\rc"))
    assert shown == "stderr: a]0;titlebc"


@pytest.mark.parametrize("fields", [{}, {"kind": 3, "at": None}, {"kind": "frame_in", "frame": 7}])
def test_a_line_of_another_shape_breaks_nothing(fields):
    assert isinstance(story(fields), list)
