"""An issue's files as they are: its Markdown, run log, patch and review; as plain text, piece by piece.

Only files that the host owns are opened, and never through a symbolic link in their place.
"""

import asyncio
import os
import stat
from pathlib import Path
from typing import Final

from aiohttp import web

from symphony.core.installation import Installation
from symphony.core.keys import workspace_key
from symphony.core.operations import IssueDetail
from symphony.core.text import one_line
from symphony.web.errors import Refusal

CHUNK: Final = 262_144  # bytes read at once


def raw_path(detail: IssueDetail, what: str, root: Path) -> Path:
    """Return the file that is asked for.

    Args:
        detail: of the issue.
        what: `issue`, `log`, `patch`, `review` or `changes`.
        root: of the tracker, which the issue's file may not leave.

    Raises:
        Refusal: 404.
    """
    installation = Installation(detail.run_log.parent.parent)
    match what:
        case "issue" if detail.issue is not None:
            return inside(detail.issue.path, root)
        case "log":
            return detail.run_log
        case "patch":
            return installation.patch(workspace_key(detail.issue_id))
        case "review":
            return installation.review(workspace_key(detail.issue_id)) / "summary.md"
        case "changes":
            return installation.review(workspace_key(detail.issue_id)) / "changes.diff"
        case _:
            raise missing(what)


def inside(path: Path, root: Path) -> Path:
    """Return where a file really is.

    Raises:
        Refusal: 404 when that is not under the root.
    """
    real = Path(os.path.realpath(path))
    if not real.is_relative_to(os.path.realpath(root)):
        raise missing("issue")
    return real


async def send_file(request: web.Request, path: Path, what: str) -> web.StreamResponse:
    """Stream a file as plain text, up to the size that it has now.

    Raises:
        Refusal: 404 when it is not there, or is no regular file.
    """
    handle = await asyncio.to_thread(_open, path)
    if handle is None:
        raise missing(what)
    try:
        left = os.fstat(handle).st_size
        response = web.StreamResponse()
        response.content_type = "text/plain"
        response.charset = "utf-8"
        response.content_length = left
        await response.prepare(request)
        while left and request.method != "HEAD":
            data = await asyncio.to_thread(os.read, handle, min(CHUNK, left))
            if not data:
                raise ConnectionError("the file has become shorter while it was sent")
            left -= len(data)
            await response.write(data)
        return response
    finally:
        os.close(handle)


def _open(path: Path) -> int | None:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    if stat.S_ISREG(os.fstat(handle).st_mode):
        return handle
    os.close(handle)
    return None


def missing(what: str) -> Refusal:
    """Return that there is no such file."""
    names = {
        "issue": "readable file",
        "log": "run log yet",
        "patch": "patch",
        "review": "review",
        "changes": "review",
    }
    return Refusal(404, "not_found", f"The issue has no {names.get(what, one_line(what, 40))}.")
