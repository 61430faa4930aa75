"""The demo agent as an ACP program: sessions, turns and their cancellation."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import symphony
from symphony.agent.demo.job import Job
from symphony.agent.demo.peer import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    NOT_FOUND,
    Peer,
    RequestError,
)
from symphony.agent.demo.reporter import NAME, Reporter
from symphony.agent.demo.tools import Server
from symphony.agent.demo.voice import Voice

PROTOCOL_VERSION = 1  # of ACP


class DemoAgent:
    """Answers an ACP client; each session has a job of its own."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._jobs: dict[str, Job] = {}
        self._turns: dict[str, asyncio.Task[None]] = {}

    async def answer(self, method: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """Answer one request.

        Raises:
            RequestError: it cannot be done.
        """
        if method == "initialize":
            return self._introduce()
        if method == "session/new":
            return await self._new_session(_text(params, "cwd"), params.get("mcpServers") or ())
        if method == "session/prompt":
            return await self._prompt(_text(params, "sessionId"), params.get("prompt") or ())
        raise RequestError(METHOD_NOT_FOUND, f"Method not found: {method}")

    def hear(self, method: str, params: Mapping[str, Any]) -> None:
        """Take a notification: `session/cancel` ends the running turn, with the command that it runs."""
        turn = self._turns.get(str(params.get("sessionId")))
        if method == "session/cancel" and turn is not None:
            turn.cancel()

    def _introduce(self) -> Mapping[str, Any]:
        return {
            "protocolVersion": PROTOCOL_VERSION,
            "agentCapabilities": {"mcpCapabilities": {"http": True}},
            "agentInfo": {
                "name": "symphony-demo",
                "title": "symphony's demo agent (no model)",
                "version": symphony.__version__,
            },
        }

    async def _new_session(self, cwd: str, servers: Sequence[Any]) -> Mapping[str, Any]:
        """Open a session in a folder and connect to symphony's tools."""
        folder = Path(cwd)
        if not _is_workspace(folder):
            raise RequestError(INVALID_PARAMS, "Invalid params", f"there is no folder {cwd}")
        session_id = f"demo-{os.getpid()}-{len(self._jobs) + 1}"
        voice = Voice(self._peer, session_id)
        reporter = Reporter(_choose_server(servers), voice)
        await reporter.connect()
        title = os.environ.get("SYMPHONY_ISSUE_TITLE", "")
        self._jobs[session_id] = Job(folder, title, voice, reporter)
        return {"sessionId": session_id}

    async def _prompt(self, session_id: str, blocks: Sequence[Any]) -> Mapping[str, Any]:
        """Work through one turn."""
        job = self._jobs.get(session_id)
        if job is None:
            raise RequestError(NOT_FOUND, "Resource not found", session_id)
        if session_id in self._turns:
            raise RequestError(INVALID_REQUEST, "Invalid request", "a turn is running in this session")
        text = "\n".join(str(block.get("text")) for block in blocks if block.get("type") == "text")
        turn = self._turns[session_id] = asyncio.ensure_future(job.turn(text))
        try:
            await asyncio.wait({turn})
        finally:
            del self._turns[session_id]
            turn.cancel()
            await asyncio.wait({turn})
        if turn.cancelled():
            return {"stopReason": "cancelled"}
        turn.result()
        return {"stopReason": "end_turn"}


def _is_workspace(folder: Path) -> bool:
    return folder.is_absolute() and folder.is_dir()


def _text(params: Mapping[str, Any], name: str) -> str:
    value = params.get(name)
    if not isinstance(value, str):
        raise RequestError(INVALID_PARAMS, "Invalid params", f"{name} is missing")
    return value


def _choose_server(offered: Sequence[Any]) -> Server | None:
    """Return symphony's server among those that the session was given."""
    usable = [each for each in offered if each.get("type", "stdio") in {"http", "stdio"}]
    chosen = next((each for each in usable if each.get("name") == NAME), usable[0] if usable else None)
    if chosen is None:
        return None
    if chosen.get("type") == "http":
        return Server(url=chosen["url"], headers=_pairs(chosen.get("headers")))
    return Server(
        command=chosen["command"], args=tuple(chosen.get("args") or ()), environment=_pairs(chosen.get("env"))
    )


def _pairs(entries: Sequence[Mapping[str, str]] | None) -> dict[str, str]:
    return {entry["name"]: entry["value"] for entry in entries or ()}


async def serve() -> None:
    """Speak ACP on stdin and stdout until stdin ends or SIGTERM comes."""
    peer = Peer()
    agent = DemoAgent(peer)
    serving = asyncio.ensure_future(peer.serve(agent.answer, agent.hear))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, serving.cancel)
    await asyncio.wait({serving})
    error = None if serving.cancelled() else serving.exception()
    if error is not None:
        sys.stderr.write(f"demo agent: {error}\n")
