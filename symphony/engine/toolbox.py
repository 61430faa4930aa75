"""The workflow's own tools as one dispatch offers them: counted, run on the host, logged [CONTRACT 6.5].

The agent chooses values, never the program. What a command prints is shown to the agent without
the secrets that symphony knows, and the call is in the run log whatever became of it.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from symphony.core.errors import SymphonyError
from symphony.core.ports import Clock, HostCommands, RunLog, RunResult
from symphony.core.redaction import Clipped, Redactor
from symphony.core.report import ReportRefused
from symphony.core.settings.tools import ToolSettings
from symphony.core.text import plain
from symphony.core.tool import Tool
from symphony.core.tool_template import UnfitValue, render

AT_ONCE: Final = 4  # commands of one attempt: agents call side by side, and the host is one
CALLS: Final = 500  # per attempt: more is an agent that runs away
ARGUMENTS_SHOWN: Final = 2_000  # characters in the run log
NOTHING_PRINTED: Final = "It printed nothing."


class Toolbox:
    """One dispatch's declared tools.

    Attributes:
        offered: as `tools/list` shows them.
    """

    def __init__(
        self,
        tools: Sequence[ToolSettings],
        commands: HostCommands,
        clock: Clock,
        run_log: RunLog,
        *,
        environment: Mapping[str, str],
        variables: Mapping[str, Mapping[str, str]],
        secrets: frozenset[str],
    ) -> None:
        """Offer these tools.

        Args:
            tools: those of the issue's state.
            commands: runs them.
            clock: measures them.
            run_log: hears of each call.
            environment: of all of them.
            variables: more of each one, by its name.
            secrets: what no answer shows.
        """
        self._tools = {tool.name: tool for tool in tools}
        self._commands = commands
        self._clock = clock
        self._run_log = run_log
        self._environment = environment
        self._variables = variables
        self._redactor = Redactor(secrets)
        self._calls = 0
        self._running = 0
        self.offered = tuple(Tool(tool.name, tool.description, tool.schema_of_input()) for tool in tools)

    async def use(self, name: str, arguments: Mapping[str, Any]) -> str:
        """Run a tool's command; return what it printed.

        Raises:
            ReportRefused: it was not run, failed, or did not end in time.
        Cancellation: the command is ended first.
        """
        tool = self._tools[name]
        if self._calls >= CALLS:
            raise ReportRefused(
                f"{name} was not run: you have called the workflow's tools {CALLS} times, "
                "which is the most in one attempt. Go on without them."
            )
        if self._running >= AT_ONCE:
            raise ReportRefused(
                f"{name} was not run: {AT_ONCE} tools run already. Wait for an answer, then call it again."
            )
        self._calls += 1
        self._running += 1
        began, result = self._clock.now(), None
        problem = "was cut off by the end of the attempt"
        try:
            argv = render(tool.argv, _with_defaults(tool, arguments))
            result = await self._commands.run(
                argv,
                environment={**self._environment, **self._variables.get(name, {})},
                timeout_s=tool.timeout_ms / 1000,
                output_limit=tool.output_limit_bytes + 2 * self._redactor.overlap,
            )
            problem = "" if result.exit_status is not None else "did not end in time"
        except UnfitValue as error:
            problem = f"was not accepted: {error}. Call it again with this corrected."
            raise ReportRefused(f"{name} {problem}") from error
        except SymphonyError as error:
            problem = f"could not be started: {error}"
            raise ReportRefused(
                f"{name} {self._redactor.text(problem)} Only a person can mend that; go on without it."
            ) from error
        finally:
            self._running -= 1
            self._log(name, arguments, result, problem, (self._clock.now() - began).total_seconds())
        return self._answer(tool, result)

    def _answer(self, tool: ToolSettings, result: RunResult) -> str:
        printed = "\n\n".join(
            part
            for part in (
                self._stream("stdout", result.stdout, tool.output_limit_bytes),
                self._stream("stderr", result.stderr, tool.output_limit_bytes),
            )
            if part
        )
        if result.exit_status == 0:
            return printed or NOTHING_PRINTED
        how = (
            f"did not end within {tool.timeout_ms / 1000:g} s and was ended"
            if result.exit_status is None
            else f"ended with status {result.exit_status}"
        )
        raise ReportRefused(f"{tool.name} {how}.\n\n{printed or NOTHING_PRINTED}")

    def _stream(self, name: str, output: bytes, limit: int) -> str:
        text = self._redactor.text(output.decode("utf-8", "replace"))
        if len(output) >= limit + 2 * self._redactor.overlap:
            text = text[self._redactor.overlap :]  # a secret may have been cut in two where it begins
        text = plain(text, len(text)).rstrip()
        kept = text.encode()[-limit:].decode("utf-8", "ignore")
        if not kept:
            return ""
        note = f", only the last {limit:,} bytes of it" if len(output) > limit else ""
        return f"{name}{note}:\n{kept}"

    def _log(
        self,
        name: str,
        arguments: Mapping[str, Any],
        result: RunResult | None,
        problem: str,
        seconds: float,
    ) -> None:
        text = json.dumps(arguments, ensure_ascii=False)
        head = Clipped(text[: ARGUMENTS_SHOWN + self._redactor.overlap], len(text))
        shown = self._redactor.clipped(head) if len(text) > ARGUMENTS_SHOWN else self._redactor.text(text)
        status = None if result is None else result.exit_status
        self._run_log.append(
            "host_tool",
            name=name,
            arguments=plain(shown, len(shown)),
            status=status,
            problem=problem,
            seconds=seconds,
        )


def _with_defaults(tool: ToolSettings, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    defaults = {
        name: argument.default
        for name, argument in tool.input.properties.items()
        if argument.default is not None
    }
    return {**defaults, **arguments}
