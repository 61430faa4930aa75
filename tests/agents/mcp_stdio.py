"""An MCP server over stdio with symphony's tools, by hand: appends each call to its first argument."""

import json
import sys

TOOLS = ("mark_done", "request_human_steering")


def result_of(method, params):
    if method == "initialize":
        return {
            "protocolVersion": params["protocolVersion"],
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "stdio", "version": "1"},
        }
    if method == "tools/list":
        return {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in TOOLS]}
    with open(sys.argv[1], "a") as file:  # noqa: PTH123  pathlib costs a start
        file.write(json.dumps(params) + "\n")
    return {"content": [{"type": "text", "text": "Accepted."}]}


for line in sys.stdin:
    message = json.loads(line)
    if "id" in message:
        answer = {"jsonrpc": "2.0", "id": message["id"]}
        answer["result"] = result_of(message["method"], message.get("params") or {})
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
