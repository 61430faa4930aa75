"""The known shapes of keys and tokens, and what tells one from what only looks like it."""

import base64
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from symphony.core.guard.entropy import classes, entropy


@dataclass(frozen=True, slots=True)
class Shape:
    """A kind of secret.

    Attributes:
        markers: lower case; a text without any of them holds none, which is quick to find out.
        pattern: a group `secret` is the secret where it is not the whole.
        least: bits per character that the secret has at least.
        holds: whether what looks like one is one.
    """

    rule: str
    markers: tuple[str, ...]
    pattern: re.Pattern[str]
    least: float = 3.0
    holds: Callable[[re.Match[str]], bool] = lambda _: True


def _shape(
    rule: str,
    markers: str,
    pattern: str,
    least: float = 3.0,
    holds: Callable[[re.Match[str]], bool] = lambda _: True,
) -> Shape:
    whole = re.compile(rf"(?<![A-Za-z0-9_]){pattern}(?![A-Za-z0-9_])")
    return Shape(rule, tuple(markers.split()), whole, least, holds)


def _is_token_of_parts(found: re.Match[str]) -> bool:
    """Say whether the first part is the header of a signed JSON web token."""
    head = found[0].split(".")[0]
    try:
        said = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    except ValueError:
        return False
    if not isinstance(said, dict) or str(said.get("alg", "none")).lower() == "none":
        return False
    return not found[0].endswith(KNOWN_SIGNATURES)


KNOWN_SIGNATURES: Final = (
    "SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c",
    "TJVA95OrM7E2cBab30RMHrHDcEfxjoYZgeFONFh7HgQ",
    "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
)  # those of the examples in every article about such tokens

PLAIN_HOSTS: Final = re.compile(
    r"(?:localhost|127\.0\.0\.1|\[::1\]|0\.0\.0\.0|host|hostname|db|database|postgres|mysql|redis|mongo|rabbitmq)"
    r"(?=[:/?]|\b(?![.\w-]))|(?:[A-Za-z0-9-]{1,63}\.){0,4}(?:example|test|invalid|local)(?:\.(?:com|org|net))?\b"
)
PLAIN_PASSWORDS: Final = frozenset(
    {
        *(
            "password",
            "passwd",
            "pass",
            "secret",
            "postgres",
            "mysql",
            "root",
            "admin",
            "user",
            "guest",
            "test",
        ),
        *("token", "x-oauth2-basic", "oauth2", "x-access-token", "redis", "rabbitmq", "mongo", "hunter2"),
        *("letmein", "qwerty"),
    }
)


def _is_password(found: re.Match[str]) -> bool:
    word, user = found["secret"], found["user"]
    if word.lower() in PLAIN_PASSWORDS or word == user or re.search(r"[$<>{},%]", word) or len(word) < 8:
        return False
    if PLAIN_HOSTS.match(found["host"]) and entropy(word) < 3.6:
        return False
    return classes(word) >= 2


LETTERS: Final = "[A-Za-z0-9]"
DASHED: Final = "[A-Za-z0-9_-]"

