"""An issue's access ledger as one column of its record, and back.

JSON and not a table: the ledger is bounded, belongs to one record, and is read with it.
"""

import json

from symphony.core.access import AccessDecision, AccessLedger, AccessRequest
from symphony.store.texts import json_text, optional_instant, optional_instant_text

NOTHING = AccessLedger()
EMPTY = "{}"


def access_text(ledger: AccessLedger) -> str:
    """Return what outlives the attempt: a machine that is gone keeps nothing open."""
    kept = ledger.ended()
    if kept == NOTHING:
        return EMPTY
    requests = [
        {
            "host": request.host,
            "port": request.port,
            "tries": request.tries,
            "asked_at": optional_instant_text(request.asked_at),
            "last_at": optional_instant_text(request.last_at),
            "decision": request.decision,
            "decided_at": optional_instant_text(request.decided_at),
            "trouble": request.trouble,
        }
        for request in kept.requests
    ]
    return json_text({"requests": requests, "not_kept": kept.not_kept, "never": kept.never})


def access_of(text: str) -> AccessLedger:
    """Return the ledger that `access_text` wrote.

    Raises:
        ValueError, LookupError, TypeError: it is not one of those.
    """
    if text == EMPTY:
        return NOTHING
    fields = json.loads(text)
    requests = tuple(
        AccessRequest(
            host=each["host"],
            port=each["port"],
            tries=each["tries"],
            asked_at=optional_instant(each["asked_at"]),
            last_at=optional_instant(each["last_at"]),
            decision=None if each["decision"] is None else AccessDecision(each["decision"]),
            decided_at=optional_instant(each["decided_at"]),
            trouble=each["trouble"],
        )
        for each in fields["requests"]
    )
    return AccessLedger(requests, fields["not_kept"], fields["never"])
