"""The merge train by a person's word, with or without a daemon; implements `core.train.TrainDesk`."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from symphony.core.effect import Audit
from symphony.core.journal import Action
from symphony.core.ports import Clock, Store, Train
from symphony.core.settings import Settings
from symphony.core.text import first_of
from symphony.core.train import DIGITS, TrainStopped, TrainView
from symphony.engine.journal import Journal

DECISION: Final = "train_reset"
SHOWN: Final = 20  # issues in one sentence


class EngineTrainDesk:
    """The train of the settings in force.

    Args:
        settings: asked for those.
        done: told in a sentence that the train was moved, once that is written down.
    """

    def __init__(
        self,
        settings: Callable[[], Settings],
        train: Train,
        store: Store,
        clock: Clock,
        done: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._settings = settings
        self._train = train
        self._store = store
        self._clock = clock
        self._done = done

    async def look(self) -> TrainView:
        """Return how the train stands.

        Raises:
            SymphonyError: `train.off`; `workspace.*`.
        """
        settings = self._settings()
        try:
            return await self._train.look(settings)
        except TrainStopped as stopped:
            return TrainView(settings.merge_train.branch or "", stopped=str(stopped))

    async def reset(self) -> TrainView:
        """Move the train's branch to its base, and say so in the audit; return the train as it was.

        A train that is at its base already, or has no branch yet, is left as it is.

        Raises:
            SymphonyError: `train.*`, `workspace.*`: nothing was changed; `store_*`.
        """
        settings = self._settings()
        before = await self._train.look(settings)
        if before.head in ("", before.base_commit):
            return before
        detail = {
            "branch": before.branch,
            "base": before.base,
            "from": before.head,
            "to": before.base_commit,
            "left_out": [passenger.issue_id for passenger in before.passengers],
        }
        journal = Journal(self._store, self._clock, "", "")
        async with journal.step(Action.RESET_TRAIN, lambda at: reset_audit(detail, at), **detail):
            await self._train.reset(before, settings)
        self._done(reset_words(detail))
        return before


def reset_audit(detail: Mapping[str, Any], at: datetime) -> list[Audit]:
    """Return what the audit says of a reset: once of the train, and of each issue that is left out."""
    said = f"{_moved(detail)}; the issue is not aboard any more"
    of_issues = [Audit(at, issue_id, DECISION, said) for issue_id in _left_out(detail)]
    return [Audit(at, None, DECISION, reset_words(detail)), *of_issues]


def reset_words(detail: Mapping[str, Any]) -> str:
    """Return a reset in a sentence."""
    left_out = _left_out(detail)
    aboard = f"not aboard any more: {first_of(left_out, SHOWN)}" if left_out else "nothing was aboard"
    return f"{_moved(detail)}; {aboard}"


def _moved(detail: Mapping[str, Any]) -> str:
    where = f"from {detail['from'][:DIGITS]} to {detail['base']} ({detail['to'][:DIGITS]})"
    return f"a person moved the merge train {detail['branch']} {where}"


def _left_out(detail: Mapping[str, Any]) -> list[str]:
    return [*dict.fromkeys(filter(None, detail["left_out"]))]
