"""MCP over HTTP by hand, without the imports that an HTTP library costs."""

import json
import socket


class Mcp:
    """One client of one endpoint; a connection per request."""

    def __init__(self, url, headers):
        address, _, path = url.removeprefix("http://").partition("/")
        host, _, port = address.partition(":")
        self.address = (host, int(port or 80))
        self.path = "/" + path
        self.host = address
        self.headers = {
            **headers,
            "Accept": "application/json, text/event-stream",
            "Content-Type": "application/json",
        }
        self.ids = 0

    def connect(self):
        """Shake hands and return the names of the tools."""
        self.request(
            "initialize",
            {
                "protocolVersion": "2025-06-18",
                "capabilities": {},
                "clientInfo": {"name": "test-agent", "version": "1"},
            },
        )
        self.headers["MCP-Protocol-Version"] = "2025-06-18"
        self.notify("notifications/initialized")
        return [tool["name"] for tool in self.request("tools/list", {})["tools"]]

    def call(self, tool, **arguments):
        """Return (whether it is an error, the text)."""
        result = self.request("tools/call", {"name": tool, "arguments": arguments})
        text = "".join(block.get("text", "") for block in result.get("content", ()))
        return bool(result.get("isError")), text

    def start_call(self, tool, **arguments):
        """Send a call and return what reads its answer."""
        self.ids += 1
        connection = self.post(
            {"id": self.ids, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}
        )
        return lambda: self.result(connection)

    def request(self, method, params):
        self.ids += 1
        return self.result(self.post({"id": self.ids, "method": method, "params": params}))

    def notify(self, method):
        self.read(self.post({"method": method}))

    def post(self, message):
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        lines = [f"POST {self.path} HTTP/1.1", f"Host: {self.host}", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        lines += [f"Content-Length: {len(body)}", "", ""]
        connection = socket.create_connection(self.address, timeout=60)
        connection.sendall("\r\n".join(lines).encode() + body)
        return connection

    def read(self, connection):
        """Return (status, headers, body)."""
        with connection:
            answer = b""
            while chunk := connection.recv(65536):
                answer += chunk
        head, _, body = answer.partition(b"\r\n\r\n")
        status, *lines = head.decode().split("\r\n")
        headers = {
            name.strip().lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)
        }
        if headers.get("transfer-encoding") == "chunked":
            body = b"".join(_chunks(body))
        if "mcp-session-id" in headers:
            self.headers["Mcp-Session-Id"] = headers["mcp-session-id"]
        return int(status.split()[1]), headers, body

    def result(self, connection):
        status, headers, body = self.read(connection)
        if status != 200:
            raise RuntimeError(f"MCP answered {status}: {body[:200]!r}")
        if headers.get("content-type", "").startswith("text/event-stream"):
            events = [line[5:] for line in body.split(b"\n") if line.startswith(b"data:")]
            messages = [json.loads(event) for event in events if event.strip()]
            message = next(message for message in messages if "result" in message or "error" in message)
        else:
            message = json.loads(body)
        if "error" in message:
            raise RuntimeError(message["error"]["message"])
        return message["result"]


def _chunks(body):
    while body:
        size, _, body = body.partition(b"\r\n")
        length = int(size.split(b";")[0], 16)
        if length == 0:
            return
        yield body[:length]
        body = body[length + 2 :]
