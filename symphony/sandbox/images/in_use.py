"""Which folders machines read from: an image is not copied when a machine starts, but shown to it.

Called before images are removed. It asks the engine, and changes nothing.
"""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

from symphony.sandbox.images.errors import ImageError
from symphony.sandbox.smolvm.engine import find_program
from symphony.sandbox.smolvm.errors import EngineError

ASK_BOUND = 30.0  # seconds; it takes milliseconds on an idle host
LOCAL = "local-dir:"  # how the engine says that a machine's image is a folder


def folders_in_use(environ: Mapping[str, str], binary: str | None = None) -> frozenset[Path]:
    """Return the root folders of all machines; without an engine there are none.

    Raises:
        ImageError: `image.library_unusable`: the engine is there and does not say it.
    """
    try:
        program = find_program(binary, environ)
    except EngineError:
        return frozenset()
    argv = (str(program), "machine", "ls", "--json")
    try:
        asked = subprocess.run(
            argv,
            env=dict(environ),
            capture_output=True,
            timeout=ASK_BOUND,
            check=True,
            stdin=subprocess.DEVNULL,
        )
        images = [str(row.get("image") or "") for row in json.loads(asked.stdout)]
    except (OSError, subprocess.SubprocessError, ValueError, AttributeError) as error:
        raise ImageError(
            f"{program} does not say which images machines use: {error}.",
            code="image.library_unusable",
            remedy="Nothing was removed. `symphony doctor` says what is wrong with the engine.",
        ) from error
    return frozenset(Path(image.removeprefix(LOCAL)).resolve() for image in images if image.startswith(LOCAL))
