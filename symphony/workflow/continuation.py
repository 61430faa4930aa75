"""The texts of an attempt's later turns, and what a new attempt is told of the ones before it.

All functions are pure. What agents, people and commands said is quoted line by line and bounded,
so that it cannot be taken for symphony's own words.
"""

from collections.abc import Sequence
from itertools import takewhile

from symphony.core.best import BestState
from symphony.core.budget import Spending
from symphony.core.issue import Issue
from symphony.core.outcome import NO_FAULT, SENT_BACK
from symphony.core.ports import AttemptRow, HookResult
from symphony.core.repetition import repeats
from symphony.core.review import WORDS_LIMIT
from symphony.core.steering import SteeringRequest
from symphony.core.text import one_line, plain
from symphony.core.train import DIGITS, GUEST_REF, TrainMerge
from symphony.core.transition import Exits
from symphony.core.way_back import is_of_pull_request

DESCRIPTION_LIMIT = 256 * 1024  # characters; an edited issue is sent again as a whole when it fits
SPEECH_LIMIT = 16 * 1024  # characters of one question, context or reply
OUTPUT_LIMIT = 8 * 1024  # characters of a failed check's output; its end tells what went wrong
EARLIER_SHOWN = 5  # attempts and answers; older ones are in the branch, if they left anything
LISTED = 50  # commits; more are in `git log`

REVIEWED = (
    "A person has reviewed the work that was handed over, and sends it back. It is on the current branch: "
    "go on from it, do what the reviewer asks for, and finish it again."
)

PROPOSED = (
    "The work that was handed over is in a pull request, and what is said of it there sends it back. It is "
    "on the current branch: go on from it, answer what is said by changing the work where that is right, and "
    "finish it again; the same pull request is brought up to date."
)

ONLY_DONE = Exits()


def finish(exits: Exits) -> str:
    """Return the sentences on how an agent ends its work where it may leave in these ways."""
    person = "When you need a person, call `request_human_steering` and stop."
    if not exits.finishes:
        return (
            "When your part of the issue is committed, call `transition` with the state that takes over "
            f"({exits.names}) and notes for it. {person}"
        )
    other = f", or `transition` when another state has to take over ({exits.names})" if exits.targets else ""
    done = "When all that the issue asks for is committed, call `mark_done` with a title and a summary"
    return f"{done}{other}. {person}"


def continuation_prompt(
    issue: Issue, turn: int, max_turns: int, edited: bool, exits: Exits = ONLY_DONE
) -> str:
    """Return the guidance for the turn that begins now, counted from 1.

    An issue that was `edited` since the agent was last told is sent again as a whole.
    """
    left = max_turns - turn
    after = "no turn is left after it" if left <= 0 else f"{left} more can follow"
    name = one_line(issue.identifier)
    lines = [f"The issue `{name}` is still open. This is turn {turn} of {max_turns}; {after}."]
    if edited:
        lines += ["", "A person has edited the issue. It now reads:", "", *_issue(issue)]
    lines += [
        "",
        "Go on from where you are: look at what is missing, do it, and check it. Keep your work committed "
        "on the current branch.",
        finish(exits),
    ]
    return _text(lines)


def reply_prompt(steering: SteeringRequest, exits: Exits = ONLY_DONE) -> str:
    """Return the turn that brings a person's answer, with the question and its context."""
    lines = ["You asked a person:", "", *_quoted(steering.question)]
    if steering.context.strip():
        lines += ["", "with this context:", "", *_quoted(steering.context)]
    lines += ["", "The answer:", "", *_quoted(steering.reply or "")]
    lines += ["", f"Go on with the issue accordingly. {finish(exits)}"]
    return _text(lines)


def checks_failed_prompt(results: Sequence[HookResult], tool: str = "mark_done") -> str:
    """Return the turn that says which checks failed after a tool's call, with the end of their output."""
    passed = [one_line(result.name) for result in results if result.ok]
    count, outputs = _failures(results)
    lines = [f"Your `{tool}` does not count yet: {count}.", *outputs]
    if passed:
        lines += ["", f"These pass: {', '.join(passed)}."]
    lines += ["", f"Correct the cause, commit, and call `{tool}` again."]
    return _text(lines)


def train_refused_prompt(
    merge: TrainMerge, results: Sequence[HookResult], tool: str = "mark_done", *, shown: bool
) -> str:
    """Return the turn that says how a branch does not fit onto the merge train, and what to do."""
    head = f"the merge train's head ({merge.onto[:DIGITS]}), where finished work of other issues is"
    if merge.conflicts:
        lines = [f"Your `{tool}` does not count yet: your branch does not merge onto {head}."]
        lines += ["", f"In conflict: {merge.in_conflict}."]
    else:
        count, outputs = _failures(results)
        lines = [
            f"Your `{tool}` does not count yet: {count} once your branch is merged onto {head}.",
            *outputs,
        ]
    if shown:
        lines += [
            "",
            f"That head is in this repository as `{GUEST_REF}`. Merge it into your branch "
            f"(`git merge {GUEST_REF}`) so that both changes keep their effect, correct what fails, commit, "
            f"and call `{tool}` again.",
        ]
        return _text(lines)
    if merge.theirs:
        lines += ["", "What was changed there in these files:", "", *_quoted(merge.theirs)]
    lines += ["", f"Change your branch so that it fits onto that, commit, and call `{tool}` again."]
    return _text(lines)


def unmoved_prompt(text: str) -> str:
    """Return a turn's text, after the word that the last turn changed nothing."""
    lines = [
        "Your last turn changed nothing: no commit, no file, and no word that you had not just said. "
        "Another one like it ends this attempt as failed, so do not do the same again.",
        "",
        text.rstrip("\n"),
    ]
    return _text(lines)


