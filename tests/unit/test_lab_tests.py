"""The microVM tests in the lab: a machine that dies costs no test its verdict, and what fails has failed."""

import importlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
HOUR_S = 3600.0
TESTS = ("t.py::one", "t.py::two", "t.py::three")


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    yield importlib.import_module("lab_tests")
    for name in ("lab_tests", "verdicts"):
        sys.modules.pop(name)


class Machines:
    """Machines that do as they were told in advance: one verdict a letter, `!` for an end in a test's middle.

    `.` passes, `F` fails; a machine with fewer letters than tests dies after the last letter.
    """

    def __init__(self, *lives: str, status: int = 0) -> None:
        self.lives = list(lives)
        self.status = status
        self.asked: list[list[str]] = []

    def __call__(self, words: Sequence[str], kept: Path, bound_s: float) -> int:
        asked = [word for word in words if "::" in word] or list(TESTS)
        self.asked.append(asked)
        if not self.lives:
            return self.status
        lines = [f'{{"collected": {asked!r}}}'.replace("'", '"')]
        life = self.lives.pop(0)
        for test, letter in zip(asked, life, strict=False):
            lines.append(f'{{"begun": "{test}"}}')
            if letter != "!":
                lines.append(f'{{"{"passed" if letter == "." else "failed"}": "{test}"}}')
        if life:
            (kept / "verdicts").write_text("\n".join(lines))
        return self.status


def short(tests: frozenset[str]) -> set[str]:
    """Return the last words of the tests' names."""
    return {test.rpartition("_")[-1] for test in tests}


def hear(lab: Any, machines: Callable[..., int], seconds: float = HOUR_S) -> Any:
    return lab.hear_file("t.py", [], machines, time.monotonic() + seconds)


def test_tests_that_pass_are_run_in_one_machine(lab: Any) -> None:
    machines = Machines("...")
    docket = hear(lab, machines)
    assert docket.told("t.py") == "t.py: 3 of 3 tests passed"
    assert len(machines.asked) == 1


def test_a_machine_that_dies_is_followed_by_one_for_what_is_left(lab: Any) -> None:
    machines = Machines(".!", "..", status=125)
    docket = hear(lab, machines)
    assert docket.passed == set(TESTS)
    assert machines.asked[1] == ["t.py::three", "t.py::two"]


def test_a_test_that_fails_in_three_machines_has_failed(lab: Any) -> None:
    machines = Machines(".F.", "F", "F", status=1)
    docket = hear(lab, machines)
    assert docket.failed == ["t.py::two"]
    assert docket.told("t.py") == "t.py: 2 of 3 tests passed\n  failed in 3 machines:\n    t.py::two"


def test_a_test_that_passes_once_has_passed(lab: Any) -> None:
    docket = hear(lab, Machines(".F.", "F", ".", status=1))
    assert docket.passed == set(TESTS)
    assert docket.failed == []


def test_a_test_that_three_machines_end_in_has_no_verdict_and_costs_no_other_its_own(lab: Any) -> None:
    machines = Machines("!", "..!", "!", status=125)
    docket = hear(lab, machines)
    assert docket.told("t.py") == (
        "t.py: 2 of 3 tests passed\n  without a verdict, since no machine lasted until then:\n    t.py::one"
    )
    assert docket.failed == []


def test_machines_that_end_before_their_first_test_are_not_tried_for_ever(lab: Any) -> None:
    machines = Machines(status=125)
    docket = hear(lab, machines)
    assert len(machines.asked) == lab.BARREN
    assert docket.told("t.py") == "t.py: 0 of an unknown number of tests passed"


def test_no_machine_is_started_when_the_time_is_over(lab: Any) -> None:
    machines = Machines("...")
    docket = hear(lab, machines, seconds=lab.LEAST_S - 1)
    assert machines.asked == []
    assert not docket.passed


@pytest.mark.parametrize("status", [2, 4, 5])
def test_what_pytest_cannot_run_is_said_once(lab: Any, status: int) -> None:
    machines = Machines(status=status)
    assert hear(lab, machines) == status
    assert len(machines.asked) == 1


def test_a_run_that_a_person_ends_is_not_begun_again(lab: Any) -> None:
    machines = Machines(".", status=130)
    assert hear(lab, machines) == 130
    assert len(machines.asked) == 1


def test_verdicts_are_written_as_they_come(lab: Any, tmp_path: Path) -> None:
    file = tmp_path / "test_some.py"
    file.write_text(
        "import os, pytest\n"
        "def test_one(): pass\n"
        "def test_two(): assert False\n"
        "@pytest.fixture\n"
        "def broken():\n"
        "    yield\n"
        "    assert False\n"
        "def test_three(broken): pass\n"
        "def test_four(): pytest.skip('it lacks something')\n"
        "def test_five(): os._exit(9)\n"
        "def test_six(): pass\n"
    )
    written = tmp_path / "written"
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-p", "verdicts", str(file)]
    variables = {"PYTHONPATH": str(SCRIPTS), "SYMPHONY_VERDICTS": str(written)}
    subprocess.run(argv, env={**os.environ, **variables}, cwd=tmp_path, capture_output=True, check=False)

    verdicts = sys.modules["verdicts"].read_verdicts(written)

    assert short(verdicts.passed) == {"one", "four"}
    assert short(verdicts.failed) == {"two", "three"}
    assert short(verdicts.cut_off) == {"five"}
    assert len(verdicts.collected) == 6


def test_a_line_that_was_cut_off_counts_for_nothing(lab: Any, tmp_path: Path) -> None:
    written = tmp_path / "written"
    written.write_text('{"collected": ["a"]}\n{"begun": "a"}\n{"passe')
    verdicts = sys.modules["verdicts"].read_verdicts(written)
    assert (verdicts.passed, verdicts.cut_off) == (frozenset(), {"a"})
