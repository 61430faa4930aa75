"""Tells someone by a POST to a URL of the user's, signed where there is a secret."""

import hashlib
import hmac
import json
from typing import Final
from urllib.parse import quote

import aiohttp

from symphony.core.notice import Notice, NoticeFailed
from symphony.core.settings import NotifySettings
from symphony.core.text import one_line

BOUND_S: Final = 10.0  # for the whole exchange
ANSWER_LIMIT: Final = 1_000  # bytes of a refusal, of which people see a line
SIGNATURE: Final = "X-Symphony-Signature"
AGAIN: Final = frozenset({408, 425, 429})  # refusals of the moment; any other below 500 stands


class Webhook:
    """A `core.ports.Notifier` that posts JSON; it follows no redirect and keeps no connection."""

    def __init__(self, bound_s: float = BOUND_S) -> None:
        """Take at most `bound_s` seconds for each notice."""
        self._bound_s = bound_s

    async def tell(self, target: NotifySettings, notice: Notice) -> None:
        """Post the notice.

        Raises:
            NoticeFailed: nobody answered, or not with success; final if it would be so again.
        """
        body = json.dumps(notice.fields()).encode("ascii")
        headers = {"Content-Type": "application/json", "User-Agent": "symphony"}
        if target.secret is not None:
            headers[SIGNATURE] = signature_of(body, target.secret)
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=self._bound_s)) as session,
                session.post(target.target, data=body, headers=headers, allow_redirects=False) as response,
            ):
                if 200 <= response.status < 300:
                    return
                said = await response.content.read(ANSWER_LIMIT)
                status = response.status
        except TimeoutError as error:
            raise NoticeFailed(f"The webhook did not answer within {self._bound_s:g} s.") from error
        except aiohttp.InvalidURL as error:
            raise NoticeFailed("The webhook's URL cannot be used.", final=True) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise NoticeFailed(f"The webhook could not be reached ({type(error).__name__}).") from error
        words = one_line(said.decode("utf-8", "replace"))
        raise NoticeFailed(
            f"The webhook answered with status {status}{f': {words}' if words else '.'}",
            final=status < 500 and status not in AGAIN,
        )


def signature_of(body: bytes, secret: str) -> str:
    """Return the signature that proves that the body comes from who knows the secret."""
    return f"sha256={hmac.new(secret.encode('utf-8'), body, hashlib.sha256).hexdigest()}"


def page_url(listener: str, issue_id: str | None) -> str:
    """Return the page on which a person can act on an issue, or on all that needs them."""
    return f"{listener}/inbox" if issue_id is None else f"{listener}/issues/{quote(issue_id, safe='')}"
