"""How a program tells whose it is: labels as environment variables, which children inherit."""

from collections.abc import Mapping

PREFIX = "SYMPHONY_LABEL_"


def label_variables(labels: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that carry these labels; what a dead run left is found by them."""
    return {PREFIX + name.upper().replace("-", "_"): value for name, value in labels.items()}
