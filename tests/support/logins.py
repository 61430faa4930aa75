"""Login files as the three programs write them, with made-up values."""

import base64
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

REFRESH = "refresh-0-0123456789"
ACCESS = "access-0-0123456789"
ACCOUNT = "account-4711"


def write_login(path: Path, document: Any) -> Path:
    """Write a file as its program would."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    path.chmod(0o600)
    return path


def claude_login(expires_at: datetime, *, access: str = ACCESS, refresh: str = REFRESH) -> dict[str, Any]:
    """Return a `.credentials.json`."""
    return {
        "claudeAiOauth": {
            "accessToken": access,
            "refreshToken": refresh,
            "expiresAt": int(expires_at.timestamp() * 1000),
            "scopes": ["user:inference", "user:profile"],
            "subscriptionType": "max",
            "rateLimitTier": "default_claude_max_20x",
        },
        "mcpOAuth": {"docs|1": {"accessToken": "of another server", "unknown": [1, None]}},
    }


def jwt(claims: dict[str, Any]) -> str:
    """Return a token that says this, with a signature that nobody checks."""
    parts = [json.dumps(part).encode() for part in ({"alg": "RS256"}, claims)]
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (*parts, b"signature"))


def codex_access(since: datetime, lifetime: timedelta = timedelta(days=10), **more: Any) -> str:
    """Return an access token as OpenAI's are."""
    return jwt({"iat": int(since.timestamp()), "exp": int((since + lifetime).timestamp()), **more})


def codex_login(
    since: datetime, lifetime: timedelta = timedelta(days=10), *, refresh: str = REFRESH, n: int = 0
) -> dict[str, Any]:
    """Return an `auth.json`."""
    told = {"chatgpt_account_id": ACCOUNT, "chatgpt_plan_type": "pro", "chatgpt_user_id": "user-1"}
    identity = {"email": "someone@example.org", "https://api.openai.com/auth": told}
    return {
        "auth_mode": "chatgpt",
        "OPENAI_API_KEY": None,
        "tokens": {
            "id_token": jwt(identity),
            "access_token": codex_access(since, lifetime, n=n),
            "refresh_token": refresh,
            "account_id": ACCOUNT,
        },
        "last_refresh": since.isoformat().replace("+00:00", "Z"),
        "unknown": {"kept": True},
    }


def opencode_login(expires_at: datetime, *, refresh: str = REFRESH) -> dict[str, Any]:
    """Return an `auth.json` with a ChatGPT account and a key."""
    return {
        "openai": {
            "type": "oauth",
            "refresh": refresh,
            "access": ACCESS,
            "expires": int(expires_at.timestamp() * 1000),
            "accountId": ACCOUNT,
        },
        "openrouter": {"type": "api", "key": "sk-or-0123456789"},
        "unheard-of": {"type": "api", "key": "key-0123456789", "metadata": {"region": "x"}},
    }
