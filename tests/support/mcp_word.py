"""A small MCP server with one tool, `NAME_word`: over stdio, or over HTTP on a port of its own.

Run as a program: `python mcp_word.py NAME` is on stdio; `python mcp_word.py NAME FILE` writes its URL into
the file once it listens, and answers with the header `Authorization` that it was sent.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

NAME = sys.argv[1] if len(sys.argv) > 1 else "some"
TOOL = {
    "name": f"{NAME}_word",
    "description": "Return the word of the day.",
    "inputSchema": {"type": "object", "properties": {}},
}


def answer(message: dict[str, Any], said: str) -> dict[str, Any] | None:
    """Return what a request is answered; None for what needs no answer."""
    params = message.get("params") or {}
    match message.get("method"):
        case _ if "id" not in message:
            return None
        case "initialize":
            result: Any = {
                "protocolVersion": params["protocolVersion"],
                "capabilities": {"tools": {}},
                "serverInfo": {"name": NAME, "version": "1"},
            }
        case "tools/list":
            result = {"tools": [TOOL]}
        case "tools/call":
            result = {
                "content": [{"type": "text", "text": f"the word of {NAME} is {said}"}],
                "isError": False,
            }
        case _:
            result = {}
    return {"jsonrpc": "2.0", "id": message["id"], "result": result}


class Listener(BaseHTTPRequestHandler):
    """Answers each POST with JSON."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        given = self.headers.get("Authorization", "")
        said = answer(json.loads(body), f"fetched with {len(given)} characters")
        Path(sys.argv[2]).with_suffix(".seen").write_text(given)
        data = b"" if said is None else json.dumps(said).encode()
        self.send_response(200 if data else 202)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        self.send_error(405)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def main() -> None:
    if len(sys.argv) == 2:
        for line in sys.stdin:
            if (said := answer(json.loads(line), "plain")) is not None:
                print(json.dumps(said), flush=True)
        return
    server = ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    file = Path(sys.argv[2])
    file.with_suffix(".new").write_text(f"http://127.0.0.1:{server.server_port}/mcp")
    file.with_suffix(".new").rename(file)
    server.serve_forever()


if __name__ == "__main__":
    main()
