"""The least that an ACP agent needs, with nothing but light modules of the standard library.

Every program beside this file is an agent in a few lines: it subclasses `Agent`, overrides
what it does oddly, and calls `serve`. They start in some 40 ms and are started by path.
"""

import json
import os
import sys
from contextlib import suppress


class Agent:
    """Answers the handshake and ends each turn at once."""

    session_id = "session-1"
    connects = True

    def __init__(self):
        self.capabilities = {"mcpCapabilities": {"http": True}}
        self.cwd = "."
        self.mcp = None
        self.cancelled = False
        self.queue = []
        self.ids = 0

    # what a subclass overrides

    def initialize(self, params):
        return {"protocolVersion": 1, "agentCapabilities": self.capabilities}

    def new_session(self, params):
        return {"sessionId": self.session_id}

    def prompt(self, text):
        """Return a stop reason, or a whole result."""
        self.say("hello")
        return "end_turn"

    # what it may use

    def say(self, text):
        self.update("agent_message_chunk", content={"type": "text", "text": text})

    def update(self, kind, **fields):
        params = {"sessionId": self.session_id, "update": {"sessionUpdate": kind, **fields}}
        self.send({"method": "session/update", "params": params})

    def request(self, method, params):
        """Ask the client and return its whole answer."""
        self.ids += 1
        identity = f"agent-{self.ids}"
        self.send({"id": identity, "method": method, "params": params})
        while True:
            message = self.read()
            if message.get("id") == identity and "method" not in message:
                return message
            self.queue.append(message)

    def wait_for_cancel(self):
        """Block until the client cancels the turn."""
        while not self.cancelled:
            self.dispatch(self.read())

    def send(self, message):
        write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")

    def read(self):
        line = sys.stdin.buffer.readline()
        if not line:
            sys.exit(0)
        return json.loads(line)

    def fail(self, message, code=-32603, data=None):
        raise Refused({"code": code, "message": message, "data": data})

    def connect(self):
        """Connect to the MCP server over HTTP and list its tools."""
        from mcp_http import Mcp

        server = next(server for server in self.servers if server.get("type") == "http")
        self.mcp = Mcp(server["url"], {header["name"]: header["value"] for header in server["headers"]})
        return self.mcp.connect()

    # the loop

    def serve(self):
        while True:
            self.dispatch(self.queue.pop(0) if self.queue else self.read())

    def dispatch(self, message):
        method, params = message.get("method"), message.get("params") or {}
        if method == "session/cancel":
            self.cancelled = True
        if "id" not in message or method is None:
            return
        try:
            self.send({"id": message["id"], "result": self.answer(method, params)})
        except Refused as refusal:
            self.send({"id": message["id"], "error": refusal.args[0]})

    def answer(self, method, params):
        if method == "initialize":
            return self.initialize(params)
        if method == "session/new":
            self.cwd, self.servers = params["cwd"], params["mcpServers"]
            os.chdir(self.cwd)
            if self.connects and any(server.get("type") == "http" for server in self.servers):
                with suppress(OSError, RuntimeError):  # as real agents do: then without its tools
                    self.connect()
            return self.new_session(params)
        if method == "session/prompt":
            self.cancelled = False
            end = self.prompt("".join(block.get("text", "") for block in params["prompt"]))
            return {"stopReason": end} if isinstance(end, str) else end
        return self.other(method, params)

    def other(self, method, params):
        self.fail(f"no method {method}", -32601)


class Refused(Exception):
    """A JSON-RPC error to answer with."""


def write(data):
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def git(*arguments):
    """Run git quietly; return its exit status."""
    pid = os.posix_spawnp(
        "git",
        ["git", *arguments],
        {
            **os.environ,
            "GIT_AUTHOR_NAME": "agent",
            "GIT_AUTHOR_EMAIL": "agent@example.invalid",
            "GIT_COMMITTER_NAME": "agent",
            "GIT_COMMITTER_EMAIL": "agent@example.invalid",
        },
        file_actions=[(os.POSIX_SPAWN_DUP2, 2, 1)],
    )
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def commit_file(name, text, subject):
    file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.write(file, text.encode())
    os.close(file)
    assert git("add", "--", name) == 0
    assert git("commit", "-q", "-m", subject) == 0
