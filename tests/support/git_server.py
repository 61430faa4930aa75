"""A git server on loopback: `git http-backend` behind a password, as forges serve it."""

import base64
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.support.git_project import GIT_ENVIRONMENT, git
from tests.support.serving import read_body, serving

USER, PASSWORD = "pusher", "git-password-0123456789"


@dataclass
class GitServer:
    """Bare repositories below one folder.

    Attributes:
        url: of the folder, without a login.
        asked: each request's method and path, with whether it had the right login.
    """

    folder: Path
    url: str = ""
    asked: list[tuple[str, str, bool]] = field(default_factory=list)

    def url_of(self, path: str, *, login: bool = False) -> str:
        """Return the URL of a repository, with the password in it if wanted."""
        there = self.url.replace("://", f"://{USER}:{PASSWORD}@") if login else self.url
        return f"{there}/{path}"

    def add(self, path: str) -> Path:
        """Make an empty bare repository that takes pushes."""
        repository = self.folder / path
        repository.mkdir(parents=True)
        git(repository, "init", "--quiet", "--bare", "--initial-branch=main")
        git(repository, "config", "http.receivepack", "true")
        return repository


class _Answer(BaseHTTPRequestHandler):
    def __init__(self, server: GitServer, *arguments: Any) -> None:
        self.git = server
        super().__init__(*arguments)

    def do_GET(self) -> None:
        wanted = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        known = self.headers.get("Authorization") == f"Basic {wanted}"
        path, _, query = self.path.partition("?")
        self.git.asked.append((self.command, path, known))
        body = read_body(self)
        if not known:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        environment = {
            **GIT_ENVIRONMENT,
            "GIT_PROJECT_ROOT": str(self.git.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "REMOTE_USER": USER,
            "REMOTE_ADDR": "127.0.0.1",
        }
        backend = Path(git(self.git.folder, "--exec-path")) / "git-http-backend"
        ran = subprocess.run([backend], env=environment, input=body, capture_output=True, check=False)
        head, _, content = ran.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().splitlines())
        self.send_response(int(headers.pop("Status", "200").split()[0]))
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET  # noqa: N815  the base class's name

    def log_message(self, *words: Any) -> None:
        del words


@contextmanager
def open_git_server(folder: Path) -> Iterator[GitServer]:
    """Serve on loopback while the block runs."""
    folder.mkdir(parents=True, exist_ok=True)
    server = GitServer(folder)
    listener = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Answer, server))
    server.url = f"http://127.0.0.1:{listener.server_port}"
    with serving(listener):
        yield server


def password_helper(folder: Path) -> Path:
    """Write a git configuration whose credential helper knows the password, as a user's has; return it."""
    secret = folder / "password"
    secret.write_text(f"username={USER}\npassword={PASSWORD}\n")
    config = folder / "gitconfig"
    config.write_text(f'[credential]\n\thelper = "!f() {{ test \\"$1\\" = get && cat {secret}; }}; f"\n')
    return config
