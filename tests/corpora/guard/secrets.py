"""Texts with and without secrets; the secrets are drawn here, so that the repository holds none."""

import base64
import json
import random
import string
from collections.abc import Iterator

UPPER, LOWER, DIGITS = string.ascii_uppercase, string.ascii_lowercase, string.digits
BASE62 = UPPER + LOWER + DIGITS
BASE64 = BASE62 + "+/"
URLSAFE = BASE62 + "-_"
BASE32 = UPPER + "234567"
HEX = DIGITS + "abcdef"


def _draw(seed: str, alphabet: str, length: int) -> str:
    chance = random.Random(seed)
    return "".join(chance.choice(alphabet) for _ in range(length))


def _web_token(seed: str) -> str:
    def part(value: dict[str, object]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    head = {"alg": "HS256", "typ": "JWT"}
    claims = {"sub": _draw(seed + "sub", DIGITS, 9), "iat": 1_790_000_000, "role": "service"}
    return f"{part(head)}.{part(claims)}.{_draw(seed, URLSAFE, 43)}"


def _private_key(seed: str, kind: str, lines: int) -> str:
    body = "\n".join(_draw(f"{seed}{number}", BASE64, 64) for number in range(lines))
    return f"-----BEGIN {kind}PRIVATE" + f" KEY-----\n{body}\n-----END {kind}PRIVATE" + " KEY-----"


def tokens(variant: int) -> dict[str, str]:
    """Return one token of each kind that has a shape of its own."""
    v = str(variant)
    return {
        "aws access key": "AK" + "IA" + _draw("aws" + v, BASE32, 16),
        "aws session key": "AS" + "IA" + _draw("asia" + v, BASE32, 16),
        "google api key": "AI" + "za" + _draw("goog" + v, URLSAFE, 35),
        "google oauth secret": "GOC" + "SPX-" + _draw("gocspx" + v, URLSAFE, 28),
        "google oauth token": "ya" + "29." + _draw("ya29" + v, URLSAFE, 120),
        "azure storage": "Account" + "Key=" + _draw("azs" + v, BASE64, 86) + "==",
        "azure client secret": _draw("azc" + v, BASE62, 3) + "8" + "Q~" + _draw("azd" + v, BASE62 + "_.-", 34),
        "github classic": "gh" + "p_" + _draw("ghp" + v, BASE62, 36),
        "github actions": "gh" + "s_" + _draw("ghs" + v, BASE62, 36),
        "github fine grained": "github" + "_pat_" + _draw("gpa" + v, BASE62, 22) + "_" + _draw("gpb" + v, BASE62, 59),
        "gitlab": "gl" + "pat-" + _draw("glp" + v, URLSAFE, 20),
        "slack bot": "xo" + f"xb-{_draw('s1' + v, DIGITS, 12)}-{_draw('s2' + v, DIGITS, 13)}-" + _draw("s3" + v, BASE62, 24),
        "slack user": "xo" + f"xp-{_draw('s4' + v, DIGITS, 12)}-{_draw('s5' + v, DIGITS, 12)}-" + _draw("s6" + v, HEX, 32),
        "slack webhook": "https://hooks." + "slack.com/services/T" + _draw("w1" + v, UPPER + DIGITS, 8) + "/B"
        + _draw("w2" + v, UPPER + DIGITS, 10) + "/" + _draw("w3" + v, BASE62, 24),
        "discord webhook": "https://discord.com/api/" + "webhooks/" + _draw("d1" + v, "123456789", 18) + "/" + _draw("d2" + v, URLSAFE, 68),
        "discord bot": "M" + _draw("d3" + v, BASE62, 23) + "." + _draw("d4" + v, URLSAFE, 6) + "." + _draw("d5" + v, URLSAFE, 38),
        "telegram": _draw("t1" + v, "123456789", 10) + ":" + "AA" + _draw("t2" + v, URLSAFE, 33),
        "stripe live": "sk" + "_live_" + _draw("st" + v, BASE62, 24),
        "stripe restricted": "rk" + "_live_" + _draw("rk" + v, BASE62, 99),
        "stripe webhook": "wh" + "sec_" + _draw("wh" + v, BASE62, 32),
        "anthropic": "sk-" + "ant-api03-" + _draw("ant" + v, URLSAFE, 93) + "AA",
        "anthropic oauth": "sk-" + "ant-oat01-" + _draw("oat" + v, URLSAFE, 95),
        "openai project": "sk-" + "proj-" + _draw("oap" + v, URLSAFE, 74) + "T3Blbk" + "FJ" + _draw("oaq" + v, URLSAFE, 74),
        "openai legacy": "sk-" + _draw("oal" + v, BASE62, 48),
        "openrouter": "sk-" + "or-v1-" + _draw("or" + v, HEX, 64),
        "deepseek": "sk-" + _draw("ds" + v, HEX, 32),
        "groq": "gs" + "k_" + _draw("gq" + v, BASE62, 52),
        "xai": "xa" + "i-" + _draw("xai" + v, BASE62, 80),
        "hugging face": "h" + "f_" + _draw("hf" + v, UPPER + LOWER, 34),
        "replicate": "r" + "8_" + _draw("r8" + v, BASE62, 37),
        "npm": "np" + "m_" + _draw("npm" + v, BASE62, 36),
        "pypi": "py" + "pi-AgEIcHlwaS5vcmc" + _draw("pypi" + v, URLSAFE, 150),
        "docker": "dckr" + "_pat_" + _draw("dk" + v, URLSAFE, 27),
        "digitalocean": "do" + "p_v1_" + _draw("do" + v, HEX, 64),
        "sendgrid": "S" + "G." + _draw("sg1" + v, URLSAFE, 22) + "." + _draw("sg2" + v, URLSAFE, 43),
        "mailgun": "ke" + "y-" + _draw("mg" + v, HEX, 32),
        "shopify": "sh" + "pat_" + _draw("sh" + v, HEX, 32),
        "databricks": "da" + "pi" + _draw("db" + v, HEX, 32),
        "linear": "lin" + "_api_" + _draw("lin" + v, BASE62, 40),
        "notion": "nt" + "n_" + _draw("ntn" + v, BASE62, 46),
        "vault": "hv" + "s." + _draw("hvs" + v, URLSAFE, 90),
        "terraform": _draw("tf1" + v, BASE62, 14) + ".atlas" + "v1." + _draw("tf2" + v, URLSAFE, 67),
        "grafana": "gl" + "sa_" + _draw("gs1" + v, BASE62, 32) + "_" + _draw("gs2" + v, HEX, 8),
        "new relic": "NR" + "AK-" + _draw("nr" + v, UPPER + DIGITS, 27),
        "postman": "PM" + "AK-" + _draw("pm1" + v, HEX, 24) + "-" + _draw("pm2" + v, HEX, 34),
        "supabase": "sb" + "p_" + _draw("sb" + v, HEX, 40),
        "age": "AGE-SECRET" + "-KEY-1" + _draw("age" + v, "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", 58),
        "web token": _web_token("jwt" + v),
        "rsa key": _private_key("rsa" + v, "RSA ", 25),
        "openssh key": _private_key("ssh" + v, "OPENSSH ", 6),
        "pkcs8 key": _private_key("p8" + v, "", 26),
        "ec key": _private_key("ec" + v, "EC ", 3),
    }  # fmt: skip


FRAMES = (
    "export SERVICE_KEY={}\n",
    'client = Client("{}")\n',
    "curl -sS -H 'Authorization: Bearer {}' https://api.service.io/v1/items",
    '{{"type": "execute", "env": {{"KEY": "{}"}}}}',
    "+  key: {}  # rotate in March",
    "The deploy used {} for the upload.",
)


def positives() -> Iterator[tuple[str, str]]:
    """Yield (what it is, text) for each text that holds a secret."""
    for variant in range(3):
        for number, (name, token) in enumerate(tokens(variant).items()):
            frame = FRAMES[(number + variant) % len(FRAMES)]
            yield name, frame.format(token if "'" not in frame else token.replace("\n", "\\n"))
    yield (
        "key in one JSON string",
        json.dumps({"private_key": _private_key("gcp", "", 26), "type": "service_account"}),
    )
    for number in range(4):
        word = _draw(f"aws secret{number}", BASE64, 40)
        yield "aws secret key", ("aws_secret_access_key = {}", 'AWS_SECRET_ACCESS_KEY="{}"', "secretAccessKey: '{}'",
                                 "AWS_SECRET_KEY={}")[number].format(word)  # fmt: skip
    strange = _draw("pw", BASE62 + "!#-_", 18)
    for scheme, host in (
        ("postgres", "db.prod.internal:5432/app"), ("mysql", "10.2.0.7/shop"), ("redis", "cache.acme.io:6379"),
        ("amqp", "mq.acme.io"), ("mongodb+srv", "cluster0.ab1cd.mongodb.net/live"), ("https", "git.acme.io/team/repo.git"),
        ("ftp", "files.acme.io"), ("postgresql+asyncpg", "db:5432/app"),
    ):  # fmt: skip
        yield "password in an address", f"DATABASE={scheme}://service:{strange}@{host}"
    assigned = {
        "API_KEY={}": BASE62, "api_key: {}": BASE62, '"apiKey": "{}"': BASE62, "client_secret = '{}'": URLSAFE,
        "DB_PASSWORD={}": BASE62 + "!#%^", "password: \"{}\"": BASE62 + "!#%^&*", "SECRET_KEY = \"{}\"": BASE62 + "-_#%&",
        "auth_token={}": BASE62, "const accessToken = \"{}\";": BASE62, "signing_key: {}": BASE64,
        "encryption_key = \"{}\"": BASE64, "X-Api-Key: {}": BASE62, "smtp_passwd={}": BASE62 + "!*",
        "master_key={}": BASE64, "REFRESH_TOKEN={}": URLSAFE, "session_secret: '{}'": BASE62,
        "password := \"{}\"": BASE62 + "#!", "private String apiSecret = \"{}\";": BASE62,
        "password: str = \"{}\"": BASE62, "--api-key={}": BASE62, "'token' => '{}',": BASE62,
        "<add key=\"x\"/><apiKey>{}</apiKey>": BASE62, "db.password={}": BASE62, "NPM_AUTH_TOKEN={}": BASE62,
    }  # fmt: skip
    for form, alphabet in assigned.items():
        yield "assigned", form.format("a7K" + _draw(form, alphabet, 29))
        yield "assigned hex", form.format(_draw(form + "hex", HEX, 40))
    for number in range(6):  # short, or of letters alone: no shape, little to see
        yield "short password", f'password = "{_draw(f"short{number}", BASE62 + "!#", 10)}"'


PLAIN_LINES = r"""
AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE
aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY
GITHUB_TOKEN=${{ secrets.GITHUB_TOKEN }}
token = os.environ["GITHUB_TOKEN"]
api_key = settings.api_key or os.getenv("OPENAI_API_KEY")
OPENAI_API_KEY=sk-your-key-here
ANTHROPIC_API_KEY=sk-ant-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
export GITHUB_TOKEN=ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
export GITHUB_TOKEN=ghp_1234567890abcdefghijklmnopqrstuvwxyz
SLACK_BOT_TOKEN=xoxb-your-token-goes-here-123456
slack_token: xoxb-000000000000-000000000000-xxxxxxxxxxxxxxxxxxxxxxxx
STRIPE_KEY=sk_test_placeholder
password: changeme-please-now-1234
password = "correct-horse-battery-staple"
DATABASE_URL=postgres://postgres:postgres@localhost:5432/postgres
DATABASE_URL=postgresql://user:password@db:5432/app
DATABASE_URL=mysql://root:secret@127.0.0.1/test
url = "https://user:pass@example.com/path"
redis://default:redis@localhost:6379/0
git remote add origin https://x-access-token:${GITHUB_TOKEN}@github.com/acme/app.git
git clone https://oauth2:$GITLAB_TOKEN@gitlab.com/acme/app.git
amqp://guest:guest@rabbitmq:5672/
commit 9fceb02d0ae598e95dc970b74767f19372d61af8
Merge: 3b18e512dba79e4c8300dd08aeb37f8e728b8dad 0d1d7fc32e5a947fbd92ee598033d85bfc445a50
"integrity": "sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==",
--hash=sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
sha256 = "f3c2b5a9e0d1476c8a5e3b2f90d8c7e6a1b4f5d3c2e1908a7b6c5d4e3f201918"
checksum = "0f3b7a4d9c1e2856f7a8b9c0d1e2f3a4b5c6d7e8f9012345a6b7c8d9e0f1a2b3"
etag: "33a64df551425fcc55e4d42a148795d9f25f89d4"
id: 550e8400-e29b-41d4-a716-446655440000
session_token_id = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHh0dHBzOi8vZ2l0aHViLmNvbS9zc2gta2V5cw== dev@laptop"
ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC7vbqajDhA9d2n0bQ5sD1kq8Wv7Zc0uJY dev@laptop
-----BEGIN PUBLIC KEY-----
-----BEGIN CERTIFICATE-----
-----BEGIN PGP PUBLIC KEY BLOCK-----
if line.startswith("-----BEGIN RSA PRIVATE KEY-----"):
"-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----\n"
eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c
max_tokens: 4096
token_count = count_tokens(text)
tokenizer = AutoTokenizer.from_pretrained("bert-base-uncased")
const tokenEndpoint = "https://login.microsoftonline.com/common/oauth2/v2.0/token";
TOKEN_URL=https://oauth2.googleapis.com/token
password_hash = "$2b$12$EixZaYVK1fsbw1ZfbX3OXePaWxn96p36WQoeG6Lruj3vjPGga31lW"
secretName: my-app-tls-certificate-prod-2024
secretKeyRef: {name: database-credentials, key: password}
kubectl create secret generic app-secrets --from-literal=password=$PASSWORD
credential_file = "/var/run/secrets/google/service-account.json"
private_key_path: ~/.ssh/id_ed25519_deploy_2024
key = "user:profile:settings:theme:dark:v2"
cache_key = f"report:{tenant_id}:{year}-{month}"
primary_key = models.AutoField(primary_key=True, serialize=False)
sort_key = lambda item: (item.priority, item.created_at)
api_key_header = APIKeyHeader(name="X-API-Key", auto_error=False)
def test_token_is_rejected_when_it_has_expired_2(): ...
accessToken: getAccessTokenFromSessionStorage2()
password = getpass.getpass("Password for the registry: ")
const csrfToken = document.querySelector('meta[name="csrf-token"]').content;
auth_token = request.headers.get("Authorization", "").removeprefix("Bearer ")
headers = {"Authorization": f"Bearer {token}"}
curl -H "Authorization: Bearer $TOKEN" https://api.example.com/v1/me
curl -H "X-Api-Key: <YOUR_API_KEY>" https://api.example.com
<input type="password" name="password" autocomplete="current-password" />
"passwordResetTokenExpiresInMinutes": 30,
SECRET_KEY = "django-insecure-change-me-in-production"
SECRET_KEY=dev-only-not-a-real-secret-key-0000
JWT_SECRET=your-256-bit-secret-your-256-bit-secret
client_secret: REPLACE_ME_WITH_THE_REAL_CLIENT_SECRET_1
data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==
url(data:font/woff2;base64,d09GMgABAAAAAAWsAAoAAAAADKwAAAVfAAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAABlYAg0QKiAyFPQE2AiQD)
//# sourceMappingURL=data:application/json;base64,eyJ2ZXJzaW9uIjozLCJzb3VyY2VzIjpbIndlYnBhY2s6Ly8iXX0=
resolved "https://registry.yarnpkg.com/lodash/-/lodash-4.17.21.tgz#679591c564c3bffaae8454cf0b3df370c3d6911c"
github.com/stretchr/testify v1.8.4 h1:CcVxjf3Q8PM0mHUKJCdn+eZZtm5yQwehR5yeSVQQcUk=
pypi-server==2.1.1
npm_config_cache=/tmp/npm-cache
hf_hub_download(repo_id="bert-base-uncased", filename="config.json")
sk-learn-contrib==0.6.2 and scikit-learn-intelex
task-4f2b9c7d81e6405a and risk-assessment-for-the-third-quarter-2024
desk-standing-adjustable-electric-height-140x70-black
class MonkeyPatchedTokenBucketRateLimiterFactoryBuilder2:
MAC: AA:BB:CC:DD:EE:FF at 2024-01-15T10:30:00.000Z
1234567890:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
Nginx.conf.d/default.location.blocks-with-proxy.and-some-more-names-that-are-long
window.__remixContext.state.loaderData.routes.dashboard
https://api.stripe.com/v1/charges?limit=10&starting_after=ch_3MmlLrLkdIwHu7ix0snN0B15
arn:aws:secretsmanager:us-east-1:123456789012:secret:prod/db-AbCdEf
aws_access_key_id = AKIAXXXXXXXXXXXXXXXX
AccountKey=YOUR_ACCOUNT_KEY;EndpointSuffix=core.windows.net
sentry_dsn = "https://examplePublicKey@o0.ingest.sentry.io/0"
"accessKeyId": "STS.example", "accessKeySecret": "<secret>"
assert redact("ghp_" + "a" * 36) == "[redacted]"
token = "ghp_" + "x" * 36
password = 'hunter2'
passwords = ["123456", "password", "qwerty", "letmein"]
Enter the passphrase: ************************
pwd=/home/dev/projects/app-2/build
PWD=/srv/workspaces/issue-142/agent
secret_santa_participants_2024 = ["ann", "bo"]
const API_KEY_PATTERN = /^[A-Za-z0-9]{32}$/;
token: ${env:REGISTRY_TOKEN_FOR_PRODUCTION_2}
"@types/passport-google-oauth20": "^2.0.16",
apiKeys: process.env.API_KEYS?.split(",") ?? [],
""".strip().splitlines()


def negatives() -> Iterator[tuple[str, str]]:
    """Yield (what it is, text) for each text that holds none."""
    for line in PLAIN_LINES:
        yield line[:40], line
    for number in range(25):
        yield "git object", f"{_draw(f'git{number}', HEX, 40)} refs/heads/feature-{number}"
        yield "lock file", f'"integrity": "sha512-{_draw(f"sri{number}", BASE64, 86)}=="'
        yield "digest", f"image: registry.acme.io/app@sha256:{_draw(f'oci{number}', HEX, 64)}"
        yield "request id", f"x-request-id: {_draw(f'rid{number}', HEX, 32)} status=200 took={number}ms"
        yield (
            "minified",
            f"!function(e,t){{{_draw(f'min{number}', LOWER, 12)}.{_draw(f'mim{number}', LOWER, 8)}(t,{number})}}(window)",
        )
        yield (
            "cache file name",
            f"static/js/main.{_draw(f'js{number}', HEX, 8)}.chunk.js?v={_draw(f'v{number}', HEX, 10)}",
        )
    for number in range(10):
        yield "base64 block", "\n".join(_draw(f"blob{number}{line}", BASE64, 76) for line in range(6))
        yield "token hash", f'token_hash = "{_draw(f"th{number}", HEX, 64)}"'
        yield "public key", f'deploy_public_key = "{_draw(f"pk{number}", BASE64, 44)}"'
    for number in range(5):  # hard: they look like what they are named, and no reader could tell
        yield "cursor token", f'"nextPageToken": "{_draw(f"page{number}", URLSAFE, 40)}"'
