"""What comes over the wire from a program that nobody trusts: lines, frames, updates, errors."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symphony.agent import frames
from symphony.agent.limits import is_refused_for_now, lacks_credentials, seconds_until_reset
from symphony.agent.lines import LineBuffer, LineTooLong
from symphony.agent.speech import LAST_CHARACTERS, Speech
from symphony.agent.updates import Update, read_update

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
UPDATES = (
    "agent_message_chunk",
    "agent_thought_chunk",
    "tool_call",
    "tool_call_update",
    "plan",
    "usage_update",
    "current_mode_update",
    "brain_wave",
)


@given(
    st.lists(st.binary(max_size=20).map(lambda line: line.replace(b"\n", b"")), max_size=20),
    st.integers(1, 7),
)
def test_lines_come_out_whole_however_they_are_cut(lines: list[bytes], size: int) -> None:
    stream = b"\n".join(lines)
    buffer, found = LineBuffer(100), []
    for at in range(0, len(stream), size):
        found += buffer.feed(stream[at : at + size])
    found += buffer.rest()
    assert found == (lines[:-1] if lines and not lines[-1] else lines)


@pytest.mark.parametrize("stream", [b"x" * 11, b"x" * 11 + b"\n"])
def test_a_line_over_the_limit_is_refused_whether_or_not_it_ends(stream: bytes) -> None:
    assert LineBuffer(10).feed(b"x" * 10 + b"\n") == [b"x" * 10]
    with pytest.raises(LineTooLong):
        LineBuffer(10).feed(stream)


def test_a_line_over_the_limit_can_be_cut_instead() -> None:
    assert LineBuffer(4, cut=True).feed(b"abcdefghij\nk") == [b"abcd", b"efgh", b"ij"]


@given(st.binary(max_size=200))
def test_no_line_however_broken_breaks_the_decoder(line: bytes) -> None:
    frame = frames.decode(line)
    assert frame is None or isinstance(frames.mend(frame), dict)


@given(values)
def test_a_frame_survives_its_encoding(value: object) -> None:
    frame = {"jsonrpc": "2.0", "id": 1, "result": value}
    line = frames.encode(frame)
    assert line.count(b"\n") == 1
    assert frames.decode(line) == frame


@given(st.dictionaries(st.sampled_from(["id", "method", "result", "error", "params"]), values))
def test_a_mended_frame_has_nothing_that_ends_the_sdks_reading(message: dict[str, object]) -> None:
    frame = frames.decode(json.dumps(message).encode())
    if frame is None:
        return
    mended = frames.mend(frame)
    assert isinstance(mended.get("method"), str | None)
    hash(mended.get("id"))
    assert isinstance(mended.get("error"), dict | None) or "method" in mended


@pytest.mark.parametrize(
    "line", [b"[1]", b"7", b"null", b"{", b"[" * 100_000, b'{"id":[1]}', b"{}", b"9" * 5000]
)
def test_what_is_no_message_is_garbage(line: bytes) -> None:
    assert frames.decode(line) is None


@given(st.sampled_from(UPDATES), st.dictionaries(st.text(max_size=12), values))
def test_no_update_however_broken_is_an_error(name: str, fields: dict[str, object]) -> None:
    update = read_update({"update": {**fields, "sessionUpdate": name}})
    assert len(update.summary) <= 200
    assert "\n" not in update.summary


@given(values)
def test_any_params_are_read(params: object) -> None:
    assert read_update(params).kind in ("other", "message")


@pytest.mark.parametrize(
    ("update", "kind", "summary"),
    [
        (
            {"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": "a\nb"}},
            "message",
            "a b",
        ),
        (
            {"sessionUpdate": "agent_message_chunk", "content": {"type": "image", "data": ""}},
            "message",
            "[image]",
        ),
        (
            {"sessionUpdate": "agent_thought_chunk", "content": {"type": "text", "text": "hm"}},
            "thought",
            "hm",
        ),
        (
            {"sessionUpdate": "tool_call", "toolCallId": "1", "title": "ls", "status": "pending"},
            "tool_call",
            "ls (pending)",
        ),
        (
            {"sessionUpdate": "tool_call_update", "toolCallId": "1", "status": "failed"},
            "tool_call",
            "1 (failed)",
        ),
        (
            {
                "sessionUpdate": "plan",
                "entries": [
                    {"content": "look", "status": "completed"},
                    {"content": "fix", "status": "in_progress"},
                ],
            },
            "plan",
            "plan 1/2 done: fix",
        ),
        (
            {
                "sessionUpdate": "usage_update",
                "used": 5,
                "size": 9,
                "cost": {"amount": 0.5, "currency": "USD"},
            },
            "usage",
            "context 5 of 9 tokens, 0.5 USD",
        ),
        ({"sessionUpdate": "current_mode_update", "currentModeId": "plan"}, "mode", "mode: plan"),
        ({"sessionUpdate": "available_commands_update"}, "commands", "0 commands"),
        (
            {"sessionUpdate": "available_commands_update", "availableCommands": [{"name": "init"}, {}, 7]},
            "commands",
            "2 commands: /init, /?",
        ),
        (
            {
                "sessionUpdate": "config_option_update",
                "configOptions": [
                    {"id": "model", "currentValue": "opus"},
                    {"id": "fast", "currentValue": True},
                ],
            },
            "options",
            "options: model opus, fast true",
        ),
        ({"sessionUpdate": "session_info_update", "title": "Say\nhello"}, "session", "session: Say hello"),
    ],
)
def test_an_update_has_one_line_for_people(update: dict[str, object], kind: str, summary: str) -> None:
    read = read_update({"sessionId": "s", "update": update})
    assert (read.kind, read.summary) == (kind, summary)


def test_the_last_words_are_the_last_message_put_together() -> None:
    speech = Speech()
    for update in (
        Update("message", "", "one "),
        Update("message", "", "two"),
        Update("tool_call", ""),
        Update("message", "", "thr"),
        Update("thought", ""),
        Update("message", "", "ee"),
    ):
        speech.hear(update)
    assert speech.last == "three"
    speech.hear(Update("message", "", "four", "m2"))
    assert speech.last == "four"
    speech.hear(Update("message", "", "x" * 100_000, "m2"))
    assert len(speech.last) == LAST_CHARACTERS
    speech.begin_turn()
    assert speech.last == ""


@pytest.mark.parametrize(
    ("message", "data"),
    [
        ("Internal error: API Error: 429 {...}", {"errorKind": "rate_limit"}),
        (
            "Internal error",
            {"codex_error_info": {"response_too_many_failed_attempts": {"http_status_code": 429}}},
        ),
        ("Internal error", {"message": "unexpected status 429 Too Many Requests: slow down"}),
        ("Internal error", {"codex_error_info": "usage_limit_exceeded"}),
        ("Internal error: Overloaded", {"errorName": "APIError"}),
        ("API Error: 529 overloaded_error", None),
        ("You have exceeded your current quota", None),
        ("Internal error: Rate limit reached for requests", {"service": "session"}),
        ("failed", '{"error": {"type": "rate_limit_error"}}'),
        ("You've hit your limit · resets 3pm (Europe/Berlin)", None),
        ("You're out of extra usage · resets 3pm", None),
    ],
)
def test_a_refusal_for_now_is_recognised(message: str, data: object) -> None:
    assert is_refused_for_now(message, data)


@pytest.mark.parametrize(
    ("message", "data"),
    [
        ("Internal error", {"message": "unexpected status 500 Internal Server Error"}),
        ("line 429 of quota.py has a syntax error", None),
        ("no such file: 529.txt", {"errorKind": "server_error"}),
        ("Session not found", None),
        ("", None),
    ],
)
def test_other_errors_are_no_refusal(message: str, data: object) -> None:
    assert not is_refused_for_now(message, data)


@pytest.mark.parametrize(
    ("message", "data", "seconds"),
    [
        ("429", {"retry_after": 12}, 12.0),
        ("429", {"headers": {"Retry-After": "30"}}, 30.0),
        ("429", {"retry_after_ms": 1500}, 1.5),
        ("429", {"resets_at": NOON.timestamp() + 90}, 90.0),
        ("429", {"resetsAt": "2026-01-01T13:00:00+00:00"}, 3600.0),
        ("Please try again in 1h 2m 3s.", None, 3723.0),
        ("try again in 250ms", None, 0.25),
        ("Your limit resets in 2 days and 3 hours", None, 183_600.0),
        (f"Claude AI usage limit reached|{int(NOON.timestamp()) + 60}", None, 60.0),
        ("try again later", None, None),
        ("429", {"resets_at": NOON.timestamp() - 90}, None),
        ("try again in 9999 days", None, None),
        ("You've hit your session limit · resets 3pm (America/Bogota)", None, 8 * 3600.0),
        ("Your limit will reset at 12:30 PM.", None, 1800.0),
        ("Weekly limit reached ∙ resets Jan 3 at 1am (Etc/UTC)", None, 37 * 3600.0),
        ("You've hit your usage limit, or try again at Jan 2, 2026, 7:38 AM.", None, 70_680.0),
        ("resets 12am", None, 12 * 3600.0),
        ("resets 11:30am (Etc/UTC)", None, None),
        ("resets 10:30am (Etc/UTC)", None, 22.5 * 3600),
        ("resets 3pm (Mars/Olympus_Mons)", None, 3 * 3600.0),
        ("try again at Jan 2, 9999, 7:38 AM", None, None),
        ("resets Feb 31 at 3pm", None, None),
        ("resets 25:00", None, None),
        ("resets 3", None, None),
        ("429", {"resets_at": "9999-12-31T23:59:59+00:00"}, None),
        ("429", {"resets_at": (NOON.timestamp() + 90) * 1000}, 90.0),
        ("429", {"retry_after": "nan"}, None),
        ("429", {"retry_after": float("inf")}, None),
        ("429", {"retry_after": -5}, None),
    ],
)
def test_the_time_of_the_reset_is_read(message: str, data: object, seconds: float | None) -> None:
    assert seconds_until_reset(message, data, NOON) == seconds


@given(st.text(max_size=200), values)
def test_no_error_however_broken_breaks_the_reading(message: str, data: object) -> None:
    is_refused_for_now(message, data)
    lacks_credentials(message, data)
    seconds = seconds_until_reset(message, data, NOON)
    assert seconds is None or seconds >= 0


@pytest.mark.parametrize(
    ("message", "data"),
    [
        ("Internal error: Failed to authenticate. API Error: 401", {"errorKind": "authentication_failed"}),
        ("Internal error", {"message": "unexpected status 401 Unauthorized: bad key"}),
        ("Missing environment variable: OPENAI_API_KEY", None),
        ("Internal error", {"statusCode": 401}),
    ],
)
def test_refused_credentials_are_recognised(message: str, data: object) -> None:
    assert lacks_credentials(message, data)
