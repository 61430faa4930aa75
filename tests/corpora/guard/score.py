"""Precision and recall of each detector on the labelled texts."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from symphony.core.guard.commands import find_commands
from symphony.core.guard.injection import find_injections
from symphony.core.guard.paths import find_writes, outside
from symphony.core.guard.secrets import find_secrets
from tests.corpora.guard import commands, injections, paths, secrets


@dataclass(frozen=True)
class Score:
    """How one detector did; texts are counted, not findings."""

    detector: str
    positives: int
    negatives: int
    missed: tuple[str, ...]
    false_alarms: tuple[str, ...]

    @property
    def found(self) -> int:
        return self.positives - len(self.missed)

    @property
    def recall(self) -> float:
        return self.found / self.positives

    @property
    def precision(self) -> float:
        return self.found / (self.found + len(self.false_alarms))


def scores() -> list[Score]:
    """Judge every text of the corpus."""
    return [
        _score("secrets", _any(find_secrets), _texts(secrets.positives()), _texts(secrets.negatives())),
        _score("commands", _any(find_commands), commands.positives(), commands.negatives()),
        _score("writes by commands", _writes, paths.positive_commands(), paths.negative_commands()),
        _score("writes by files", _outside, paths.OUTSIDE_FILES, paths.INSIDE_FILES),
        _score("injections", _any(find_injections), injections.positives(), injections.negatives()),
    ]


def table(found: Iterable[Score]) -> str:
    """Return the scores as a Markdown table."""
    lines = [
        "| detector | positives | found | negatives | false alarms | precision | recall |",
        "|---" + "|--:" * 6 + "|",
    ]
    lines += [
        f"| {score.detector} | {score.positives} | {score.found} | {score.negatives} | {len(score.false_alarms)}"
        f" | {score.precision:.3f} | {score.recall:.3f} |"
        for score in found
    ]
    return "\n".join(lines)


def _score(
    detector: str, finds: Callable[[str], bool], positives: Iterable[str], negatives: Iterable[str]
) -> Score:
    good, bad = list(positives), list(negatives)
    return Score(
        detector,
        len(good),
        len(bad),
        tuple(text for text in good if not finds(text)),
        tuple(text for text in bad if finds(text)),
    )


def _texts(labelled: Iterable[tuple[str, str]]) -> list[str]:
    return [text for _, text in labelled]


def _any(find: Callable[[str], Iterable[object]]) -> Callable[[str], bool]:
    return lambda text: any(True for _ in find(text))


def _writes(text: str) -> bool:
    return any(True for _ in find_writes(text, paths.WORKSPACE))


def _outside(path: str) -> bool:
    return outside(path, paths.WORKSPACE, paths.WORKSPACE)
