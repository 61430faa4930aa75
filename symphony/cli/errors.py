"""What a command says when it cannot do something, and with which status it ends [CONTRACT 1.2]."""

from symphony.core.errors import SymphonyError
from symphony.core.text import one_line

DONE, FAILED, USAGE, NEEDS_A_PERSON = 0, 1, 2, 3
INTERRUPTED = 130  # as a shell says of a program that Ctrl-C ended
PIPE_CLOSED = 141  # as a shell says of a program whose reader went away
SHOWN = 2_000  # characters of one line
WORKFLOW_CODES = frozenset(
    {
        "forge.repo_invalid",
        "missing_workflow_file",
        "sandbox.unknown_kind",
        "workflow_front_matter_not_a_map",
        "workflow_invalid",
        "workflow_parse_error",
    }
)


class CommandError(SymphonyError):
    """A command that cannot be carried out.

    Codes: `daemon_elsewhere`, `daemon_unreachable`, `daemon_silent`, `not_symphony`, `usage`,
    `init_failed`, `demo_folder_taken`, `demo_failed`, and whatever the daemon answers.
    """

    code = "command_failed"


class OutputClosed(Exception):
    """Whoever read the standard output has gone; there is nobody to tell."""


def usage_error(message: str, remedy: str = "") -> CommandError:
    """Return the error for a command line that cannot be understood."""
    return CommandError(message, code="usage", remedy=remedy)


def status_of(error: SymphonyError) -> int:
    """Return the exit status that an error ends a command with."""
    return USAGE if error.code == "usage" or error.code in WORKFLOW_CODES else FAILED


def lines_of(error: SymphonyError) -> list[str]:
    """Return what is printed of an error: a line for each problem, the remedy on the last."""
    problems = [str(problem) for problem in getattr(error, "problems", ())]
    if not problems:
        return [_line(str(error))]
    problems[-1] = f"{problems[-1]} {error.remedy}".rstrip()
    return [_line(problem) for problem in problems]


def _line(text: str) -> str:
    return f"symphony: {one_line(text, SHOWN)}"
