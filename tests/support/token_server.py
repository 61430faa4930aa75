"""A login server as providers run one: it rotates refresh tokens, and takes each only once."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from symphony.agent.credentials.exchange import Exchange, exchange
from symphony.agent.credentials.login import Endpoint, Grant
from tests.support.serving import serving


@dataclass
class TokenServer:
    """What it was asked, and what it answers.

    Attributes:
        refresh: the only token that it takes; after each grant the next one.
        script: answers to give first, as a status and a body; None drops the connection.
        asked: the requests, decoded.
        kinds: their content types.
        grants: how many it has made.
        seconds: how long a token is good for.
        on_grant: called before a grant is sent.
    """

    refresh: str
    script: list[tuple[int, Any] | None] = field(default_factory=list)
    asked: list[Mapping[str, str]] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    grants: int = 0
    seconds: int | None = 28_800
    tokens: list[str] = field(default_factory=list)
    url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)
    extra: dict[str, Any] = field(default_factory=dict)
    make: Any = None

    def answer(self, words: Mapping[str, str]) -> tuple[int, Any] | None:
        """Return a status and a body."""
        with self.lock:
            self.asked.append(words)
            if self.script:
                return self.script.pop(0)
            if words.get("refresh_token") != self.refresh:
                return 400, {"error": "invalid_grant", "error_description": "Refresh token not found"}
            self.grants += 1
            access = self.make(self.grants) if self.make else f"access-{self.grants}-0123456789"
            self.tokens.append(access)
            self.refresh = f"refresh-{self.grants}-0123456789"
            return 200, {
                "token_type": "Bearer",
                "access_token": access,
                "refresh_token": self.refresh,
                **({} if self.seconds is None else {"expires_in": self.seconds}),
                **self.extra,
            }

    @property
    def ask(self) -> Exchange:
        """What asks this server in place of the formats' own."""

        def asking(endpoint: Endpoint, asked: Mapping[str, str]) -> Grant:
            return exchange(Endpoint(self.url, endpoint.client_id, endpoint.form), asked)

        return asking


class _Answer(BaseHTTPRequestHandler):
    def __init__(self, server: TokenServer, *arguments: Any) -> None:
        self.tokens = server
        super().__init__(*arguments)

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"])).decode()
        kind = self.headers["Content-Type"]
        self.tokens.kinds.append(kind)
        words = json.loads(raw) if kind == "application/json" else {k: v[0] for k, v in parse_qs(raw).items()}
        answer = self.tokens.answer(words)
        if answer is None:
            self.close_connection = True
            return
        status, body = answer
        content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        if status in (301, 302, 307):
            self.send_header("Location", self.tokens.url)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *words: Any) -> None:
        del words


@contextmanager
def open_token_server(refresh: str) -> Iterator[TokenServer]:
    """Serve on loopback while the block runs."""
    tokens = TokenServer(refresh)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Answer, tokens))
    tokens.url = f"http://127.0.0.1:{server.server_port}/v1/oauth/token"
    with serving(server):
        yield tokens
