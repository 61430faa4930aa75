"""WORKFLOW.md as a value: settings and prompt, and where they came from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from symphony.core.settings import Settings


@dataclass(frozen=True, slots=True)
class Workflow:
    """One valid reading of WORKFLOW.md.

    Attributes:
        path: the file; relative paths in it start at its folder.
        settings: paths absolute, `$VAR` resolved.
        prompt: the Liquid template; empty means the default prompt.
        prompt_line: the file's line on which the template starts, for error messages.
        revision: changes whenever the file's text does.
        warnings: one sentence each, such as an unknown top-level key.
        secrets: values that came from the environment, to be kept out of every log.
        variables: the host's variables that settings refer to by `${env:X}`, as they were when the
            file was read; secrets, too.
    """

    path: Path
    settings: Settings
    prompt: str = ""
    prompt_line: int = 1
    revision: str = ""
    warnings: tuple[str, ...] = ()
    secrets: frozenset[str] = field(default_factory=frozenset, repr=False)
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
