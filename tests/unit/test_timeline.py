"""A run log's lines as a story: what is joined, what replaces what, and that nothing breaks it."""

import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symphony.core.branch import LineKind
from symphony.store.run_log_reader import RunLogLine
from symphony.web.timeline.assembler import BLOCK, Assembler
from symphony.web.timeline.entries import (
    TEXT_LIMIT,
    Argument,
    Body,
    Entry,
    Heading,
    Note,
    PhaseEntered,
    Plan,
    Speech,
    Step,
    Tone,
    ToolCall,
    Voice,
)

AT = "2026-01-01T12:00:01.000000+00:00"
WIDTH = 100  # bytes of a line, as far as these tests are concerned


def line(number: int, kind: str, **fields: Any) -> RunLogLine:
    head = {"at": AT, "attempt": "7.1", "kind": kind}
    return RunLogLine(number * WIDTH, (number + 1) * WIDTH, {**head, **fields})


def update(name: str, **fields: Any) -> dict[str, Any]:
    params = {"sessionId": "s", "update": {"sessionUpdate": name, **fields}}
    return {"kind": "frame_in", "frame": {"jsonrpc": "2.0", "method": "session/update", "params": params}}


def chunk(text: str, voice: str = "message", **fields: Any) -> dict[str, Any]:
    return update(f"agent_{voice}_chunk", content={"type": "text", "text": text}, **fields)


def entries(lines: Iterable[dict[str, Any]], first: int = 0) -> tuple[Entry, ...]:
    assembler = Assembler()
    for number, fields in enumerate(lines, first):
        assembler.take(line(number, **fields))
    return assembler.entries


def bodies(*lines: dict[str, Any]) -> list[Body]:
    return [entry.body for entry in entries(lines) if not isinstance(entry.body, Heading)]


def test_pieces_of_a_message_are_one_entry_and_their_summaries_none() -> None:
    said = bodies(
        chunk("Hel"),
        {"kind": "message", "text": "Hel"},
        chunk("lo.\n"),
        {"kind": "message", "text": "lo."},
        chunk("Hm", "thought"),
        {"kind": "thought", "text": "Hm"},
    )
    assert said == [Speech(Voice.MESSAGE, "Hello.\n"), Speech(Voice.THOUGHT, "Hm")]


def test_what_comes_in_between_or_is_another_message_begins_anew() -> None:
    said = bodies(
        chunk("a", messageId="1"),
        chunk("b", messageId="2"),
        {"kind": "hook", "name": "x", "status": 0, "output": ""},
        chunk("c", messageId="2"),
    )
    assert [body.text for body in said if isinstance(body, Speech)] == ["a", "b", "c"]


def test_a_tool_call_is_one_entry_that_its_updates_change() -> None:
    said = entries(
        [
            update("tool_call", toolCallId="c", title="Run tests", kind="execute", status="in_progress",
                   rawInput={"command": ["pytest", "-q"], "timeout": 5}),
            {"kind": "tool_call", "text": "Run tests (in_progress)"},
            chunk("meanwhile"),
            update("tool_call_update", toolCallId="c", status="failed",
                   content=[{"type": "content", "content": {"type": "text", "text": "1 failed\n"}}]),
        ]
    )  # fmt: skip
    assert [entry.body for entry in said] == [
        Heading("7.1", "2026-01-01"),
        ToolCall(
            "c", "Run tests", "execute", "failed",
            (Argument("command", "pytest -q"), Argument("timeout", "5")), outputs=("1 failed",),
        ),
        Speech(Voice.MESSAGE, "meanwhile"),
    ]  # fmt: skip
    call = said[1]
    assert (call.element, call.until, call.clock) == ("t0-1", 4 * WIDTH, "12:00:01")
    assert isinstance(call.body, ToolCall)
    assert call.body.tone is Tone.BAD


def test_a_diff_is_shown_in_lines_and_its_texts_not_again_as_arguments() -> None:
    before = "".join(f"{number}\n" for number in range(20))
    diff = {"type": "diff", "path": "/w/a.py", "oldText": before, "newText": before.replace("10\n", "ten\n")}
    (call,) = bodies(
        update("tool_call", toolCallId="c", title="Edit a.py", content=[diff],
               rawInput={"file_path": "/w/a.py", "old_string": "10", "new_string": "ten"},
               locations=[{"path": "/w/a.py", "line": 11}]),
    )  # fmt: skip
    assert isinstance(call, ToolCall)
    assert (call.arguments, call.paths) == ((Argument("file_path", "/w/a.py"),), ("/w/a.py:11",))
    (file,) = call.diffs
    assert (file.added, file.removed) == (1, 1)
    assert [(each.kind, each.text) for each in file.lines] == [
        (LineKind.PLACE, "@@ -8,7 +8,7 @@"),
        (LineKind.SAME, "7"),
        (LineKind.SAME, "8"),
        (LineKind.SAME, "9"),
        (LineKind.REMOVED, "10"),
        (LineKind.ADDED, "ten"),
        (LineKind.SAME, "11"),
        (LineKind.SAME, "12"),
        (LineKind.SAME, "13"),
    ]


