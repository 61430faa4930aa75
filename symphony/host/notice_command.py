"""Tells someone by a command of the user's, with the user's whole environment."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from symphony.core.notice import Notice, NoticeFailed
from symphony.core.settings import NotifySettings
from symphony.core.text import one_line
from symphony.host.process import ProcessError, run_group

COMMAND_BOUND_S: Final = 30.0  # mail and chat programs need seconds
OUTPUT_LIMIT: Final = 4_096  # bytes of what it says, of which people see a line
PREFIX: Final = "SYMPHONY_"


class NoticeCommand:
    """A `core.ports.Notifier` that runs `sh -lc`."""

    def __init__(self, folder: Path, environ: Mapping[str, str], bound_s: float = COMMAND_BOUND_S) -> None:
        """Run commands in this folder with this environment, each for `bound_s` seconds at most."""
        self._folder = folder
        self._environ = environ
        self._bound_s = bound_s

    async def tell(self, target: NotifySettings, notice: Notice) -> None:
        """Run the command to its end, its whole process group killed at the bound.

        Raises:
            NoticeFailed: it could not be started, failed, or did not end in time.
        Cancellation: the command is ended first.
        """
        fields = notice.fields()
        variables = {
            f"{PREFIX}{name.upper()}": (value or "").replace("\0", "") for name, value in fields.items()
        }
        try:
            result = await run_group(
                ("sh", "-lc", target.target.replace("\0", "")),
                cwd=self._folder,
                env={**self._environ, **variables},
                timeout_s=self._bound_s,
                output_limit=OUTPUT_LIMIT,
                merge_output=True,
                stdin=json.dumps(fields).encode("ascii"),
            )
        except ProcessError as error:
            raise NoticeFailed(f"The command could not be started: {error}") from error
        said = one_line(result.stdout.decode("utf-8", "replace"))
        if result.exit_status is None:
            raise NoticeFailed(f"The command did not end within {self._bound_s:g} s and was killed.")
        if result.exit_status != 0:
            raise NoticeFailed(
                f"The command ended with status {result.exit_status}{f': {said}' if said else '.'}"
            )
