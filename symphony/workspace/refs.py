"""The names of the refs in the repository that only the host writes.

`refs/symphony/base/<key>` is where an issue's work started, `refs/heads/<branch>`
what was last imported of it, `refs/symphony/kept/<key>/<id>` commits that were imported and
are part of no delivered branch, `refs/symphony/rescue/<key>` files saved when an import failed,
`refs/symphony/safety/<key>/<n>` what lay in a workspace before something touched it,
`refs/symphony/now/<key>` where the base stood when a delivery was last tried on it,
`refs/symphony/pushed/<key>/` the last push of its branch and `refs/symphony/pushing/<key>/` one that may
have been cut off, `refs/symphony/theirs/<key>` what others have pushed to it,
`refs/symphony/train/` the merge train's head and what agents were shown of it,
`refs/symphony/candidate/<key>` the issue's work merged onto it,
`refs/symphony/best/<key>` the work with the fewest failing checks, `refs/symphony/best-facts/<key>`
what is known of it.
"""

from typing import Final

TRAIN_HEAD: Final = "refs/symphony/train/head"
"""The ref of the merge train's head as it was last seen."""
TRAIN_BASE: Final = "refs/symphony/train/base"
"""The ref of the base as a person last looked at it beside the train."""
TRAIN_REFS: Final = "--glob=refs/symphony/train/*"
"""An option of git for all that came from the train: none of it is an issue's own work."""


def base_ref(key: str) -> str:
    """Return the ref of the commit that an issue's work started from."""
    return f"refs/symphony/base/{key}"


def kept_prefix(key: str) -> str:
    """Return the folder of refs of commits that are kept although no branch holds them."""
    return f"refs/symphony/kept/{key}/"


def rescue_ref(key: str) -> str:
    """Return the ref of the files that were saved when an import failed."""
    return f"refs/symphony/rescue/{key}"


def safety_prefix(key: str) -> str:
    """Return the folder of refs of what lay in an issue's workspace before something touched it."""
    return f"refs/symphony/safety/{key}/"


def now_ref(key: str) -> str:
    """Return the ref of where an issue's base stood when its delivery was last tried on it."""
    return f"refs/symphony/now/{key}"


def best_ref(key: str) -> str:
    """Return the ref of the best state of an issue's work."""
    return f"refs/symphony/best/{key}"


def best_facts_ref(key: str) -> str:
    """Return the ref of what is known of it."""
    return f"refs/symphony/best-facts/{key}"


def delivered_ref(branch: str) -> str:
    """Return the ref of a branch as it left."""
    return f"refs/symphony/delivered/{branch}"


def shown_ref(commit: str) -> str:
    """Return the ref of what an agent was shown of the merge train."""
    return f"refs/symphony/train/shown/{commit}"


def candidate_ref(key: str) -> str:
    """Return the ref of an issue's work merged onto the merge train's head."""
    return f"refs/symphony/candidate/{key}"
