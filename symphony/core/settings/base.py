"""What all sections of the settings share: frozen, closed, documented field by field."""

import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

DIGITS = re.compile(r"^-?\d+$")


class Section(BaseModel):
    """One section of the front matter: immutable, and an unknown key in it is an error."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True, populate_by_name=True
    )


def digits(value: Any) -> Any:
    """Accept a number written as a digit string, and leave every other wrong type to fail."""
    return int(value) if isinstance(value, str) and DIGITS.match(value.strip()) else value


def as_tuple(value: Any) -> Any:
    """Accept the list that YAML gives where a tuple is kept."""
    return tuple(value) if isinstance(value, list) else value


Number = Annotated[int, BeforeValidator(digits)]
Positive = Annotated[int, BeforeValidator(digits), Field(gt=0)]
Natural = Annotated[int, BeforeValidator(digits), Field(ge=0)]
Words = Annotated[tuple[str, ...], BeforeValidator(as_tuple)]
AsTuple = BeforeValidator(as_tuple)
Folder = Annotated[Path, Field(strict=False)]
