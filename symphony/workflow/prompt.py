"""The prompt of an attempt: the workflow's Liquid template, rendered strictly [CONTRACT 2.5].

An unknown variable or filter fails the attempt instead of printing nothing. The issue's text is
data: it is put in as a value and never read as Liquid. The template reaches no file.
"""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from datetime import date
from pathlib import Path
from typing import Any

from liquid import Environment
from liquid.exceptions import (
    LiquidError,
    ResourceLimitError,
    UndefinedError,
    UnknownFilterError,
)
from liquid.template import BoundTemplate
from liquid.token import TOKEN_TAG
from liquid.undefined import StrictDefaultUndefined

from symphony.core.issue import Issue
from symphony.core.text import one_line
from symphony.core.transition import exits_of
from symphony.core.workflow import Workflow
from symphony.workflow.errors import WorkflowError
from symphony.workflow.words import meant

OUTPUT_LIMIT = 1024 * 1024  # bytes; no model reads more, and an agent's frame has to hold it
LOOP_LIMIT = 100_000  # rounds of one nest of loops; the longest list is an issue's labels
NAMESPACE_LIMIT = 8 * 1024 * 1024  # bytes of assigned variables
EXTRA_LIMIT = 4 * 1024 * 1024  # values and characters of unknown front matter; aliases can multiply them
EXTRA_DEPTH = 40  # an anchor may contain itself
SCOPE = ("issue", "attempt", "workspace", "workflow")

DEFAULT_PROMPT = """\
You are working on the issue `{{ issue.identifier }}`: {{ issue.title }}

{% if issue.description != "" -%}
{{ issue.description }}
{%- else -%}
The issue has no description; its title says what is wanted.
{%- endif %}

How to work:
- The current folder is a git clone made for this issue alone, on the branch `{{ workspace.branch }}`,
  which starts from `{{ workspace.base }}`. Change only files in this folder.
- Read what is there before you change it, and follow the habits of the project. Run its tests.
- Commit your work on the current branch in small commits with clear messages. Do not push, and do
  not switch or rename the branch: your commits are collected from here.
{% if workflow.finishes -%}
- When all that the issue asks for is committed and works, call the tool `mark_done` with a `title`
  (one line, as of a commit) and a `summary` (what changed, why, and how you checked it).
{% endif -%}
{% if workflow.transitions.size > 0 -%}
- The issue is in the state `{{ issue.state }}`. When your part of it is committed and another state
  has to take over, call the tool `transition` with that state as `to_state` (`{{ workflow.transitions
  | join: "`, `" }}`) and `notes` for whoever works on it there.
{% endif -%}
- When you cannot go on without a decision or a fact that only a person has, call the tool
  `request_human_steering` with one clear `question` and the `context` needed to answer it, then
  stop. Do not guess, and do not ask for what you can find out yourself.
{% if attempt -%}
- This is attempt {{ attempt }}. Look at `git log` and `git status` first: earlier work may be there.
{% endif -%}
"""


class _StrictEnvironment(Environment):
    loop_iteration_limit = LOOP_LIMIT
    local_namespace_limit = NAMESPACE_LIMIT
    output_stream_limit = OUTPUT_LIMIT


def _environment() -> Environment:
    # `default` on an unknown variable is a fallback that the author wrote; anything else raises
    environment = _StrictEnvironment(undefined=StrictDefaultUndefined, strict_filters=True)
    for tag in ("include", "render"):
        del environment.tags[tag]
    return environment


ENVIRONMENT = _environment()


def render_prompt(workflow: Workflow, issue: Issue, attempt: int | None, workspace: Mapping[str, Any]) -> str:
    """Render the workflow's prompt for an attempt; an empty one is the default prompt.

    The first attempt on an issue has None for `attempt`; `workspace` holds `path`, `branch`, `base`.

    Raises:
        WorkflowError: `template_parse_error` or `template_render_error`, with the line of WORKFLOW.md.
    """
    source = _Source(workflow.prompt or DEFAULT_PROMPT, workflow.prompt_line, workflow.path)
    template = source.parse()
    exits = exits_of(workflow.settings, issue.state)
    scope = {
        "issue": issue_scope(issue, source),
        "attempt": attempt,
        "workspace": {key: _data(value, _Budget()) for key, value in workspace.items()},
        "workflow": {
            "path": str(workflow.path),
            "transitions": [target.state for target in exits.targets],
            "finishes": exits.finishes,
        },
    }
    try:
        text: str = template.render(scope)
    except LiquidError as error:
        raise source.render_error(error, scope) from error
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise source.error(
            "template_render_error", source.line, f"the prompt fails: {_said(error)}."
        ) from error
    if not text.strip():
        message = "the prompt comes out empty for this issue; give it a text that is always there."
        raise source.error("template_render_error", source.line, message)
    return text.strip("\n") + "\n"


def prompt_warnings(prompt: str, line: int, path: Path) -> Iterator[str]:
    """Yield a sentence for what will fail the attempts that use this prompt."""
    source = _Source(prompt, line, path)
    try:
        usage = source.parse().analyze()
    except WorkflowError as error:
        yield f"{error.problems[0]} Attempts fail until it is corrected."
        return
    except (LiquidError, RecursionError):
        return  # what cannot be looked through still renders, or fails its attempt with its own reason
    for name, variables in usage.globals.items():
        if name not in SCOPE and name not in ("now", "today"):
            where = source.line_at(variables[0].span.index)
            yield f"{path}:{where}: {_unknown_variable(name, SCOPE)} Attempts may fail until it is corrected."
    for name, spans in usage.filters.items():
        if name not in ENVIRONMENT.filters:
            where = source.line_at(spans[0].index)
            yield f"{path}:{where}: {_unknown_filter(name)} Attempts may fail until it is corrected."


