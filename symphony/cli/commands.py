"""Every command with its arguments, as people read them in `--help` [CONTRACT 1].

The bodies only pass on: each command's own module is imported when it is called.
"""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from symphony import __version__
from symphony.cli import (
    access_commands,
    image_commands,
    permission_commands,
    review_commands,
    train_commands,
)
from symphony.cli.arguments import WORKFLOW, AsJson, IssueId, Workflow
from symphony.cli.place import Place
from symphony.cli.screen import Screen

GOING, LOOKING, ACTING = "Get going", "Look", "Act on an issue"
AMOUNT = "N|+N|default"
CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

AnyIssue = Annotated[str | None, typer.Argument(metavar="[ID]", help="The issue; without it, everything.")]
StateName = Annotated[str, typer.Argument(metavar="STATE", help="A state, such as Todo or Done.")]


def run(
    workflow: Annotated[Path, typer.Argument(metavar="[WORKFLOW.md]", help="The workflow file.")] = WORKFLOW,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65_535, metavar="N", help="Listen here; 0 takes a free port."),
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Show the log as it is written.")] = False,
    until_idle: Annotated[
        bool,
        typer.Option(
            "--until-idle", help="End when nothing is left to do: 0 if all is done, 3 if a person is needed."
        ),
    ] = False,
    sandbox: Annotated[
        str | None, typer.Option(metavar="KIND", help="local or smolvm; beats the workflow's.")
    ] = None,
) -> int:
    """Work through the issues until Ctrl-C (the default)."""
    from symphony.cli.run import run_workflow

    return run_workflow(workflow, port=port, verbose=verbose, until_idle=until_idle, sandbox=sandbox)


def init(folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="The project.")] = Path()) -> None:
    """Write what a project needs. Nothing that is there is changed."""
    from symphony.cli.starter import init_project

    init_project(folder)


def demo(
    folder: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="A new folder; without it, a temporary one.")
    ] = None,
) -> int:
    """Turn one issue into a patch. It needs no model and no key."""
    from symphony.cli.demo import run_demo

    return run_demo(folder)


