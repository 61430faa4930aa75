"""The microVM tests in labs, where no machine can be relied on: as many of them as the verdicts take.

Two layers of emulation slow a guest down, cut a program off, or end the whole machine now and then, and none
of that says anything about symphony. So a test that passes in one machine has passed, one that fails goes to
a new machine and has failed when it failed in `FAILURES` of them, and those that a machine takes along with
its end go on in the next. Called by `scripts/test`.
"""

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from verdicts import FILE, Verdicts, read_verdicts

FAILURES: Final = 3
CUT_OFFS: Final = 3  # machines that may end in a test before it is left without a verdict
BARREN: Final = 3  # machines in a row that may end before their first test
BROKEN: Final = 3  # failures in a machine after which it is not trusted any more
LEAST_S: Final = 60.0  # a machine boots in 10 s; with less than this none is started
UNABLE: Final = frozenset({2, 3, 4, 5})  # pytest's statuses when it ran no test, for a reason of its own
INTERRUPTED: Final = 130

# runs pytest with these words in a new machine, its verdicts going to this folder, within so many seconds
Machine = Callable[[Sequence[str], Path, float], int]


class Docket:
    """The tests of a file, and what is known of each so far.

    Attributes:
        tests: their ids, in the order of the first machine.
        passed: those that passed in one machine.
        failures, cut_offs: how many machines each failed in, and was begun in without an end.
    """

    def __init__(self) -> None:
        self.tests: tuple[str, ...] = ()
        self.passed: set[str] = set()
        self.failures: Counter[str] = Counter()
        self.cut_offs: Counter[str] = Counter()

    def hear(self, verdicts: Verdicts) -> None:
        """Take in what one machine said."""
        self.tests = self.tests or verdicts.collected
        self.passed |= verdicts.passed
        self.failures.update(verdicts.failed)
        self.cut_offs.update(verdicts.cut_off)

    @property
    def failed(self) -> list[str]:
        """The tests that failed, in as many machines as it takes."""
        return self._those(lambda test: self.failures[test] >= FAILURES)

    @property
    def doubtful(self) -> list[str]:
        """The tests that failed in a machine, and neither passed nor failed for good."""
        return self._those(lambda test: 0 < self.failures[test] < FAILURES)

    @property
    def unheard(self) -> list[str]:
        """The tests without any verdict."""
        return self._those(lambda test: self.failures[test] == 0)

    @property
    def due(self) -> list[str]:
        """The tests for the next machine, last those that went wrong before, so that they cost no other."""
        due = self._those(lambda test: self.failures[test] < FAILURES and self.cut_offs[test] < CUT_OFFS)
        return sorted(due, key=lambda test: self.failures[test] + self.cut_offs[test])

    def told(self, path: str) -> str:
        """Say what became of the tests, those that did not pass by name."""
        lines = [f"{path}: {len(self.passed)} of {len(self.tests) or 'an unknown number of'} tests passed"]
        for words, tests in (
            (f"failed in {FAILURES} machines", self.failed),
            ("failed, and the time was over before they were run often enough", self.doubtful),
            ("without a verdict, since no machine lasted until then", self.unheard),
        ):
            lines += [f"{words}:", *(f"  {test}" for test in tests)] if tests else []
        return "\n  ".join(lines)

    def _those(self, wanted: Callable[[str], bool]) -> list[str]:
        return [test for test in self.tests if test not in self.passed and wanted(test)]


def hear_file(path: str, options: Sequence[str], machine: Machine, until: float) -> Docket | int:
    """Run a file's tests until each has its verdict or the time is over; return what is known of them.

    Returns the status instead when pytest could not run the tests at all, or a person ended it.

    Args:
        path: the file, or the id of a test in it.
        options: for pytest.
        machine: a new one each time.
        until: on the monotonic clock.
    """
    docket = Docket()
    barren = 0
    while (docket.due or not docket.tests) and barren < BARREN:
        left_s = until - time.monotonic()
        if left_s < LEAST_S:
            break
        with tempfile.TemporaryDirectory(prefix="lab-") as kept:
            # in the order of this list: what went wrong before comes last
            words = ["-p", "no:randomly", *docket.due] if docket.tests else [path]
            status = machine([f"--maxfail={BROKEN}", *options, *words], Path(kept), left_s)
            verdicts = read_verdicts(Path(kept) / FILE)
        if status == INTERRUPTED or (status in UNABLE and not verdicts.begun):
            return status
        barren = 0 if verdicts.begun else barren + 1
        docket.hear(verdicts)
    return docket