def issue_scope(issue: Issue, source: "_Source") -> dict[str, Any]:
    """Return the issue as a template sees it; its unknown front matter is in `extra` and beside it.

    Raises:
        WorkflowError: `template_render_error` when the unknown front matter is too much to hold.
    """
    budget = _Budget()
    try:
        extra = {str(key): _data(value, budget) for key, value in issue.extra.items()}
    except _TooMuchError as error:
        message = f"the front matter of the issue {one_line(issue.id)} is too large or nested too deeply."
        raise source.error("template_render_error", source.line, message) from error
    known = {item.name: getattr(issue, item.name) for item in fields(issue) if item.name != "extra"}
    return {**extra, **{key: _data(value, _Budget()) for key, value in known.items()}, "extra": extra}


class _TooMuchError(Exception):
    pass


class _Budget:
    def __init__(self) -> None:
        self.left = EXTRA_LIMIT

    def spend(self, amount: int) -> None:
        self.left -= amount
        if self.left < 0:
            raise _TooMuchError


def _data(value: Any, budget: _Budget, depth: int = 0) -> Any:
    budget.spend(1 + (len(value) if isinstance(value, str) else 0))
    if depth > EXTRA_DEPTH:
        raise _TooMuchError
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): _data(item, budget, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_data(item, budget, depth + 1) for item in value]
    return str(value)


class _Source:
    """A template and where it stands in WORKFLOW.md."""

    def __init__(self, text: str, line: int, path: Path) -> None:
        self.text = text
        self.line = line
        self.path = path

    def line_at(self, index: int) -> int:
        return self.line + self.text.count("\n", 0, max(index, 0))

    def error(self, code: str, line: int, message: str) -> WorkflowError:
        return WorkflowError.single(code, self.path, f"{self.path}:{line}", message)

    def parse(self) -> BoundTemplate:
        try:
            return ENVIRONMENT.from_string(self.text)
        except LiquidError as error:
            line, said = self._line_of(error), _said(error)
            if line is None:
                line, said = self._loose_end(said)
            message = f"the prompt is not valid Liquid: {said}."
            raise self.error("template_parse_error", line, message) from error

    def render_error(self, error: LiquidError, scope: Mapping[str, Any]) -> WorkflowError:
        line = self._line_of(error) or self.line
        match error:
            case UndefinedError():
                message = _undefined(error, scope)
            case UnknownFilterError():
                message = _unknown_filter(_said(error).removeprefix("unknown filter ").strip("'"))
            case ResourceLimitError():
                bounds = f"at most {OUTPUT_LIMIT >> 20} MiB of text and {LOOP_LIMIT:,} rounds of a loop"
                message = f"the prompt needs too much: {_said(error)}; allowed: {bounds}."
            case LiquidError() if error.token and error.token.value in ENVIRONMENT.filters:
                message = f"the filter `{error.token.value}` fails: {_said(error)}."
            case _:
                message = f"the prompt fails: {_said(error)}."
        return self.error("template_render_error", line, message)

    def _line_of(self, error: LiquidError) -> int | None:
        token = error.token
        if token is None or token.start_index < 0:
            return None
        return self.line_at(token.start_index)

    def _loose_end(self, said: str) -> tuple[int, str]:
        """Return the line of a block that nothing closes and words for it, as Liquid names neither."""
        stack: list[tuple[str, int]] = []
        try:
            for token in ENVIRONMENT.tokenizer()(self.text):
                if token.kind != TOKEN_TAG:
                    continue
                tag = ENVIRONMENT.tags.get(token.value)
                if tag is not None and tag.block and tag.end:
                    stack.append((tag.end, token.start_index))
                elif stack and token.value == stack[-1][0]:
                    stack.pop()
        except LiquidError:
            return self.line, said
        if not stack:
            return self.line_at(self.text.find("{{")), said
        end, index = stack[-1]
        return self.line_at(index), f"nothing closes this block; add {{% {end} %}}"


def _undefined(error: LiquidError, scope: Mapping[str, Any]) -> str:
    name, named, _ = _said(error).partition(" is undefined")
    name = name.strip("'") if named or not error.token else error.token.value
    parent, _, _ = name.rpartition(".")
    known = _children(scope, parent) if parent else scope
    if name in known:
        return f"the prompt uses an item of `{one_line(name, 80)}` that is not there."
    return _unknown_variable(name, known)


def _children(scope: Mapping[str, Any], parent: str) -> list[str]:
    value: Any = scope
    for part in parent.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return [f"{parent}.{key}" for key in value] if isinstance(value, Mapping) else []


def _unknown_variable(name: str, known: Any) -> str:
    return f"the prompt uses the unknown variable `{one_line(name, 80)}`.{meant(name, known)}"


def _unknown_filter(name: str) -> str:
    return f"the prompt uses the unknown filter `{one_line(name, 80)}`.{meant(name, ENVIRONMENT.filters)}"


def _said(error: BaseException) -> str:
    return one_line(str(error.args[0]) if error.args else type(error).__name__).rstrip(".")
