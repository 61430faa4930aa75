"""Whether finished branches are merged one after another into a branch of the source repository."""

from typing import Annotated

from pydantic import Field

from symphony.core.settings.base import Section


class MergeTrainSettings(Section):
    """The merge train [docs/merge-train.md]."""

    branch: Annotated[str | None, Field(examples=["symphony/train"])] = None
    """The branch of `workspace.source` that finished work is merged into, each piece checked on top of the
    one before. It is made when the first piece boards. null is off."""
