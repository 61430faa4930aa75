"""The remote that work is pushed to, reached as the user's own git reaches it.

Its URL is that of a remote of the user's source repository. Logins come from the user's own
configuration, credential helpers and ssh; nothing of the guest's is read. A password in the URL goes to
git by its environment, so that it is on no command line. Called by `pushing`.
"""

from dataclasses import dataclass
from urllib.parse import unquote, urlsplit, urlunsplit

from symphony.core.forge import repo_of_remote
from symphony.core.ports import RunResult
from symphony.core.text import one_line
from symphony.workspace.errors import WorkspaceError
from symphony.workspace.git_command import TRANSFER_TIMEOUT, Git, git_failure, git_words
from symphony.workspace.source import CREDENTIALS, Source

# what the user's source repository may say about the way to a remote; all else of it stays there
WAY = r"^(credential|http|https|url|ssh)\.|^core\.(sshcommand|askpass|gitproxy)$"
SAFE = ("-c", "core.hooksPath=/dev/null", "-c", "protocol.allow=user")
FROM_URL = (
    '!f() { test "$1" = get && printf "username=%s\\npassword=%s\\n" "$PUSH_USER" "$PUSH_PASSWORD"; }; f'
)
NO_LOGIN = (
    "could not read username",
    "could not read password",
    "authentication failed",
    "invalid username or password",
    "permission denied (publickey",
    "permission to ",
    "returned error: 401",
    "returned error: 403",
    "access denied",
    "host key verification failed",
)
WORDS_SHOWN = 400


@dataclass(frozen=True, slots=True)
class Remote:
    """A remote that can be asked, fetched from and pushed to.

    Attributes:
        name: as the source repository calls it.
        url: for git; without a password.
        shown: for people.
        git: with the user's configuration and logins.
    """

    name: str
    url: str
    shown: str
    git: Git

    async def tip(self, branch: str) -> str | None:
        """Return the commit that a branch is at there; None when it has no such branch.

        Raises:
            WorkspaceError: `handoff.push_not_allowed`, `handoff.remote_unreadable`, `workspace.*`.
        """
        ref = f"refs/heads/{branch}"
        result = await self.git.ask("ls-remote", "--quiet", "--", self.url, ref, timeout_s=TRANSFER_TIMEOUT)
        if result.exit_status != 0:
            raise self.failure("cannot be read", result, "handoff.remote_unreadable")
        for line in result.stdout.decode("utf-8", "surrogateescape").splitlines():
            commit, _, name = line.partition("\t")
            if name == ref:
                return commit
        return None

    def failure(self, what: str, result: RunResult, code: str) -> WorkspaceError:
        """Return the error for a git that could not do something with the remote."""
        words = one_line(CREDENTIALS.sub(r"\1", git_words(result)), WORDS_SHOWN).rstrip(".")
        if any(sign in words.lower() for sign in NO_LOGIN):
            return WorkspaceError(
                f"The remote {self.name} ({self.shown}) does not take this user's login: {words}.",
                code="handoff.push_not_allowed",
                remedy=self._login(),
            )
        said = RunResult(result.exit_status, b"", f"{words}.".encode())
        return git_failure(
            f"The remote {self.name} ({self.shown}) {what}",
            said,
            code=code,
            remedy=f"Check that `git ls-remote {self.shown}` works for the user that runs symphony.",
        )

    def _login(self) -> str:
        repo = repo_of_remote(self.url)
        if repo is None:
            return "Give the user that runs symphony the right to push there."
        if not self.url.startswith("http"):
            return (
                f"Try `ssh -T git@{repo.host}` as the user that runs symphony, and give its key to the forge."
            )
        if "gitlab" in repo.host:
            return f"Run `glab auth login --hostname {repo.host}` as the user that runs symphony."
        return (
            f"Run `gh auth login --hostname {repo.host}` and `gh auth setup-git --hostname {repo.host}`"
            " as the user that runs symphony."
        )


async def open_remote(source: Source, name: str) -> Remote:
    """Return the remote of the source repository with this name; a source that is a URL is its own.

    Raises:
        WorkspaceError: `handoff.remote_missing`, `workspace.*`.
    """
    await source.open()
    url, way = source.url, []
    if source.folder is not None:
        where = f"--git-dir={source.url}"
        found = await source.git.ask(where, "remote", "get-url", "--push", "--", name)
        if found.exit_status != 0:
            raise WorkspaceError(
                f"The source repository {source.shown} has no remote '{one_line(name)}' to push to.",
                code="handoff.remote_missing",
                remedy=f"Add it: `git -C {source.shown} remote add {one_line(name)} URL`;"
                " or set handoff.remote.",
            )
        url = found.stdout.decode("utf-8", "surrogateescape").splitlines()[0]
        listed = await source.git.ask(where, "config", "--local", "--includes", "-z", "--get-regexp", WAY)
        for entry in filter(None, listed.stdout.decode("utf-8", "surrogateescape").split("\0")):
            key, _, value = entry.partition("\n")
            way.append((key, value))
    clean, user, password = _split(url)
    environment = {}
    if password:
        environment = {"PUSH_USER": user, "PUSH_PASSWORD": password}
        way += [("credential.helper", ""), ("credential.helper", FROM_URL)]
    git = _with_settings(source.git, way).with_options(*SAFE, **environment)
    return Remote(one_line(name), clean, CREDENTIALS.sub(r"\1", clean), git)


def _split(url: str) -> tuple[str, str, str]:
    """Return the URL without its password, and the user and the password that were in it."""
    if not url.startswith(("http://", "https://")):
        return url, "", ""
    split = urlsplit(url)
    if not split.password:
        return url, "", ""
    bare = split.netloc.rpartition("@")[2]
    return urlunsplit(split._replace(netloc=bare)), unquote(split.username or ""), unquote(split.password)


def _with_settings(git: Git, settings: list[tuple[str, str]]) -> Git:
    """Return git with more settings, by its environment: they may hold a token."""
    first = int(git.environment.get("GIT_CONFIG_COUNT", "0") or 0)
    more = {"GIT_CONFIG_COUNT": str(first + len(settings))}
    for number, (key, value) in enumerate(settings, first):
        more |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return git.with_options(**more)
