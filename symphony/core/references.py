"""`${env:NAME}` in a setting: a variable of the host that the setting names and does not hold.

Pure. What the settings hold can be shown to anybody; the values are put in at the last moment, for
the program that they are meant for.
"""

import re
from collections.abc import Mapping
from typing import Final

REFERENCE: Final = re.compile(r"\$\{env:([A-Za-z_][A-Za-z0-9_]*)\}")


def references_in(text: str) -> tuple[str, ...]:
    """Return the variables that a text refers to, each once."""
    return tuple(dict.fromkeys(REFERENCE.findall(text)))


def filled_in(text: str, values: Mapping[str, str]) -> str:
    """Return the text with the values in place of the references; what a value holds is left alone.

    Raises:
        KeyError: there is no value for one.
    """
    return REFERENCE.sub(lambda match: values[match.group(1)], text)
