"""Commits that a person's symphony makes in their name: who commits, and with what signature.

Called where commits leave for the user's repository or a forge.
"""

from symphony.workspace.git_command import Git
from symphony.workspace.source import Source

SIGNING = ("user.signingKey", "gpg.format", "gpg.program", "gpg.ssh.program", "gpg.x509.program")
FOR_SIGNING = ("HOME", "GNUPGHOME", "SSH_AUTH_SOCK", "GPG_TTY", "XDG_RUNTIME_DIR")


async def committing(git: Git, source: Source, *, signed: bool) -> Git:
    """Return git that commits as the user of the source, and signs as the user does if that is wanted.

    Args:
        git: in a repository of the host's.
        source: the user's own, whose configuration says who and with what key.
        signed: sign if the user signs commits there.

    Raises:
        WorkspaceError: whatever git says.
    """
    person = await source.person()
    git = git.with_options(GIT_COMMITTER_NAME=person.name, GIT_COMMITTER_EMAIL=person.email)
    user = source.own_git
    if not signed or not await _signs(user):
        return git
    options = ["-c", "commit.gpgSign=true"]
    for name in SIGNING:
        found = await user.ask("config", "--get", name)
        if found.exit_status == 0:
            options += ["-c", f"{name}={found.stdout.decode('utf-8', 'surrogateescape').rstrip()}"]
    known = {name: value for name in FOR_SIGNING if (value := user.environment.get(name))}
    return git.with_options(*options, **known)


async def _signs(user: Git) -> bool:
    """Say whether the user signs commits in this repository."""
    answer = await user.ask("config", "--type=bool", "--get", "commit.gpgSign")
    return answer.stdout.strip() == b"true"
