"""The list of all issues as JSON, which may be long."""

import asyncio
import json
from collections.abc import Sequence
from typing import Final

from aiohttp import web

from symphony.core.issue import Issue
from symphony.web.views import issue_summary_view

ISSUES_PER_CHUNK: Final = 500  # so that a list of 100,000 issues never holds the loop for long


async def issues_response(issues: Sequence[Issue]) -> web.Response:
    """Return the list, encoded piece by piece with the loop free in between."""
    pieces: list[bytes] = []
    for start in range(0, len(issues), ISSUES_PER_CHUNK):
        chunk = [issue_summary_view(issue) for issue in issues[start : start + ISSUES_PER_CHUNK]]
        pieces.append(json.dumps(chunk).encode("ascii")[1:-1])
        await asyncio.sleep(0)
    body = b'{"issues": [' + b", ".join(pieces) + b"]}"
    return web.Response(body=body, content_type="application/json")
