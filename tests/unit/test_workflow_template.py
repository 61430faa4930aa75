"""The reference page and this repository's own workflow cannot drift from the settings."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from symphony.core.issue import Issue
from symphony.core.settings import Settings
from symphony.core.settings.base import Section
from symphony.workflow.loader import load_workflow, parse_workflow
from symphony.workflow.prompt import render_prompt
from symphony.workflow.template import render_template
from symphony.workflow.words import allowed, annotation_of, keys_of, strip

ROOT = Path(__file__).resolve().parents[2]
FILE = Path("/repo/WORKFLOW.md")
ENVIRON = {
    "SYMPHONY_TOKEN": "secret",
    "SYMPHONY_WEBHOOK": "https://example.org/x",
    "SYMPHONY_WEBHOOK_SECRET": "secret",
    "DOCS_TOKEN": "secret",
    "TRACKER_TOKEN": "secret",
}
PLACE = {"path": "/work/A-1", "branch": "agent/A-1", "base": "main"}
ISSUE = Issue(
    id="A-1",
    identifier="A-1",
    title="Mend it",
    state="Todo",
    path=Path("/repo/issues/Todo/A-1.md"),
    description="The roof leaks.",
    labels=("roof", "rain"),
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
)


def leaves(section: type[Section], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, info in keys_of(section).items():
        bare, _, _ = strip(info.annotation)
        if isinstance(bare, type) and issubclass(bare, Section):
            yield from leaves(bare, (*path, name))
        else:
            yield (*path, name), info


EXAMPLES = [(path, example) for path, info in leaves(Settings) for example in info.examples or ()]


def test_the_page_is_what_the_generator_writes() -> None:
    page = (ROOT / "WORKFLOW.template.md").read_text(encoding="utf-8")
    assert page == render_template(), "run scripts/template"


def test_the_page_is_a_valid_workflow_that_changes_nothing() -> None:
    page = parse_workflow(render_template().encode(), FILE, {})
    empty = parse_workflow(b"", FILE, {})
    assert page.settings == empty.settings
    assert page.warnings == ()
    for attempt in (None, 2):
        assert render_prompt(page, ISSUE, attempt, PLACE) == render_prompt(empty, ISSUE, attempt, PLACE)


def test_every_key_is_on_the_page_with_its_docstring_and_what_is_allowed() -> None:
    page = render_template()
    written = yaml.safe_load(page.split("---\n")[1])
    folded = " ".join(line.strip().removeprefix("#").strip() for line in page.splitlines())
    folded = " ".join(folded.split())
    for path, info in leaves(Settings):
        value = written
        for part in path:
            assert part in value, path
            value = value[part]
        assert info.description, path
        assert " ".join(info.description.split()) in folded, path
        assert f"Allowed: {allowed(annotation_of(info))}." in folded, path


def test_every_key_without_a_default_of_its_own_has_an_example() -> None:
    empty = [path for path, info in leaves(Settings) if info.default in (None, (), {}) and not info.examples]
    assert empty == []


def front_matter(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    return {path[0]: front_matter(path[1:], value) if path[1:] else value}


@pytest.mark.parametrize(("path", "example"), EXAMPLES, ids=[".".join(path) for path, _ in EXAMPLES])
def test_every_example_is_valid(path: tuple[str, ...], example: Any) -> None:
    text = f"---\n{yaml.safe_dump(front_matter(path, example))}---\n"
    workflow = parse_workflow(text.encode(), FILE, ENVIRON)
    assert workflow.warnings == ()
    assert workflow.settings != parse_workflow(b"", FILE, {}).settings


def test_this_repositorys_own_workflow_loads_without_a_warning_and_renders() -> None:
    workflow = load_workflow(ROOT / "WORKFLOW.md", {})
    assert workflow.warnings == ()
    assert (workflow.settings.sandbox, workflow.settings.acp.adapter) == ("local", "claude")
    first = render_prompt(workflow, ISSUE, None, PLACE)
    assert "# The issue `A-1`: Mend it\n\nThe roof leaks.\n" in first
    assert "Labels: roof, rain" in first
    assert "This is attempt" not in first
    assert "This is attempt 3" in render_prompt(workflow, ISSUE, 3, PLACE)