SHAPES: Final = (
    _shape("aws-access-key", "akia asia abia acca", r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}"),
    _shape(
        "aws-secret-key",
        "secret",
        r"(?i:aws)?_?(?i:secret_?(?:access_?)?key)[\"']?\s{0,5}[:=]\s{0,5}[\"']?(?P<secret>[A-Za-z0-9/+]{40})(?![/+=])",
        4.0,
    ),
    _shape("google-api-key", "aiza", rf"AIza{DASHED}{{35}}", 3.5),
    _shape("google-oauth-secret", "gocspx-", rf"GOCSPX-{DASHED}{{28}}", 3.5),
    _shape("google-oauth-token", "ya29.", rf"ya29\.{DASHED}{{30,400}}", 3.5),
    _shape("azure-storage-key", "accountkey=", r"AccountKey=(?P<secret>[A-Za-z0-9+/]{86}==)", 4.5),
    _shape("azure-client-secret", "q~", r"[A-Za-z0-9_~.]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,34}", 4.0),
    _shape("github-token", "ghp_ gho_ ghu_ ghs_ ghr_", rf"gh[pousr]_{LETTERS}{{36,255}}", 3.5),
    _shape("github-token", "github_pat_", rf"github_pat_{LETTERS}{{22}}_{LETTERS}{{59}}", 3.5),
    _shape(
        "gitlab-token", "glpat- gldt- glrt- glptt- glcbt-", rf"gl(?:pat|dt|rt|ptt|cbt)-{DASHED}{{20,60}}", 3.2
    ),
    _shape("slack-token", "xoxa xoxb xoxe xoxp xoxr xoxs", r"xox[abeprs]-[A-Za-z0-9-]{20,250}", 3.0),
    _shape("slack-token", "xapp-", r"xapp-\d-[A-Z0-9]{8,20}-\d{8,20}-[a-f0-9]{40,80}", 3.0),
    _shape(
        "slack-webhook",
        "hooks.slack.com",
        rf"hooks\.slack\.com/services/(?P<secret>T{LETTERS}{{6,14}}/B{LETTERS}{{6,14}}/{LETTERS}{{20,30}})",
        3.5,
    ),
    _shape(
        "discord-webhook",
        "api/webhooks/",
        rf"discord(?:app)?\.com/api/webhooks/\d{{15,22}}/(?P<secret>{DASHED}{{60,80}})",
        4.0,
    ),
    _shape("discord-token", ".", rf"[MNO]{DASHED}{{23,26}}\.{DASHED}{{6}}\.{DASHED}{{27,40}}", 4.0),
    _shape("telegram-token", ":aa", rf"\d{{8,10}}:AA{DASHED}{{33}}", 3.8),
    _shape("stripe-key", "sk_live_ rk_live_", rf"[sr]k_live_{LETTERS}{{20,120}}", 3.5),
    _shape("stripe-webhook-secret", "whsec_", r"whsec_[A-Za-z0-9+/]{32,64}", 3.8),
    _shape("anthropic-key", "sk-ant-", rf"sk-ant-[a-z]{{3,8}}\d{{2}}-{DASHED}{{60,140}}", 3.8),
    _shape("openrouter-key", "sk-or-", r"sk-or-v1-[0-9a-f]{64}", 3.0),
    _shape("openai-key", "sk-", rf"sk-(?:proj|svcacct|admin)-{DASHED}{{40,200}}", 3.8),
    _shape("openai-key", "sk-", rf"sk-{LETTERS}{{32,64}}", 3.2),
    _shape("groq-key", "gsk_", rf"gsk_{LETTERS}{{50,60}}", 3.8),
    _shape("xai-key", "xai-", rf"xai-{LETTERS}{{70,90}}", 3.8),
    _shape("hugging-face-token", "hf_", rf"hf_{LETTERS}{{30,40}}", 3.5),
    _shape("replicate-token", "r8_", rf"r8_{LETTERS}{{37}}", 3.5),
    _shape("npm-token", "npm_", rf"npm_{LETTERS}{{36}}", 3.5),
    _shape("pypi-token", "pypi-ageicHlwas5vcmc".lower(), rf"pypi-AgEIcHlwaS5vcmc{DASHED}{{50,250}}", 3.8),
    _shape("docker-token", "dckr_", rf"dckr_(?:pat|oat)_{DASHED}{{27,36}}", 3.5),
    _shape("digitalocean-token", "_v1_", r"do[opr]_v1_[a-f0-9]{64}", 3.0),
    _shape("sendgrid-key", "sg.", rf"SG\.{DASHED}{{22}}\.{DASHED}{{43}}", 4.0),
    _shape(
        "twilio-key",
        "twilio",
        r"(?i:twilio)\w{0,20}[\"']?\s{0,5}[:=]\s{0,5}[\"']?(?P<secret>(?:SK)?[0-9a-f]{32})",
        3.0,
    ),
    _shape("mailgun-key", "key-", r"key-[0-9a-f]{32}", 3.0),
    _shape("shopify-token", "shp", r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}", 3.0),
    _shape("databricks-token", "dapi", r"dapi[a-f0-9]{32}(?:-\d)?", 3.0),
    _shape("linear-key", "lin_api_", rf"lin_(?:api|oauth)_{LETTERS}{{40,64}}", 3.5),
    _shape("notion-token", "ntn_", rf"ntn_{LETTERS}{{43,50}}", 3.8),
    _shape("vault-token", "hvs. hvb.", rf"hv[sb]\.{DASHED}{{24,300}}", 3.5),
    _shape("terraform-token", ".atlasv1.", rf"{LETTERS}{{14}}\.atlasv1\.{DASHED}{{60,80}}", 3.8),
    _shape("grafana-token", "glsa_", rf"glsa_{LETTERS}{{32}}_[a-f0-9]{{8}}", 3.5),
    _shape("new-relic-key", "nrak-", r"NRAK-[A-Z0-9]{27}", 3.3),
    _shape("postman-key", "pmak-", r"PMAK-[a-f0-9]{24}-[a-f0-9]{34}", 3.0),
    _shape("supabase-token", "sbp_", r"sbp_[a-f0-9]{40}", 3.0),
    _shape("age-key", "age-secret-key-1", r"AGE-SECRET-KEY-1[0-9A-Z]{58}", 3.8),
    _shape(
        "json-web-token",
        "eyj",
        rf"eyJ{DASHED}{{10,2000}}\.eyJ{DASHED}{{10,6000}}\.{DASHED}{{20,800}}",
        4.0,
        _is_token_of_parts,
    ),
    Shape(
        "password-in-address",
        ("://",),
        re.compile(
            r"(?<=://)(?P<user>[^\s/:@\"'`]{0,100}):(?P<secret>[^\s/@\"'`]{4,200})@(?P<host>[^\s\"'`]{1,200})"
        ),
        2.5,
        _is_password,
    ),
)
