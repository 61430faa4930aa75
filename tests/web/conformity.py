"""Holds answers of a listener to the API's own document."""

import re
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from symphony.web.openapi import document
from tests.web.support import Answer

METHODS = ("get", "post", "put", "patch", "delete")


def operations() -> list[tuple[str, str]]:
    """Return each method with its path."""
    return [
        (method, path) for path, item in document()["paths"].items() for method in item if method in METHODS
    ]


def resolved(node: Any) -> Any:
    """Return what a reference of the document stands for."""
    while isinstance(node, dict) and "$ref" in node:
        target: Any = document()
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        node = target
    return node


@cache
def validator(method: str, path: str, status: int) -> Draft202012Validator | None:
    """Return what checks a body; None for a status without one."""
    responses = document()["paths"][path][method]["responses"]
    assert str(status) in responses, f"{method} {path} says nothing of {status}"
    content = resolved(responses[str(status)]).get("content")
    if content is None or "application/json" not in content:
        return None
    schema = {**content["application/json"]["schema"], "components": document()["components"]}
    return Draft202012Validator(schema)


def path_of(target: str) -> str:
    """Return the documented path that a request's target is answered under; of two the first counts."""
    for path in document()["paths"]:
        pattern = re.sub(r"\\\{id\\\}", "[^/]+", re.escape(path))
        if re.fullmatch(pattern, target.partition("?")[0]):
            return path
    raise AssertionError(f"nothing is documented at {target}")


def check(method: str, path: str, answer: Answer) -> None:
    """Fail unless the answer is one that the document tells of."""
    checks = validator(method, path, answer.status)
    if method == "head" or checks is None:
        return
    problems = [error.message for error in checks.iter_errors(answer.json)]
    assert not problems, f"{method} {path} answered {answer.status} {answer.body[:500]!r}: {problems[:3]}"
