"""The daemon is killed while an agent hands an issue over to another; the next one brings the same end."""

import signal
from dataclasses import replace

import pytest

from tests.endtoend.faults.project import TEXT
from tests.support.project import BOUND_S

POINTS = tuple(
    f"{action}:{moment}"
    for action in ("import_branch", "move_issue")
    for moment in ("intended", "performed", "fulfilled")
)
NOTE = "\n**Todo → Review**, by attempt 1 (claude):\n\n> Both are there.\n"


@pytest.fixture
def project(make_project):
    """A project whose issue one program implements and another reviews."""
    project = make_project()
    (project.notes / "passes-on").touch()
    states = {
        "Todo": {"role": "active", "allowed_transitions": ["Review"]},
        "Review": {"role": "active", "adapter": "demo", "command": project.sections["acp"]["command"]},
        "Done": {"role": "terminal"},
    }
    project.configure(**project.sections, states=states)
    return project


def test_an_issue_is_handed_over_to_another_program_on_the_same_branch(project, undisturbed):
    end = project.end(project.finish())
    assert end == replace(undisturbed, text=TEXT.encode() + NOTE.encode())


@pytest.mark.parametrize("point", POINTS)
def test_a_daemon_killed_during_a_transition_is_followed_by_one_that_makes_it_once(
    project, undisturbed, point
):
    with project.process("--until-idle", environment={"SYMPHONY_FAULT_KILL": point}) as daemon:
        assert daemon.wait(BOUND_S) == -signal.SIGKILL, project.said()
    end = project.end(project.finish())
    assert end == replace(undisturbed, text=TEXT.encode() + NOTE.encode())
    assert project.turns() == 2
