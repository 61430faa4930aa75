"""What became of each test of a run, written down as it goes: a machine that dies takes no verdict along.

A plugin of pytest (`-p verdicts`) that writes to the file which SYMPHONY_VERDICTS names, and its reader.
Called by `lab_tests.py`; the plugin needs nothing but pytest, since it runs inside the lab.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

VARIABLE: Final = "SYMPHONY_VERDICTS"
FILE: Final = "verdicts"  # its usual name


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What a run said of its tests before it ended, or was ended.

    Attributes:
        collected: the ids of the tests, in the order of running.
        passed: those that passed, or said by a skip what they lack.
        failed: those that failed.
        begun: those that were begun.
    """

    collected: tuple[str, ...] = ()
    passed: frozenset[str] = frozenset()
    failed: frozenset[str] = frozenset()
    begun: frozenset[str] = frozenset()

    @property
    def cut_off(self) -> frozenset[str]:
        """The tests in whose middle the run ended."""
        return self.begun - self.passed - self.failed


class Writer:
    """Writes a line for each thing that happens to a test."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._failed: set[str] = set()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Write which tests there are."""
        self._write({"collected": [item.nodeid for item in session.items]})

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Write that a test begins."""
        self._write({"begun": nodeid})

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember what went wrong before, in or after a test."""
        if report.failed:
            self._failed.add(report.nodeid)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Write how a test ended."""
        self._write({"failed" if nodeid in self._failed else "passed": nodeid})

    def _write(self, line: Mapping[str, object]) -> None:
        with self._file.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")


def pytest_configure(config: pytest.Config) -> None:
    """Write to the file that the environment names."""
    config.pluginmanager.register(Writer(Path(os.environ[VARIABLE])))


def read_verdicts(file: Path) -> Verdicts:
    """Return what a run has written; a last line that its machine did not finish counts for nothing."""
    collected: tuple[str, ...] = ()
    told: dict[str, set[str]] = {"begun": set(), "passed": set(), "failed": set()}
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines() if file.exists() else ():
        try:
            ((what, value),) = json.loads(line).items()
        except (ValueError, AttributeError):
            continue
        if what == "collected":
            collected = tuple(value)
        else:
            told[what].add(value)
    return Verdicts(collected, *(frozenset(told[what]) for what in ("passed", "failed", "begun")))
