"""What the shapes of the HTTP API are put together from (JSON Schema 2020-12)."""

from typing import Any, Final, TypeAlias

Schema: TypeAlias = dict[str, Any]

TEXT: Final[Schema] = {"type": "string"}
FLAG: Final[Schema] = {"type": "boolean"}
WHOLE: Final[Schema] = {"type": "integer"}
COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
AMOUNT: Final[Schema] = {"type": "number"}
SECONDS: Final[Schema] = {"type": "number", "minimum": 0, "description": "Seconds."}
TIME: Final[Schema] = {
    "type": "string",
    "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$",
    "description": "UTC with milliseconds.",
}
NOTHING: Final[Schema] = {"type": "null"}


def ref(name: str) -> Schema:
    """Return a reference to a named shape."""
    return {"$ref": f"#/components/schemas/{name}"}


def maybe(schema: Schema) -> Schema:
    """Return a schema that also takes null."""
    return {"anyOf": [schema, NOTHING]}


def many(schema: Schema) -> Schema:
    """Return a list's schema."""
    return {"type": "array", "items": schema}


def named(schema: Schema, words: str) -> Schema:
    """Return the schema of an object whose keys are names."""
    return {"type": "object", "additionalProperties": schema, "description": words}


def one_of(*values: str) -> Schema:
    """Return the schema of a closed set of words."""
    return {"type": "string", "enum": list(values)}


def record(words: str, **fields: Schema) -> Schema:
    """Return the schema of an object with exactly these fields."""
    return {
        "type": "object",
        "description": words,
        "properties": fields,
        "required": list(fields),
        "additionalProperties": False,
    }
