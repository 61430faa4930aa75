"""`symphony init`: a project's first WORKFLOW.md, issue folders and `.gitignore` line."""

from pathlib import Path

from symphony.cli.errors import CommandError
from symphony.cli.place import Place
from symphony.cli.screen import Screen
from symphony.core.installation import FOLDER
from symphony.core.states import StateRole
from symphony.host.durable import write_new

WORKFLOW = "WORKFLOW.md"
IGNORED = f"{FOLDER}/"
IGNORING = frozenset({IGNORED, FOLDER, f"/{IGNORED}", f"/{FOLDER}"})
STARTER = """\
---
# What symphony does here. WORKFLOW.template.md, in symphony's own repository, explains every key and
# its default. A valid edit of this file takes effect at the next decision, without a restart.
tracker:
  root: ./issues
  active_states: [Todo, In Progress]
  terminal_states: [Done, Cancelled]

agent:
  max_concurrent_agents: 2
  max_turns: 20

acp:
  adapter: claude  # claude, codex, opencode, or demo, which needs no model

# A microVM for every issue: `symphony image build` makes its image once, and `symphony doctor` says
# what this machine lacks. `local` isolates nothing: agents run as you, with your files, logins and network.
sandbox: smolvm

# Commands that must pass before an agent's word that it is done counts:
# checks:
#   - name: tests
#     run: make test
---
You are working on the issue `{{ issue.identifier }}`: {{ issue.title }}

{% if issue.description != "" -%}
{{ issue.description }}
{%- else -%}
It has no description; its title says what is wanted.
{%- endif %}

The current folder is a git clone made for this issue, on the branch `{{ workspace.branch }}`. Change
only files in it, and commit on this branch; do not push, and do not switch branches. Run the project's
tests before you are done. Then call `mark_done` with a title and a summary of what you changed and how
you tested it. Call `request_human_steering` when you cannot decide something yourself.
"""


def init_project(folder: Path) -> None:
    """Write what is missing in a project and say what was done.

    Raises:
        WorkflowError: there is a WORKFLOW.md already, and it is not valid.
        CommandError: `init_failed`.
    """
    try:
        said = _write(folder)
        in_git = any((parent / ".git").exists() for parent in (folder.absolute(), *folder.absolute().parents))
    except OSError as error:
        raise CommandError(
            f"{error.filename or folder} cannot be written: {(error.strerror or str(error)).lower()}.",
            code="init_failed",
            remedy="Name a folder that you may write to; repeating this adds only what is missing.",
        ) from error
    screen = Screen()
    screen.table(said, indent="")
    screen.line()
    if not in_git:
        screen.line(
            "This is no git repository yet; agents need one with a commit: `git init`.", style="yellow"
        )
    screen.line('Next: `symphony new "TITLE" --body "WHAT IS WANTED"` writes the first issue.')
    screen.line("Then: `symphony` works on it, and `symphony status` shows how it goes.")


def _write(folder: Path) -> list[tuple[str, str]]:
    folder.mkdir(parents=True, exist_ok=True)
    said = [(_write_workflow(folder / WORKFLOW), str(folder / WORKFLOW))]
    settings = Place(folder / WORKFLOW).workflow.settings
    states = settings.state_table()
    for state in dict.fromkeys((*states.with_role(StateRole.ACTIVE), states.done())):
        place = settings.tracker.root / state
        there = place.is_dir()
        place.mkdir(parents=True, exist_ok=True)
        said.append((_verb(there), _shown(place, folder)))
    said.append((_ignore(folder / ".gitignore"), f"{folder / '.gitignore'}: {IGNORED}"))
    return said


def _shown(path: Path, folder: Path) -> str:
    """Return a path below the folder as the user named the folder."""
    base = folder.absolute()
    return str(folder / path.relative_to(base) if path.is_relative_to(base) else path)


def _write_workflow(path: Path) -> str:
    try:
        write_new(path, STARTER.encode())
    except FileExistsError:
        return _verb(True)
    return _verb(False)


def _ignore(path: Path) -> str:
    content = path.read_bytes() if path.exists() else b""
    lines = content.decode("utf-8", "replace").splitlines()
    if any(line.strip() in IGNORING for line in lines):
        return _verb(True)
    separator = "" if not content or content.endswith(b"\n") else "\n"
    with path.open("ab") as file:
        file.write(f"{separator}{IGNORED}\n".encode())
    return _verb(False)


def _verb(there: bool) -> str:
    return "there already" if there else "wrote"