def test_terminal_output_and_raw_output_are_shown() -> None:
    (streamed, raw) = bodies(
        update("tool_call", toolCallId="a", _meta={"terminal_output": {"terminal_id": "t", "data": "one"}}),
        update("tool_call", toolCallId="b", rawOutput={"formatted_output": "two", "exit_code": 0}),
    )
    assert isinstance(streamed, ToolCall)
    assert isinstance(raw, ToolCall)
    assert (streamed.outputs, raw.outputs) == (("one",), ("two",))


def test_a_long_output_keeps_its_beginning_and_its_end() -> None:
    text = "begin " + "x" * 100_000 + " end"
    block = {"type": "content", "content": {"type": "text", "text": text}}
    (call,) = bodies(update("tool_call", toolCallId="a", content=[block]))
    assert isinstance(call, ToolCall)
    assert call.outputs[0].startswith("begin ")
    assert call.outputs[0].endswith(" end")
    assert len(call.outputs[0]) < TEXT_LIMIT + 100


def test_a_plan_stands_where_it_was_made_until_the_next_turn() -> None:
    def plan(status: str) -> dict[str, Any]:
        return update("plan", entries=[{"content": "Look", "status": status, "priority": "high"}])

    said = bodies(
        {"kind": "phase", "phase": "in a turn", "turn": 1},
        plan("pending"),
        chunk("x"),
        plan("completed"),
        {"kind": "phase", "phase": "in a turn", "turn": 2},
        plan("pending"),
    )
    assert said == [
        PhaseEntered("in a turn", 1),
        Plan((Step("Look", "completed"),)),
        Speech(Voice.MESSAGE, "x"),
        PhaseEntered("in a turn", 2),
        Plan((Step("Look", "pending"),)),
    ]
    assert isinstance(said[1], Plan)
    assert said[1].done == 1


def test_usage_is_one_entry_in_a_turn() -> None:
    said = bodies(
        update("usage_update", used=1_000, size=200_000),
        update("usage_update", used=2_000, size=200_000, cost={"amount": 0.5, "currency": "USD"}),
    )
    assert said == [Note("usage", "context 2,000 of 200,000 tokens, 0.50 USD", tone=Tone.QUIET)]


def test_prompts_errors_and_odd_ends_of_turns_are_shown() -> None:
    prompt = {"method": "session/prompt", "params": {"prompt": [{"type": "text", "text": "Do it."}]}}
    said = bodies(
        {"kind": "frame_out", "frame": prompt},
        {"kind": "frame_out", "frame": {"method": "initialize", "params": {}}},
        {"kind": "frame_in", "frame": {"id": 1, "result": {"stopReason": "end_turn"}}},
        {"kind": "frame_in", "frame": {"id": 1, "result": {"stopReason": "max_tokens"}}},
        {
            "kind": "frame_in",
            "frame": {"id": 1, "error": {"code": -32603, "message": "No", "data": {"details": "why"}}},
        },
    )
    assert said == [
        Speech(Voice.PROMPT, "Do it."),
        Note("turn", "The turn ended: max tokens.", tone=Tone.ATTENTION),
        Note("error", "The agent answered with an error.", "No\nwhy", Tone.BAD),
    ]


