"""What every source of the workflow promises [CONTRACT 2.4]: the file on disk, and the one in memory."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from symphony.core.ports import WorkflowSource
from symphony.workflow.errors import WorkflowError
from symphony.workflow.file import WorkflowFile
from symphony.workflow.memory import MemoryWorkflowFile

Source = WorkflowFile | MemoryWorkflowFile


class OnDisk:
    """A WORKFLOW.md in a real folder."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "WORKFLOW.md"
        self.source: Source = WorkflowFile(self.path, {"PORT": "8080"})

    def write(self, text: str | None) -> None:
        if text is None:
            self.path.unlink()
        else:
            self.path.write_text(text, encoding="utf-8")


class InMemory:
    """A WORKFLOW.md that exists nowhere."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "WORKFLOW.md"
        self.memory = MemoryWorkflowFile(None, self.path, {"PORT": "8080"})
        self.source: Source = self.memory

    def write(self, text: str | None) -> None:
        self.memory.write(text)


Subject = OnDisk | InMemory


@pytest.fixture(params=[OnDisk, InMemory])
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Subject:
    make: Callable[[Path], Subject] = request.param
    return make(tmp_path)


def turns(count: int, more: str = "") -> str:
    return f"---\nagent: {{max_turns: {count}}}\n{more}\n---\nWork.\n"


async def test_the_start_reads_the_file(subject: Subject) -> None:
    source: WorkflowSource = subject.source
    subject.write(turns(3))
    assert (await subject.source.start()).settings.agent.max_turns == 3
    assert subject.source.problems == ()
    assert await source.reload() is None


async def test_the_start_refuses_an_invalid_file_with_every_problem(subject: Subject) -> None:
    subject.write("---\nagent: {max_turns: 0, max_failures: 0}\n---\n")
    with pytest.raises(WorkflowError) as caught:
        await subject.source.start()
    assert caught.value.code == "workflow_invalid"
    assert len(caught.value.problems) == 2
    assert subject.source.current is None


async def test_the_start_refuses_a_missing_file(subject: Subject) -> None:
    with pytest.raises(WorkflowError) as caught:
        await subject.source.start()
    assert caught.value.code == "missing_workflow_file"


async def test_an_empty_file_at_the_start_is_all_defaults(subject: Subject) -> None:
    subject.write("")
    assert (await subject.source.start()).settings.agent.max_turns == 20


async def test_a_valid_edit_is_returned_once(subject: Subject) -> None:
    subject.write(turns(3))
    await subject.source.start()
    subject.write(turns(4))
    reloaded = await subject.source.reload()
    assert reloaded is not None
    assert reloaded.workflow is subject.source.current
    assert reloaded.workflow is not None
    assert reloaded.workflow.settings.agent.max_turns == 4
    assert reloaded.problems == ()
    assert await subject.source.reload() is None


async def test_an_invalid_edit_keeps_the_last_known_good_and_says_why(subject: Subject) -> None:
    subject.write(turns(3))
    good = await subject.source.start()
    subject.write(turns(0))
    reloaded = await subject.source.reload()
    assert reloaded is not None
    assert reloaded.workflow is None
    assert [str(problem) for problem in reloaded.problems] == [
        f"{subject.path}:2: agent.max_turns: found 0 (a whole number); allowed: a whole number of at least 1."
    ]
    assert subject.source.current is good
    assert subject.source.problems == reloaded.problems
    assert await subject.source.reload() is None


async def test_undoing_a_bad_edit_clears_its_problems(subject: Subject) -> None:
    subject.write(turns(3))
    await subject.source.start()
    subject.write("---\n")
    await subject.source.reload()
    subject.write(turns(3))
    reloaded = await subject.source.reload()
    assert reloaded is not None
    assert reloaded.workflow is not None
    assert reloaded.workflow.settings.agent.max_turns == 3
    assert subject.source.problems == ()


async def test_a_file_that_goes_missing_keeps_the_last_known_good(subject: Subject) -> None:
    subject.write(turns(3))
    good = await subject.source.start()
    subject.write(None)
    reloaded = await subject.source.reload()
    assert reloaded is not None
    assert reloaded.workflow is None
    assert [str(problem) for problem in reloaded.problems] == [
        f"{subject.path}: the workflow cannot be read: it does not exist."
    ]
    assert subject.source.current is good
    assert await subject.source.reload() is None
    subject.write(turns(3))
    assert await subject.source.reload() is not None
    assert subject.source.problems == ()


async def test_an_emptied_file_is_an_edit_in_progress_and_not_all_defaults(subject: Subject) -> None:
    subject.write(turns(3))
    good = await subject.source.start()
    for nothing in ("", "  \n\n"):
        subject.write(nothing)
        reloaded = await subject.source.reload()
        assert reloaded is not None
        assert [str(problem) for problem in reloaded.problems] == [
            f"{subject.path}:1:1: the file is empty; the last valid settings stay in use."
        ]
    assert subject.source.current is good


async def test_what_needs_a_restart_keeps_its_value_and_is_named(subject: Subject) -> None:
    subject.write(turns(3, "server: {port: 1}"))
    first = await subject.source.start()
    changed = """\