def doctor(
    workflow: Workflow = WORKFLOW,
    sandbox: Annotated[
        str | None, typer.Option(metavar="KIND", help="local or smolvm; beats the workflow's.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Check what symphony needs here, and say what is missing."""
    from symphony.cli.doctor import run_doctor

    return run_doctor(Place(workflow), sandbox=sandbox, as_json=as_json)


def gc(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    workflow: Workflow = WORKFLOW,
    as_json: AsJson = False,
) -> int:
    """Free the disk of what is finished and old, and say why the rest stays."""
    from symphony.cli.gc import sweep_disk

    return sweep_disk(Place(workflow), dry_run=dry_run, as_json=as_json)


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where the copy goes.")],
    force: Annotated[bool, typer.Option("--force", help="Replace a file of this name.")] = False,
    workflow: Workflow = WORKFLOW,
    as_json: AsJson = False,
) -> None:
    """Copy the store to a file, while symphony runs or not."""
    from symphony.cli.backup import back_up

    back_up(Place(workflow), file, force=force, as_json=as_json)


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A copy that `symphony backup` has made.")],
    workflow: Workflow = WORKFLOW,
    as_json: AsJson = False,
) -> None:
    """Put a copy in the store's place, while symphony runs or not. The store as it was is kept."""
    from symphony.cli.backup import restore as restore_store

    restore_store(Place(workflow), file, as_json=as_json)


def status(workflow: Workflow = WORKFLOW, as_json: AsJson = False) -> None:
    """Show what runs and waits, and why."""
    from symphony.cli.status import show_status

    show_status(Place(workflow), as_json=as_json)


def inbox(workflow: Workflow = WORKFLOW, as_json: AsJson = False) -> None:
    """Show only what needs a person."""
    from symphony.cli.inbox import show_inbox

    show_inbox(Place(workflow), as_json=as_json)


def show(issue_id: IssueId, workflow: Workflow = WORKFLOW, as_json: AsJson = False) -> None:
    """Show all that is known of one issue."""
    from symphony.cli.show import show_issue

    show_issue(Place(workflow), issue_id, as_json=as_json)


def explain(issue_id: IssueId, workflow: Workflow = WORKFLOW, as_json: AsJson = False) -> None:
    """Say why an issue does what it does, and what happens next."""
    from symphony.cli.explain import explain_issue

    explain_issue(Place(workflow), issue_id, as_json=as_json)


def logs(
    issue_id: IssueId,
    follow: Annotated[
        bool, typer.Option("-f", "--follow", help="Go on as more happens; Ctrl-C ends.")
    ] = False,
    last: Annotated[int, typer.Option("-n", min=0, metavar="N", help="Begin with the last N entries.")] = 200,
    raw: Annotated[bool, typer.Option("--raw", help="Show the protocol's messages too.")] = False,
    workflow: Workflow = WORKFLOW,
    as_json: AsJson = False,
) -> None:
    """Show what happened to one issue."""
    from symphony.cli.logs import show_logs

    show_logs(Place(workflow), issue_id, last=last, follow=follow, raw=raw, as_json=as_json)


def new(
    title: Annotated[str, typer.Argument(metavar="TITLE", help="One line.")],
    body: Annotated[str, typer.Option(metavar="TEXT|-", help="What is wanted; - reads it from stdin.")] = "",
    priority: Annotated[int | None, typer.Option(metavar="N", help="Smaller is more urgent.")] = None,
    labels: Annotated[
        list[str] | None, typer.Option("--label", metavar="L", help="A label; may be repeated.")
    ] = None,
    state: Annotated[
        str | None, typer.Option(metavar="S", help="A state; without it, the first active one.")
    ] = None,
    issue_id: Annotated[
        str | None, typer.Option("--id", metavar="ID", help="Without it, the next free number.")
    ] = None,
    blocked_by: Annotated[
        list[str] | None,
        typer.Option("--blocked-by", metavar="ID", help="An issue to be finished first; may be repeated."),
    ] = None,
    workflow: Workflow = WORKFLOW,
) -> None:
    """Write an issue and print its path."""
    from symphony.cli.acting import create_issue
    from symphony.core.issue import IssueDraft

    draft = IssueDraft(title, body, priority, tuple(labels or ()), tuple(blocked_by or ()), state, issue_id)
    create_issue(Place(workflow), draft)


def reply(
    issue_id: IssueId,
    text: Annotated[str, typer.Argument(metavar="TEXT|-", help="The answer; - reads it from stdin.")],
    workflow: Workflow = WORKFLOW,
) -> None:
    """Answer an agent's question."""
    from symphony.cli.acting import reply_to_issue

    reply_to_issue(Place(workflow), issue_id, text)


def move(issue_id: IssueId, state: StateName, workflow: Workflow = WORKFLOW) -> None:
    """Move an issue's file into another state."""
    from symphony.cli.acting import move_issue

    move_issue(Place(workflow), issue_id, state)


def approve(issue_id: IssueId, workflow: Workflow = WORKFLOW) -> None:
    """Let a proposed issue be worked on, or finished work out that is held for a secret."""
    from symphony.cli.acting import approve_issue

    approve_issue(Place(workflow), issue_id)


def retry(issue_id: IssueId, workflow: Workflow = WORKFLOW) -> None:
    """Try an issue again."""
    _command(workflow, "retry", issue_id)


def cancel(issue_id: IssueId, workflow: Workflow = WORKFLOW) -> None:
    """End an issue's attempt until you retry it."""
    _command(workflow, "cancel", issue_id)


def pause(issue_id: AnyIssue = None, workflow: Workflow = WORKFLOW) -> None:
    """Start no new attempt. What runs goes on."""
    _command(workflow, "pause", issue_id)


def resume(issue_id: AnyIssue = None, workflow: Workflow = WORKFLOW) -> None:
    """Lift a pause; without an ID also the rest of a model that refused for now."""
    _command(workflow, "resume", issue_id)


def budget(
    issue_id: IssueId,
    tokens: Annotated[str | None, typer.Option(metavar=AMOUNT, help="Tokens of all kinds.")] = None,
    usd: Annotated[str | None, typer.Option(metavar=AMOUNT, help="US dollars.")] = None,
    minutes: Annotated[str | None, typer.Option(metavar=AMOUNT, help="Minutes of turns.")] = None,
    workflow: Workflow = WORKFLOW,
    as_json: AsJson = False,
) -> None:
    """Show what an issue has spent, or give it a ceiling of its own: N, +N more, or default."""
    from symphony.cli.budget import give_budget, show_budget

    given = {"tokens": tokens, "usd": usd, "minutes": minutes}
    if any(amount is not None for amount in given.values()):
        give_budget(Place(workflow), issue_id, given, as_json=as_json)
    else:
        show_budget(Place(workflow), issue_id, as_json=as_json)


def discard(issue_id: IssueId, workflow: Workflow = WORKFLOW) -> None:
    """Give up undelivered work; without any, the patch of what was delivered. Its commits stay."""
    from symphony.cli.acting import discard_work

    discard_work(Place(workflow), issue_id)


def _command(workflow: Path, name: str, issue_id: str | None) -> None:
    from symphony.cli.acting import command_issue

    command_issue(Place(workflow), name, issue_id)


COMMANDS: tuple[tuple[str, Any], ...] = (
    (GOING, run),
    (GOING, init),
    (GOING, demo),
    (GOING, doctor),
    (GOING, gc),
    (GOING, backup),
    (GOING, restore),
    (LOOKING, status),
    (LOOKING, inbox),
    (LOOKING, show),
    (LOOKING, explain),
    (LOOKING, logs),
    (ACTING, new),
    (ACTING, reply),
    (ACTING, move),
    (ACTING, retry),
    (ACTING, cancel),
    (ACTING, pause),
    (ACTING, resume),
    (ACTING, approve),
    (ACTING, budget),
    (ACTING, discard),
)


def names() -> tuple[str, ...]:
    """Return the names of all commands."""
    groups = (access_commands.NAME, permission_commands.NAME, image_commands.NAME, train_commands.NAME)
    ours = (*(command for _, command in COMMANDS), *review_commands.COMMANDS)
    return (*(command.__name__ for command in ours), *groups)


def build() -> typer.Typer:
    """Return the parser."""
    application = typer.Typer(
        context_settings=CONTEXT,
        help="Lets coding agents work through a backlog of Markdown issues, and hands back checked patches.",
        pretty_exceptions_enable=False,
        no_args_is_help=True,
        rich_markup_mode="rich" if sys.stdout and sys.stdout.isatty() else None,
    )
    application.callback()(_common)
    for panel, command in COMMANDS:
        application.command(rich_help_panel=panel, context_settings=CONTEXT)(command)
    for command in review_commands.COMMANDS:
        application.command(rich_help_panel=review_commands.PANEL, context_settings=CONTEXT)(command)
    application.add_typer(access_commands.build(CONTEXT), name=access_commands.NAME, rich_help_panel=ACTING)
    permission = permission_commands.build(CONTEXT)
    application.add_typer(permission, name=permission_commands.NAME, rich_help_panel=ACTING)
    train = train_commands.build(CONTEXT)
    application.add_typer(train, name=train_commands.NAME, rich_help_panel=review_commands.PANEL)
    application.add_typer(image_commands.build(CONTEXT), name=image_commands.NAME, rich_help_panel=GOING)
    return application


def _print_version(wanted: bool) -> None:
    if wanted:
        Screen().line(f"symphony {__version__}")
        raise typer.Exit


def _common(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version.")
    ] = False,
) -> None:
    # all is done by the option's callback; the parser wants a function to hang it on
    del version
