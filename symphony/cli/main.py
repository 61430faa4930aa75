"""The command line's entry: which command is meant, and how each end becomes an exit status.

Heavy rooms are imported by the commands that need them, so that `symphony status` answers at once.
"""

import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path

import typer

from symphony.cli import commands
from symphony.cli.errors import (
    DONE,
    FAILED,
    INTERRUPTED,
    PIPE_CLOSED,
    USAGE,
    OutputClosed,
    lines_of,
    status_of,
    usage_error,
)
from symphony.cli.screen import Screen, silence_stdout
from symphony.core.errors import SymphonyError
from symphony.core.text import one_line

DEFAULT = "run"
OF_ALL = frozenset({"-h", "--help", "--version", "--install-completion", "--show-completion"})
TRACEBACK = "SYMPHONY_TRACEBACK"


def main() -> None:
    """Run the command that the process was started with, and end the process."""
    status = run(sys.argv[1:])
    silence_stdout()
    sys.exit(status)


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit status; what went wrong is on stderr."""
    try:
        words = with_command(arguments)
        parser = typer.main.get_command(commands.build())
        status = parser.main(args=words, prog_name="symphony", standalone_mode=False)
        Screen().flush()
    except OutputClosed:
        return PIPE_CLOSED
    except KeyboardInterrupt:
        return INTERRUPTED
    except SymphonyError as error:
        complain(lines_of(error))
        return status_of(error)
    except typer.TyperException as error:
        complain([wording_of(error)])
        return USAGE
    except Exception as error:  # noqa: BLE001 - the last stop: a person gets one line, not a stack
        return broken(error)
    return status if isinstance(status, int) else DONE


def with_command(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with their command in front: `run` where none is named.

    Raises:
        CommandError: `usage` for a first word that is neither a command nor a workflow.
    """
    known = commands.names()
    if not arguments:
        return [DEFAULT]
    first = arguments[0]
    if first in known or first in OF_ALL:
        return list(arguments)
    names_file = "/" in first or first.lower().endswith(".md") or Path(first).is_file()
    if first.startswith("-") or names_file:
        return [DEFAULT, *arguments]
    near = get_close_matches(first, known, n=1)
    remedy = f"Did you mean '{near[0]}'?" if near else "`symphony --help` lists the commands."
    raise usage_error(f"there is no command {one_line(first, 80)!r}.", remedy)


def wording_of(error: typer.TyperException) -> str:
    """Return one line for a command line that the parser refused."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "symphony"
    said = one_line(error.message or error.format_message(), 500).rstrip(".")
    match error:
        case object(param=param) if param is not None:
            said = one_line(error.format_message(), 500).rstrip(".")
        case object(possibilities=[near, *_]):
            return f"{path}: {lowered(said)}. Did you mean '{near}'?"
        case _:
            pass
    stop = "" if said.endswith("?") else "."  # of a sub-command the parser itself names the nearest
    return f"{path}: {lowered(said)}{stop} `{path} --help` says more."


def lowered(text: str) -> str:
    """Return the text with a small first letter, to follow a colon."""
    return text[:1].lower() + text[1:]


def complain(lines: Sequence[str]) -> None:
    """Print lines on stderr, as far as anybody listens."""
    with suppress(OSError, ValueError):
        for line in lines:
            sys.stderr.write(line.encode("utf-8", "replace").decode("utf-8") + "\n")
        sys.stderr.flush()


def broken(error: Exception) -> int:
    """Say that symphony itself failed, in one line, with the stack for those who asked for it."""
    if os.environ.get(TRACEBACK):
        with suppress(OSError, ValueError):
            traceback.print_exception(error)
    what = one_line(f"{type(error).__name__}: {error}", 300)
    complain([f"symphony: something broke inside symphony: {what}. With {TRACEBACK}=1 it shows where."])
    return FAILED


if __name__ == "__main__":
    main()
