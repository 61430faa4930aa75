"""From what a script wants to do to a call of a tool that the agent has offered to the model."""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.models.script import Run, UseMcp, Write

SHELLS = ("Bash", "bash", "exec_command", "shell_command", "shell")
WRITERS = ("Write", "write")
PATIENCE_MS = 30_000  # the most that Codex waits before it lets the model go on beside its command


@dataclass(frozen=True, slots=True)
class Call:
    """A call as a provider's dialect writes it.

    Attributes:
        text: the input of a tool that takes plain text; None for one that takes JSON.
        namespace: where the tool lives, in dialects that have such.
    """

    name: str
    arguments: Mapping[str, Any]
    text: str | None = None
    namespace: str | None = None


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that the agent offers.

    Attributes:
        properties: of its JSON arguments.
    """

    name: str
    properties: Mapping[str, Any]
    namespace: str | None = None


class NotOffered(AssertionError):
    """The agent has no tool for what the script wants."""


def call_of(wanted: Run | Write | UseMcp, tools: Sequence[Tool]) -> Call:
    """Return the call of the agent's own tool.

    Raises:
        NotOffered: there is none.
    """
    match wanted:
        case UseMcp(tool, arguments):
            found = next((each for each in tools if _is_mcp(each, tool)), None)
            if found is not None:
                return Call(found.name, arguments, namespace=found.namespace)
        case Run(command):
            found = next((each for name in SHELLS for each in tools if each.name == name), None)
            if found is not None:
                return Call(found.name, _shell_arguments(found, command))
        case Write(path, content):
            found = next((each for name in WRITERS for each in tools if each.name == name), None)
            if found is not None:
                where = "file_path" if "file_path" in found.properties else "filePath"
                return Call(found.name, {where: path, "content": content})
            if any(each.name == "apply_patch" for each in tools):
                added = "".join(f"+{line}\n" for line in content.splitlines())
                patch = f"*** Begin Patch\n*** Add File: {path}\n{added}*** End Patch\n"
                return Call("apply_patch", {"input": patch}, text=patch)
            return call_of(Run(f"printf %s {shlex.quote(content)} > {shlex.quote(path)}"), tools)
    names = ", ".join(each.name for each in tools)
    raise NotOffered(f"the agent offers nothing for {wanted}; it offers {names}")


def arguments_of(call: Call) -> str:
    """Return a call's arguments as JSON."""
    return json.dumps(call.arguments)


def _is_mcp(tool: Tool, wanted: str) -> bool:
    return tool.name == wanted or tool.name.endswith((f"__{wanted}", f"_{wanted}"))


def _shell_arguments(tool: Tool, command: str) -> Mapping[str, Any]:
    if "cmd" in tool.properties:
        return {"cmd": command, "yield_time_ms": PATIENCE_MS}
    kind = tool.properties.get("command", {}).get("type")
    words: str | list[str] = ["bash", "-lc", command] if kind == "array" else command
    described = {"description": "Runs it"} if "description" in tool.properties else {}
    return {"command": words, **described}
