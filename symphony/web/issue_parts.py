"""The parts of an issue's page that the scheduler's knowledge makes: one element each, live by itself."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from symphony.core.attention import OWED, PARKED
from symphony.core.board import Standing
from symphony.core.budget import over_budget
from symphony.core.installation import Installation
from symphony.core.keys import branch_name, workspace_key
from symphony.core.operations import IssueDetail
from symphony.core.snapshot import BlockedView, RetryingView, RunningView, WaitingView
from symphony.core.states import StateRole
from symphony.core.usage import Usage
from symphony.web.issue_sight import IssueSight, checks_of
from symphony.web.part import Part, make_part
from symphony.web.site import Site
from symphony.web.timeline.entries import Note
from symphony.web.usage_chart import usage_chart

GROUP: Final = "issue"
TITLE, FACTS, STANDING, EXPLAIN, STEERING, GUARD, DELIVERY, TEXT, ATTEMPTS, AUDIT, CHANGES = (
    "issue-title", "issue-facts", "issue-standing", "issue-explain", "issue-steering", "issue-guard",
    "issue-delivery", "issue-text", "issue-attempts", "issue-audit", "issue-changes",
)  # fmt: skip
ATTEMPTS_SHOWN: Final = 50
QUESTIONS_SHOWN: Final = 50
LINK: Final = re.compile(r"https?://[^\s<>\"'`]+[^\s<>\"'`.,;:)]")


class IssueParts:
    """Renders the parts."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def of(self, sight: IssueSight, known: Mapping[str, Part]) -> Iterator[Part]:
        """Yield every part; one that shows the same as before as it is known."""
        detail, explanation, picture = sight.detail, sight.explanation, sight.picture
        issue, view = detail.issue, sight.standing
        running = view if isinstance(view, RunningView) else None
        spent = spent_on(detail, running)
        held = detail.guard.held is not None
        role = picture.states.role(issue.state) if issue else None
        values: dict[str, dict[str, Any]] = {
            TITLE: {"issue": issue},
            FACTS: {"issue": issue, "branch": issue and (issue.branch_name or branch_name(issue.id))},
            STANDING: {
                "detail": detail.standing,
                "view": view,
                "running": running,
                "machine": detail.machine,
                "failures": detail.failures,
                "paused": detail.paused,
                "spent": spent,
                "state": issue.state if issue else "",
                "states": picture.states.names if issue else (),
                "may_retry": may_retry(view) or held,
                "may_cancel": may_cancel(view),
                "may_discard": not isinstance(view, RunningView | WaitingView),
                "may_approve": role is StateRole.HOLDING or held,
                "findings": len(detail.guard.noted) + detail.guard.not_kept,
                "budget": detail.budget,
                "out_of_budget": over_budget(detail.budget) is not None,
                "finished": role is StateRole.TERMINAL,
            },
            EXPLAIN: {"next": explanation.next, "decisions": explanation.decisions},
            STEERING: {
                "questions": detail.steering[-QUESTIONS_SHOWN:],
                "access": detail.access,
                "permissions": running.permissions if running else (),
            },
            GUARD: {"guard": detail.guard},
            DELIVERY: {
                "handoff": detail.last_handoff,
                "command": apply_command(detail),
                "may_reject": bool(detail.last_handoff)
                and running is None
                and role not in (None, StateRole.ACTIVE),
                "work": detail.attempts[-1].id if detail.attempts else "",
                "link": link_in(detail.last_handoff),
                "checks": check_results(sight),
                "receipt": detail.receipt,
                "best": detail.best,
            },
            TEXT: {"markdown": sight.text},
            ATTEMPTS: {
                "attempts": detail.attempts[-ATTEMPTS_SHOWN:],
                "hidden": max(0, len(detail.attempts) - ATTEMPTS_SHOWN),
                "running": running,
                "chart": usage_chart(detail.attempts, running),
            },
            AUDIT: {"audit": detail.audit},
            CHANGES: {"imports": sum(1 for row in detail.attempts if row.ended_at)},
        }
        for element, shown in values.items():
            template = f"{element.replace('-', '_')}.html"
            yield make_part(
                self._site, known, element, GROUP, template, shown, issue_id=detail.issue_id, **shown
            )


def check_results(sight: IssueSight) -> tuple[tuple[str, Note | None], ...]:
    """Return each check with how it ended last, as far as the end of the run log says."""
    return tuple(
        (name, next((note for note in sight.hooks if note.title.startswith(f"{name}: ")), None))
        for name in checks_of(sight.detail, sight.picture)
    )


def spent_on(detail: IssueDetail, running: RunningView | None) -> Usage:
    """Return what all attempts have used, the running one included."""
    spent = Usage()
    for row in detail.attempts:
        spent = spent.plus(row.usage)
    return spent if running is None else spent.plus(running.usage)


def may_retry(view: Standing | None) -> bool:
    """Say whether there is anything that a retry would change."""
    return isinstance(view, RetryingView) or (
        isinstance(view, BlockedView) and (view.code in PARKED or view.code == "undelivered")
    )


def may_cancel(view: Standing | None) -> bool:
    """Say whether an attempt runs, waits, or is to come, that a person could end."""
    waits = isinstance(view, RetryingView) and view.kind not in OWED
    return waits or isinstance(view, RunningView | WaitingView)


def apply_command(detail: IssueDetail) -> str:
    """Return the command that applies the issue's patch; empty when the last handoff was no patch."""
    patch = Installation(detail.run_log.parent.parent).patch(workspace_key(detail.issue_id))
    return f"git am {patch}" if str(patch) in detail.last_handoff else ""


def link_in(handoff: str) -> str:
    """Return the pull request's address in a handoff's sentence; empty when there is none."""
    found = LINK.search(handoff)
    return found[0] if found else ""
