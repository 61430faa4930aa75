"""Whether two reports tell the same failure, whatever times and names of the moment differ in them."""

import re

COMPARED = 8_000  # characters; the start of a failure names it
OF_THE_MOMENT = re.compile(
    r"""\d{1,2}:\d\d(?::\d\d)?(?:\.\d+)?              # a time of day
      | \d+\.\d+                                      # what was measured
      | \b\d+\s?(?:ms|s|secs?|seconds?|mins?|minutes?)\b
      | \b(?=[0-9a-f]*\d)[0-9a-f]{6,}\b               # a commit, an address
      | \d{4,}                                         # a process, a port, a size
      | /tmp/\S*""",
    re.IGNORECASE | re.VERBOSE,
)


def repeats(text: str, earlier: str) -> bool:
    """Say whether a report tells what an earlier one did; a count that changed is news, a duration is not."""
    return _trace(text) == _trace(earlier)


def _trace(text: str) -> str:
    return " ".join(OF_THE_MOMENT.sub("#", text[:COMPARED]).split())