def nearly_spent_prompt(text: str, spending: Sequence[Spending], exits: Exits = ONLY_DONE) -> str:
    """Return a turn's text, followed by what little is left of the issue's budget."""
    numbers = ", ".join(map(str, spending))
    end = "mark_done" if exits.finishes else "transition"
    lines = [
        text.rstrip("\n"),
        "",
        f"The budget of this issue is nearly spent: {numbers}. When it is, your turn is ended wherever you "
        f"are. Finish what matters most, commit it, and call `{end}`; if more is needed than is left, say "
        "so with `request_human_steering`.",
    ]
    return _text(lines)


def earlier_prompt(
    prompt: str,
    attempts: Sequence[AttemptRow] = (),
    steering: Sequence[SteeringRequest] = (),
    commits: Sequence[str] = (),
    *,
    unfinished: bool = False,
    best: BestState | None = None,
) -> str:
    """Return a rendered prompt, followed by what is known of earlier attempts; alone if nothing is.

    Attempts, questions and the subjects of commits on the branch all come oldest first. Work that is
    `unfinished` lies in the folder as an earlier attempt left it.
    """
    lines: list[str] = []
    for row in attempts[-EARLIER_SHOWN:]:
        speaks = bool(row.message.strip()) and row.outcome != SENT_BACK
        said = f": {one_line(row.message)}" if speaks else ""
        outcome = (row.outcome or "unknown").replace("_", " ")
        turns = "1 turn" if row.turns == 1 else f"{row.turns} turns"
        lines.append(f"- Attempt {row.number} ended after {turns} ({outcome}){said}")
    if attempts and attempts[-1].outcome == SENT_BACK:
        lines += ["", *plain(attempts[-1].message, SPEECH_LIMIT).strip("\n").split("\n")]
    if commits:
        shown = commits[-LISTED:]
        lines += ["", f"Commits that are on the branch already ({len(commits)}):", ""]
        lines += [f"- {one_line(subject)}" for subject in shown]
    if unfinished:
        lines += [
            "",
            "Work of theirs lies in this folder unfinished, some of it perhaps uncommitted. Look at "
            "`git status` and `git log` first, and do not throw it away unseen.",
        ]
    if best is not None and best.lost:
        lines += ["", _better(best)]
    if (alike := _alike(attempts)) > 1:
        lines += [
            "",
            f"The last {alike} of them ended in the same way. Do not do the same again: find out first why "
            "it fails, then go another way, or ask a person with `request_human_steering`.",
        ]
    for request in steering[-EARLIER_SHOWN:]:
        if request.is_review:
            proposed = is_of_pull_request(request)
            told = [PROPOSED] if proposed else [REVIEWED, "", "The reviewer says:"]
            lines += ["", *told, "", *_quoted(request.reply or "", WORDS_LIMIT)]
            continue
        lines += ["", "An earlier attempt asked a person:", "", *_quoted(request.question)]
        answer = request.reply
        lines += ["", "No answer yet."] if answer is None else ["", "The answer:", "", *_quoted(answer)]
    if not lines:
        return prompt
    heading = ["Earlier attempts worked on this issue in this folder. Build on what they left:", ""]
    return _text([prompt.rstrip("\n"), "", *heading, *lines[1 if not lines[0] else 0 :]])


def _failures(results: Sequence[HookResult]) -> tuple[str, list[str]]:
    """Return how many checks fail, as a clause, and each of them with the end of its output, as lines."""
    failed = [result for result in results if not result.ok]
    count = "a check fails" if len(failed) == 1 else f"{len(failed)} checks fail"
    lines: list[str] = []
    for result in failed:
        ended = (
            "was killed at its timeout" if result.exit_status is None else f"exit status {result.exit_status}"
        )
        lines += ["", f"{one_line(result.name)} ({ended}):", "", *_quoted_end(result.output)]
    return count, lines


def _better(state: BestState) -> str:
    """Return the offer of work on which fewer checks fail than on what was checked last."""
    told = f"The work was better once: commit {state.best}. Checked last was commit {state.last}."
    if not state.best.committed:
        return f"{told} It was never committed here; a person gets it with `{state.command}`."
    commit = state.best.commit[:12]
    return (
        f"{told} `git diff {commit}` shows what has changed since, and `git checkout {commit} -- .` brings "
        "its files back."
    )


def _alike(attempts: Sequence[AttemptRow]) -> int:
    """Return how many of the last attempts failed, each as the one before it."""
    if not attempts or attempts[-1].outcome is None or attempts[-1].outcome in NO_FAULT:
        return 0
    last = attempts[-1]
    alike = takewhile(
        lambda row: row.outcome == last.outcome and repeats(row.message, last.message), reversed(attempts)
    )
    return sum(1 for _ in alike)


def _issue(issue: Issue) -> list[str]:
    title = f"Title: {one_line(issue.title)}"
    return (
        [title, "", *_quoted(issue.description, DESCRIPTION_LIMIT)] if issue.description.strip() else [title]
    )


def _quoted(text: str, limit: int = SPEECH_LIMIT) -> list[str]:
    return [f"> {line}".rstrip() for line in plain(text.strip("\n"), limit).split("\n")]


def _quoted_end(output: str) -> list[str]:
    cleaned = plain(output.rstrip("\n"), len(output) + 1)
    if not cleaned.strip():
        return ["> (no output)"]
    if len(cleaned) > OUTPUT_LIMIT:
        cleaned = f"… (the start is left out)\n{cleaned[-OUTPUT_LIMIT:]}"
    return _quoted(cleaned, OUTPUT_LIMIT * 2)


def _text(lines: Sequence[str]) -> str:
    return "\n".join(lines) + "\n"
