"""What may go from the disk by its age and the ceilings, and what stays whatever they say."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symphony.core.claim import Continuing, Parked, Retrying, Waiting
from symphony.core.handoff import Completion, Handoff
from symphony.core.ports import AttemptRow
from symphony.core.retention import (
    MIB,
    NOT_HANDED_OVER,
    ceilings_of,
    decide_retention,
    why_issue_needs,
    why_work_stays,
)
from symphony.core.settings import RetentionSettings
from symphony.core.stored import Delivery, Kind, Stored
from symphony.workflow.errors import WorkflowError
from symphony.workflow.loader import parse_workflow
from tests.support.world import NOON, make_issue, make_record, make_running, make_state, make_steering

SETTINGS = RetentionSettings()


def days_ago(days):
    return NOON - timedelta(days=days)


def thing(name, days=0.0, mib=1, kind=Kind.WORKSPACE, **fields):
    return Stored(kind, name, f"/{name}", mib * MIB, days_ago(days), **fields)


def decided(*things, **settings):
    """Return the names of what goes, each with the reason, and of what stays."""
    fates = decide_retention(things, SETTINGS.model_copy(update=settings), NOON)
    goes = {fate.thing.name: fate.reason for fate in fates if fate.goes}
    stays = {fate.thing.name: fate.reason for fate in fates if not fate.goes}
    return goes, stays


# --- age -------------------------------------------------------------------------------------------


def test_a_thing_goes_when_it_is_as_old_as_the_setting_and_not_before():
    goes, stays = decided(thing("old", 7), thing("new", 6.99), thing("now"))
    assert goes == {"old": "7 days old and retention.workspace_days is 7"}
    assert stays == {"new": "it stays for less than a day", "now": "it stays for 7 more days"}


def test_a_thing_from_the_future_stays():
    assert decided(thing("odd", -400)) == ({}, {"odd": "it stays for 7 more days"})


def test_what_something_speaks_for_stays_however_old_it_is():
    assert decided(thing("work", 4000, stays=NOT_HANDED_OVER)) == ({}, {"work": NOT_HANDED_OVER})


def test_patches_stay_for_ever_unless_it_is_set():
    assert decided(thing("p", 9000, kind=Kind.PATCH)) == ({}, {"p": "retention.patch_days is null"})
    goes, _ = decided(thing("p", 9000, kind=Kind.PATCH), patch_days=365)
    assert goes == {"p": "9000 days old and retention.patch_days is 365"}


@pytest.mark.parametrize("kind", [Kind.WORKSPACE, Kind.IMAGE, Kind.LOG])
def test_every_other_kind_has_an_age_and_a_ceiling_by_default(kind):
    assert decided(thing("x", 400, kind=kind))[0].keys() == {"x"}
    assert decided(*(thing(str(n), 1, 9000, kind) for n in range(4)))[0].keys() >= {"0"}


def test_history_never_goes():
    _, stays = decided(thing("host.git", 9000, 900_000, Kind.HISTORY))
    assert stays == {"host.git": "it is never removed"}


# --- ceilings --------------------------------------------------------------------------------------


def test_over_the_ceiling_the_oldest_go_until_the_rest_fits():
    goes, stays = decided(thing("a", 1, 40), thing("b", 3, 40), thing("c", 2, 40), workspaces_max_mib=90)
    assert goes == {"b": "all workspaces take 120 MiB and retention.workspaces_max_mib is 90"}
    assert stays.keys() == {"a", "c"}


def test_what_must_stay_counts_towards_the_ceiling_and_never_goes_by_it():
    things = thing("work", 900, 500, stays=NOT_HANDED_OVER), thing("done", 1, 40)
    goes, stays = decided(*things, workspaces_max_mib=90)
    assert goes.keys() == {"done"}
    assert stays == {"work": NOT_HANDED_OVER}


def test_what_goes_by_its_age_makes_room_first():
    things = thing("old", 30, 50), thing("a", 2, 40), thing("b", 1, 40)
    assert decided(*things, workspaces_max_mib=90)[0].keys() == {"old"}


def test_each_kind_is_named_as_people_name_several_of_it():
    goes, _ = decided(thing("p", 1, 9, Kind.PATCH), patches_max_mib=5)
    assert goes == {"p": "all patches take 9 MiB and retention.patches_max_mib is 5"}
    assert [kind.plural for kind in Kind] == ["workspaces", "images", "logs", "patches", "history"]


def test_exactly_at_the_ceiling_nothing_goes():
    assert decided(thing("a", 1, 45), thing("b", 2, 45), workspaces_max_mib=90)[0] == {}


def test_a_ceiling_of_one_kind_does_not_touch_another():
    assert decided(thing("log", 1, 500, Kind.LOG), workspaces_max_mib=1)[0] == {}


def test_without_age_and_ceiling_all_stays():
    goes, _ = decided(thing("a", 4000, 9_000_000), workspace_days=None, workspaces_max_mib=None)
    assert goes == {}


def test_what_could_not_be_removed_still_counts_and_what_is_over_is_told():
    things = thing("a", 9, 60), thing("b", 9, 60), thing("c", 0, 60, stays="needed")
    settings = SETTINGS.model_copy(update={"workspaces_max_mib": 100})
    first, *rest = decide_retention(things, settings, NOON)
    ceiling = ceilings_of([replace(first, error="Permission denied"), *rest], settings)[Kind.WORKSPACE]
    assert (ceiling.size_bytes, ceiling.left_bytes, ceiling.most_bytes) == (180 * MIB, 120 * MIB, 100 * MIB)
    assert ceiling.over


THINGS = st.lists(
    st.builds(
        Stored,
        kind=st.sampled_from(Kind),
        name=st.text(max_size=4),
        path=st.uuids().map(str),
        size_bytes=st.integers(0, 1 << 40),
        since=st.integers(-5000, 5000).map(days_ago),
        key=st.just(""),
        stays=st.sampled_from(["", "needed"]),
    ),
    max_size=12,
)
LIMITS = st.none() | st.integers(1, 3000)


@given(THINGS, LIMITS, LIMITS)
def test_whatever_the_settings_everything_has_one_fate_and_what_is_needed_stays(things, days, most):
    keys = ("workspace", "image", "log", "patch")
    plurals = ("workspaces", "images", "logs", "patches")
    settings = SETTINGS.model_copy(
        update={**{f"{key}_days": days for key in keys}, **{f"{key}_max_mib": most for key in plurals}}
    )
    fates = decide_retention(things, settings, NOON)
    assert sorted(fate.thing.path for fate in fates) == sorted(each.path for each in things)
    assert not any(fate.goes for fate in fates if fate.thing.stays or fate.thing.kind is Kind.HISTORY)
    assert all(fate.reason for fate in fates)
    for kind, ceiling in ceilings_of(fates, settings).items():
        may_go = any(not fate.goes and not fate.thing.stays for fate in fates if fate.thing.kind is kind)
        assert not (ceiling.over and may_go), "something may go and the ceiling is not met"


# --- what an issue still needs ---------------------------------------------------------------------

DONE = Completion("1", "1.1", "Done", "All of it.", NOON)


@pytest.mark.parametrize(
    ("state", "fields", "why"),
    [
        ("Done", {}, ""),
        ("Todo", {}, "its issue is in Todo and is worked on"),
        ("Proposed", {}, "its issue is in Proposed and may be worked on again"),
        ("Someday", {}, "its issue is in Someday and may be worked on again"),
        ("Done", {"completion": DONE}, "its handoff is not finished"),
        ("Done", {"claim": make_running("1")}, "an attempt on its issue runs"),
        ("Done", {"claim": Waiting(make_steering("1"))}, "its issue waits for an answer"),
        ("Done", {"claim": Retrying(NOON, "x")}, "its issue is tried again soon"),
        ("Done", {"claim": Continuing(NOON, "Todo")}, "its issue is tried again soon"),
        ("Done", {"claim": Parked(NOON, ("x",), "")}, ""),
    ],
)
def test_what_belongs_to_an_issue_stays_as_long_as_the_issue_needs_it(state, fields, why):
    assert (
        why_issue_needs(make_state(make_issue("1", state), records=(make_record("1", **fields),)), "1") == why
    )


def test_what_belongs_to_an_issue_whose_file_is_gone_may_go_and_to_one_that_cannot_be_read_not():
    state = make_state()
    assert why_issue_needs(state, "1") == ""
    for fields in ({"conflicts": {"1": ()}}, {"unreadable": frozenset({"1"})}):
        issues = replace(state.issues, **fields)
        assert why_issue_needs(replace(state, issues=issues), "1") == "its issue's file cannot be read"


def attempt(number, minutes):
    return AttemptRow(f"1.{number}", "1", number, "demo", "local", NOON + timedelta(minutes=minutes))


def test_work_is_handed_over_only_if_no_attempt_has_begun_after_the_handoff():
    delivery = Delivery("1.1", NOON + timedelta(minutes=10), Handoff("patch", "", Path("/p")))
    assert why_work_stays([attempt(1, 0)], None) == NOT_HANDED_OVER
    assert why_work_stays([attempt(1, 0)], delivery) == ""
    assert why_work_stays([attempt(1, 0), attempt(2, 9)], delivery) == ""
    assert why_work_stays([attempt(1, 0), attempt(2, 11)], delivery) == (
        "an attempt has worked in it after its last handoff"
    )


# --- the settings ----------------------------------------------------------------------------------


def problem_of(yaml):
    with pytest.raises(WorkflowError) as caught:
        parse_workflow(f"---\nretention: {yaml}\n---\n".encode(), Path("/repo/WORKFLOW.md"), {})
    (problem,) = caught.value.problems
    return str(problem).removeprefix("/repo/WORKFLOW.md:2: retention")


@pytest.mark.parametrize(
    ("yaml", "problem"),
    [
        (
            "{min_free_mib: -1}",
            ".min_free_mib: found -1 (a whole number); allowed: a whole number from 1 to 1048576 or null.",
        ),
        (
            "{min_free_mib: 0}",
            ".min_free_mib: found 0 (a whole number); allowed: a whole number from 1 to 1048576 or null.",
        ),
        (
            "{min_free_mib: 5 GiB}",
            '.min_free_mib: found "5 GiB" (text); allowed: a whole number from 1 to 1048576 or null.',
        ),
        (
            "{min_free_mib: 5368709120}",
            ".min_free_mib: found 5368709120 (a whole number); allowed: a whole number from 1 to 1048576 or "
            "null.",
        ),
        (
            "{workspace_days: 7d}",
            '.workspace_days: found "7d" (text); allowed: a whole number from 1 to 36500 or null.',
        ),
        (
            "{log_days: 999999999}",
            ".log_days: found 999999999 (a whole number); allowed: a whole number from 1 to 36500 or null.",
        ),
        (
            "{patch_days: 0.5}",
            ".patch_days: found 0.5 (a number); allowed: a whole number from 1 to 36500 or null.",
        ),
        (
            "{images_max_mib: 0}",
            ".images_max_mib: found 0 (a whole number); allowed: a whole number of at least 1 or null.",
        ),
        (
            "{run_log_max_mib: true}",
            ".run_log_max_mib: found true; allowed: a whole number of at least 1 or null.",
        ),
        (
            "{workspace_max_mib: 3}",
            ".workspace_max_mib: unknown key; allowed: min_free_mib, workspace_days, workspaces_max_mib, "
            "image_days, images_max_mib, log_days, logs_max_mib, run_log_max_mib, patch_days, "
            "patches_max_mib. Did you mean workspaces_max_mib?",
        ),
        (
            "30",
            ": found 30 (a whole number); allowed: a map with the keys min_free_mib, workspace_days, "
            "workspaces_max_mib, image_days, images_max_mib, log_days, logs_max_mib, run_log_max_mib, "
            "patch_days, patches_max_mib.",
        ),
    ],
)
def test_each_wrong_value_says_what_was_found_and_what_is_allowed(yaml, problem):
    assert problem_of(yaml) == problem


def test_digit_strings_and_nulls_are_taken():
    text = b"---\nretention: {min_free_mib: null, workspace_days: '3', logs_max_mib: ' 50 '}\n---\n"
    retention = parse_workflow(text, Path("/repo/WORKFLOW.md"), {}).settings.retention
    assert (retention.min_free_mib, retention.workspace_days, retention.logs_max_mib) == (None, 3, 50)


@pytest.mark.parametrize("days", [1, 36_500])
def test_the_longest_age_is_a_date_that_the_calendar_has(days):
    assert decided(thing("a", 1), workspace_days=days)[0].keys() == ({"a"} if days == 1 else set())
