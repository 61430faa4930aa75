"""Receipts as the text that the store's columns hold."""

from dataclasses import asdict
from typing import Any

from symphony.core.receipt import CheckRun, Receipt


def receipt_fields(receipt: Receipt | None) -> dict[str, Any] | None:
    """Return what JSON holds of a receipt."""
    return None if receipt is None else asdict(receipt)


def receipt_of(fields: dict[str, Any] | None) -> Receipt | None:
    """Return the receipt again."""
    if fields is None:
        return None
    return Receipt(
        fields["tree"], tuple(CheckRun(**run) for run in fields["checks"]), fields.get("merged", "")
    )
