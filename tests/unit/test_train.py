"""What agents and people are told of the merge train, and what follows when work goes back [CONTRACT 9.6]."""

from datetime import timedelta

from symphony.core.backoff import CONTINUATION_DELAY
from symphony.core.claim import Continuing
from symphony.core.event import AttemptEnded
from symphony.core.handoff import Handoff
from symphony.core.outcome import SentBack
from symphony.core.ports import AttemptRow, HookResult
from symphony.core.receipt import CheckRun, Receipt
from symphony.core.train import Boarded, TrainMerge
from symphony.core.usage import Usage
from symphony.store.rows import handoff_row, handoff_text
from symphony.workflow.continuation import earlier_prompt, train_refused_prompt
from tests.support.world import NOON, after, after_events, make_issue, make_record, make_running, make_state

ONTO = "1234567890abcdef"
CONFLICT = TrainMerge("train", ONTO, ONTO, conflicts=("a.txt", "b.txt"), theirs="+theirs\n")


def test_an_agent_whose_branch_conflicts_is_shown_the_other_side_where_its_git_took_it():
    assert train_refused_prompt(CONFLICT, (), shown=True) == (
        "Your `mark_done` does not count yet: your branch does not merge onto the merge train's head "
        "(1234567890ab), where finished work of other issues is.\n\nIn conflict: a.txt, b.txt.\n\n"
        "That head is in this repository as `refs/remotes/symphony/train`. Merge it into your branch "
        "(`git merge refs/remotes/symphony/train`) so that both changes keep their effect, correct what "
        "fails, commit, and call `mark_done` again.\n"
    )


def test_an_agent_whose_git_did_not_take_it_reads_what_the_other_side_changed():
    assert train_refused_prompt(CONFLICT, (), "transition", shown=False) == (
        "Your `transition` does not count yet: your branch does not merge onto the merge train's head "
        "(1234567890ab), where finished work of other issues is.\n\nIn conflict: a.txt, b.txt.\n\n"
        "What was changed there in these files:\n\n> +theirs\n\n"
        "Change your branch so that it fits onto that, commit, and call `transition` again.\n"
    )


def test_an_agent_whose_merge_fails_reads_the_output():
    merge = TrainMerge("train", ONTO, ONTO, "c", "t", "refs/x")
    results = [HookResult("lint", 0, "", 1.0), HookResult("tests", 1, "2 failed\n", 1.0)]
    assert train_refused_prompt(merge, results, shown=False) == (
        "Your `mark_done` does not count yet: a check fails once your branch is merged onto the merge "
        "train's head (1234567890ab), where finished work of other issues is.\n\n"
        "tests (exit status 1):\n\n> 2 failed\n\n"
        "Change your branch so that it fits onto that, commit, and call `mark_done` again.\n"
    )


def sent_back(note: str = "It does not fit.") -> AttemptEnded:
    return AttemptEnded("1", "1.1", SentBack(note, "in conflict with the merge train: a.txt"), Usage())


def test_work_that_goes_back_is_gone_on_with_at_once_and_counts_as_no_failure():
    state = make_state(make_issue("1"), records=(make_record("1", make_running("1"), failures=2),))
    decision = after_events(state, sent_back())
    record = decision.state.record("1")
    assert record.claim == Continuing(after(0) + CONTINUATION_DELAY, "Todo")
    assert record.failures == 2
    said = [(entry.decision, entry.reason) for entry in decision.changes.audit]
    assert ("send_back", "in conflict with the merge train: a.txt") in said


def test_work_that_goes_back_for_the_same_again_counts_as_a_failure():
    known = make_record("1", make_running("1"), failure_reasons=("It does not fit.",))
    state = make_state(make_issue("1"), records=(known,))
    assert after_events(state, sent_back()).state.record("1").failures == 1


def test_the_next_attempt_reads_all_of_what_sent_the_work_back():
    row = AttemptRow(
        "1.1", "1", 1, "demo", "local", NOON, NOON + timedelta(1), "sent_back", "It fails.\n\n> output\n", 1
    )
    assert earlier_prompt("Work.", (row,)) == (
        "Work.\n\nEarlier attempts worked on this issue in this folder. Build on what they left:\n\n"
        "- Attempt 1 ended after 1 turn (sent back)\n\nIt fails.\n\n> output\n"
    )


def test_a_place_on_the_train_comes_out_of_the_store_as_it_went_in():
    receipt = Receipt("tree", (CheckRun("tests", "make", 0, 1.5),), "merged")
    boarded = Boarded("train", "c" * 40, "d" * 40)
    handoff = Handoff("patch", "note", receipt=receipt, boarded=boarded)
    row = ("1", "1.1", "title", NOON.isoformat(), handoff_text(handoff))
    assert handoff_row(row).handoff == handoff
    assert str(boarded) == "Boarded the merge train train as cccccccccccc, on top of dddddddddddd."