@pytest.mark.parametrize(
    ("fields", "note"),
    [
        ({"kind": "permission", "text": "Write x: Allow (acp.permission is allow)"},
         Note("permission", "Write x: Allow (acp.permission is allow)", tone=Tone.ATTENTION)),
        ({"kind": "hook", "name": "before_run", "status": 0, "seconds": 2.4, "output": "fine\n"},
         Note("hook", "before_run: passed after 2s", "fine", Tone.GOOD, folded=True)),
        ({"kind": "host_tool", "name": "ticket", "arguments": '{"key": "A-1"}', "status": 0, "problem": "",
          "seconds": 2.1},
         Note("host tool", "ticket ended with status 0 after 2s", '{"key": "A-1"}', Tone.QUIET)),
        ({"kind": "host_tool", "name": "ticket", "arguments": "{}", "status": None,
          "problem": "did not end in time", "seconds": 0.5},
         Note("host tool", "ticket did not end in time", "{}", Tone.BAD)),
        ({"kind": "hook", "name": "tests", "status": None, "seconds": 60.0, "output": "…"},
         Note("hook", "tests: killed at its timeout after 1m 0s", "…", Tone.BAD)),
        ({"kind": "question", "question": "Tabs?\nOr spaces?", "context": "Both are there."},
         Note("question", "Tabs?", "Or spaces?\nBoth are there.", Tone.ATTENTION)),
        ({"kind": "mark_done", "title": "Add it", "summary": "It is there."},
         Note("mark_done", "Add it", "It is there.", Tone.GOOD)),
        ({"kind": "transition_asked", "to": "Review", "notes": "Wrote it.\nTested it."},
         Note("transition", "to Review", "Wrote it.\nTested it.", Tone.GOOD)),
        ({"kind": "transition_asked", "to": "Review", "notes": ""},
         Note("transition", "to Review", tone=Tone.GOOD)),
        ({"kind": "transition", "to": "Review", "note": "attempt 1 (claude) moved it from Todo to Review"},
         Note("moved", "attempt 1 (claude) moved it from Todo to Review", tone=Tone.GOOD)),
        ({"kind": "guard", "text": "rm -rf /: removes the root"},
         Note("guard", "rm -rf /: removes the root", tone=Tone.ATTENTION)),
        ({"kind": "handoff", "result": "patch", "note": "Patch with 1 commit."},
         Note("handoff", "Patch with 1 commit.", tone=Tone.GOOD)),
        ({"kind": "problem", "step": "import", "message": "no disk"},
         Note("problem", "import: no disk", tone=Tone.BAD)),
        ({"kind": "access", "host": "a.example", "text": "a.example:443 was refused"},
         Note("access", "a.example:443 was refused", tone=Tone.ATTENTION)),
        ({"kind": "machine", "name": "m", "text": "resumed"}, Note("machine", "m resumed", tone=Tone.QUIET)),
        ({"kind": "ended", "outcome": "delivered", "turns": 1, "message": "Patch."},
         Note("ended", "delivered after 1 turn", "Patch.", Tone.GOOD)),
        ({"kind": "ended", "outcome": "agent.exited", "turns": 2, "message": "It died."},
         Note("ended", "agent.exited after 2 turns", "It died.", Tone.BAD)),
        ({"kind": "dropped", "lines": 3},
         Note("dropped", "3 lines are missing: the disk was slower than the agent.", tone=Tone.BAD)),
        ({"kind": "proposed_issue", "id": "9", "title": "More"}, Note("proposes", "issue 9: More")),
        ({"kind": "new_thing", "n": 1, "what": ["x"]}, Note("new_thing", 'n=1 what=["x"]')),
    ],
)  # fmt: skip
def test_each_kind_of_line_has_its_words(fields: dict[str, Any], note: Note) -> None:
    assert bodies(fields) == [note]


def test_lines_of_stderr_are_one_entry() -> None:
    said = bodies(
        {"kind": "stderr", "text": "one"}, {"kind": "stderr", "text": "two"}, {"kind": "garbage", "text": "?"}
    )
    assert said == [Note("stderr", "", "one\ntwo", Tone.QUIET), Note("garbage", "", "?", Tone.BAD)]


def test_a_new_attempt_and_a_new_day_have_a_heading() -> None:
    assembler = Assembler()
    phase = {"kind": "phase", "phase": "p", "turn": 0}
    for number, (attempt, day) in enumerate([("7.1", "01"), ("7.1", "01"), ("7.1", "02"), ("7.2", "02")]):
        at = f"2026-01-{day}T00:00:00+00:00"
        assembler.take(RunLogLine(number, number + 1, {**phase, "at": at, "attempt": attempt}))
    headings = [entry.body for entry in assembler.entries if isinstance(entry.body, Heading)]
    assert headings == [
        Heading("7.1", "2026-01-01"), Heading("7.1", "2026-01-02"), Heading("7.2", "2026-01-02"),
    ]  # fmt: skip


def test_an_agent_without_messages_is_shown_by_its_summaries() -> None:
    said = bodies({"kind": "phase", "phase": "p", "turn": 1}, {"kind": "message", "text": "Hello"})
    assert said[1] == Note("message", "Hello", tone=Tone.QUIET)


