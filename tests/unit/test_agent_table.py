"""The README's table of the real agents names tests that there are, and the versions that were tested."""

import re
from pathlib import Path

from symphony.agent.adapters import ADAPTERS

ROOT = Path(__file__).resolve().parent.parent.parent


def table() -> str:
    text = (ROOT / "README.md").read_text("utf-8")
    return text.split("## The real agents", 1)[1].split("## ", 1)[0]


def test_every_test_that_the_table_names_is_there() -> None:
    places = [*(ROOT / "tests" / "realagents").glob("test_*.py"), *Path(__file__).parent.glob("test_agent_*")]
    tests = re.findall(r"def (test_\w+)\(", "\n".join(place.read_text("utf-8") for place in places))
    named = re.findall(r"`(test_\w+)`", table())
    assert named
    assert [name for name in named if not any(test.startswith(name) for test in tests)] == []
    assert len([test for test in tests if test.endswith("_is_told_as_such")]) == 6


def test_the_table_names_the_versions_that_were_tested() -> None:
    for adapter in ADAPTERS.values():
        if adapter.versions is not None:
            assert f"{adapter.versions.name} {adapter.versions.tested[-1]}" in table()