server: {port: $PORT, token: secret}
tracker: {root: elsewhere, required_labels: [a]}
workspace: {root: /work, base: dev}"""
    subject.write(turns(4, changed))
    await subject.source.reload()
    second = subject.source.current
    assert second is not None
    assert second.warnings == tuple(
        f"{subject.path}: {key} has changed; restart symphony to use the new value."
        for key in ("server.port", "server.token", "tracker.root", "workspace.root")
    )
    assert second.settings.server == first.settings.server
    assert second.settings.tracker.root == first.settings.tracker.root
    assert second.settings.workspace.root == first.settings.workspace.root
    assert second.settings.tracker.required_labels == ("a",)
    assert second.settings.workspace.base == "dev"
    assert second.settings.agent.max_turns == 4
    subject.write(turns(5, "server: {port: 1}"))
    await subject.source.reload()
    assert subject.source.current is not None
    assert subject.source.current.warnings == ()


async def test_many_reloads_at_once_bring_one_change(subject: Subject) -> None:
    subject.write(turns(3))
    await subject.source.start()
    subject.write(turns(4))
    reloads = await asyncio.gather(*(subject.source.reload() for _ in range(8)))
    assert len([reloaded for reloaded in reloads if reloaded is not None]) == 1


async def test_a_host_is_written_into_the_egress_list_and_read_by_the_next_reload(subject: Subject) -> None:
    source: WorkflowSource = subject.source
    subject.write(turns(3, "smolvm: {egress: {allow: [a.org]}}"))
    await subject.source.start()
    assert await source.allow_host("pypi.org", write=False) is True
    assert await source.reload() is None
    assert await source.allow_host("pypi.org") is True
    reloaded = await source.reload()
    assert reloaded is not None
    assert reloaded.workflow is not None
    assert reloaded.workflow.settings.smolvm.egress.allow == ("a.org", "pypi.org")
    assert reloaded.workflow.settings.agent.max_turns == 3
    assert await source.allow_host("pypi.org") is False
    assert await source.reload() is None


@pytest.mark.parametrize("text", ["---\nagent: {max_turns: 0}\n---\n", None])
async def test_no_host_is_written_into_a_file_that_is_invalid_or_gone(
    subject: Subject, text: str | None
) -> None:
    subject.write(turns(3))
    await subject.source.start()
    subject.write(text)
    with pytest.raises(WorkflowError) as caught:
        await subject.source.allow_host("pypi.org")
    assert caught.value.code == "workflow_not_editable"
    reloaded = await subject.source.reload()
    assert reloaded is not None
    assert reloaded.workflow is None