def test_control_characters_and_turned_text_never_get_through() -> None:
    evil = "\x1b[2J\u202eevil\x00"
    diff = {"type": "diff", "path": evil, "oldText": evil, "newText": f"{evil}x"}
    said = entries(
        [
            chunk(evil),
            update("tool_call", toolCallId=evil, title=evil, kind=evil, status=evil, content=[diff],
                   rawInput={evil: evil}, locations=[{"path": evil}]),
            update("plan", entries=[{"content": evil, "status": evil}]),
            {"kind": evil, "text": evil},
            {"kind": "hook", "name": evil, "status": 1, "output": evil},
            {"kind": "phase", "phase": evil, "turn": 1},
        ]
    )  # fmt: skip
    shown = repr(said)
    assert len(said) == 7
    assert "\\x1b" not in shown
    assert "\\u202e" not in shown
    assert "\\x00" not in shown


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=20,
)
KINDS = ["frame_in", "frame_out", "phase", "hook", "question", "ended", "stderr", "message", "dropped", "x"]
UPDATES = ["agent_message_chunk", "tool_call", "tool_call_update", "plan", "usage_update", "x"]


@given(st.lists(st.tuples(st.sampled_from(KINDS), st.dictionaries(st.text(max_size=10), JSON)), max_size=10))
def test_any_line_is_taken(lines: list[tuple[str, dict[str, Any]]]) -> None:
    assembler = Assembler()
    for number, (kind, fields) in enumerate(lines):
        assembler.take(RunLogLine(number, number + 1, {"at": AT, **fields, "kind": kind}))


NAMES = st.sampled_from(
    [
        "toolCallId",
        "title",
        "content",
        "rawInput",
        "rawOutput",
        "entries",
        "used",
        "size",
        "locations",
        "cost",
    ]
)


@given(st.lists(st.tuples(st.sampled_from(UPDATES), st.dictionaries(NAMES, JSON)), max_size=10))
def test_any_update_is_taken(updates: list[tuple[str, dict[str, Any]]]) -> None:
    entries(update(name, **fields) for name, fields in updates)


@st.composite
def stories(draw: st.DrawFn) -> list[dict[str, Any]]:
    pieces = [
        chunk("a"), chunk("b"), chunk("c", "thought"),
        update("tool_call", toolCallId="1"), update("tool_call_update", toolCallId="1", status="x"),
        update("plan", entries=[]), {"kind": "stderr", "text": "e"}, {"kind": "phase", "phase": "p"},
    ]  # fmt: skip
    return draw(st.lists(st.sampled_from(pieces), max_size=40))


@given(stories(), st.integers(0, 40))
def test_a_page_that_begins_at_a_block_names_its_entries_as_any_other_reader(
    story: list[dict[str, Any]], cut: int
) -> None:
    width = BLOCK // 8
    lines = [
        RunLogLine(number * width, (number + 1) * width, {"at": AT, "attempt": "7.1", **fields})
        for number, fields in enumerate(story)
    ]
    whole, page = Assembler(), Assembler()
    start = cut * width // BLOCK * BLOCK
    for each in lines:
        whole.take(each)
        if each.offset >= start:
            page.take(each)
    names = [entry.element for entry in whole.entries if entry.offset >= start]
    own = [entry.element for entry in page.entries if not isinstance(entry.body, Heading)]
    assert own == [name for name in names if name.endswith("-1")]


def test_whoever_has_seen_up_to_a_line_gets_what_changed_since() -> None:
    assembler = Assembler()
    lines = [
        update("tool_call", toolCallId="1", title="T", status="in_progress"),
        chunk("a"),
        update("tool_call_update", toolCallId="1", status="completed"),
    ]
    for number, fields in enumerate(lines):
        assembler.take(line(number, **fields))
    assert [entry.element for entry in assembler.changed_since(WIDTH)] == ["t0-1", "t100-1"]
    assert [entry.element for entry in assembler.changed_since(2 * WIDTH)] == ["t0-1"]
    assert assembler.changed_since(3 * WIDTH) == ()


def test_a_frame_of_a_megabyte_is_bounded() -> None:
    blob = "x" * 1_000_000
    diff = {"type": "diff", "path": "p", "oldText": "a\n" * 200_000, "newText": "b\n" * 200_000}
    said = entries(
        [
            chunk(blob),
            update("tool_call", toolCallId="1", title=blob, content=[diff] * 3, rawInput={"a": blob}),
        ]
    )
    assert len(json.dumps(repr(said))) < 700_000


def test_of_very_many_entries_the_latest_are_held_and_the_gap_is_known() -> None:
    assembler = Assembler(kept=3)
    for number in range(10):
        assembler.take(line(number, kind="hook", name=str(number), status=0))
    assert [entry.offset // WIDTH for entry in assembler.entries] == [7, 8, 9]
    assert assembler.forgotten == 7 * WIDTH
