"""What a pull request says, and where it goes [CONTRACT 9.2].

Summary and title are an agent's words. On a forge they are more than text: a name with an @ calls
somebody, a line that begins with a slash is a command to GitLab, and a comment is hidden from who reads the
page. All of that is made plain text.
"""

import re
from dataclasses import replace

from symphony.core.errors import SymphonyError
from symphony.core.forge import ForgeKind, ForgeRepo, Head, Proposal, Pushed, kind_of, parse_repo
from symphony.core.handoff import Completion, Imported
from symphony.core.receipt import Receipt
from symphony.core.settings.workspace import HandoffSettings
from symphony.core.text import counted, one_line, plain

TITLE_SHOWN = 200  # characters; GitHub takes 256
SUMMARY_SHOWN = 16_384  # characters; GitHub takes 65,536 for all
NOTE_SHOWN = 500
BEGIN = "<!-- symphony: what stands between these two lines is written anew by each delivery -->"
END = "<!-- symphony: end -->"
UNSEEN = "\u200b"  # keeps a name from being a mention, and is not seen
MENTION = re.compile(r"(?<![\w/])@(?=\w)")
COMMAND = re.compile(r"^(\s*(?:[>*+-]\s+)*)/(?=\w)", re.MULTILINE)
HOSTS = {ForgeKind.GITHUB: "github.com", ForgeKind.GITLAB: "gitlab.com"}


class RepoUnknown(SymphonyError):
    """Nothing says in which repository a pull request is to be opened."""

    code = "forge.repo_unknown"


def target_of(settings: HandoffSettings, pushed: Pushed) -> tuple[ForgeKind, ForgeRepo, Head]:
    """Return the forge, the repository that gets the pull request, and its head.

    Raises:
        RepoUnknown: neither the settings nor the remote name a repository.
        RepoInvalid: the settings name none that there can be.
    """
    if settings.repo is not None:
        repo = parse_repo(settings.repo)
    elif pushed.repo is not None:
        repo = pushed.repo
    else:
        raise RepoUnknown(
            f"The remote {one_line(settings.remote)} ({pushed.remote}) names no repository of a forge.",
            remedy="Set handoff.repo in WORKFLOW.md to `owner/name`, or to `host/owner/name`.",
        )
    host = repo.host or (pushed.repo.host if pushed.repo is not None else "")
    kind = kind_of(host, settings.forge)
    repo = replace(repo, host=host or HOSTS[kind])
    # a fork has the host of what it was forked from, unless an alias of ssh stands for that
    is_there = pushed.repo is not None and (pushed.repo.host == repo.host or "." not in pushed.repo.host)
    source = replace(pushed.repo, host=repo.host) if pushed.repo is not None and is_there else repo
    return kind, repo, Head(source, pushed.branch)


def render_proposal(
    settings: HandoffSettings,
    completion: Completion,
    imported: Imported,
    pushed: Pushed,
    issue: str,
    notes: tuple[str, ...] = (),
) -> Proposal:
    """Return what a pull request says.

    `issue` is the link to the issue, or the path of its file; `notes` are sentences that people should
    read before they merge.
    """
    title = _defused(one_line(completion.title, TITLE_SHOWN)) or f"Work on {one_line(completion.issue_id)}"
    summary = _defused(plain(completion.summary, SUMMARY_SHOWN).strip())
    paragraphs = [
        BEGIN,
        summary,
        *_receipt(completion.receipt),
        *(_defused(one_line(note, NOTE_SHOWN)) for note in notes),
        _closing(completion, imported, pushed, issue),
        END,
    ]
    body = "\n\n".join(filter(None, paragraphs))
    return Proposal(title, body, settings.labels, settings.reviewers, settings.draft)


def with_peoples_words(proposal: Proposal, body: str) -> Proposal:
    """Return the proposal with what people have written around symphony's part of a body."""
    before, begin, rest = body.replace("\r\n", "\n").partition(BEGIN)
    _, end, after = rest.partition(END)
    return replace(proposal, body=f"{before}{proposal.body}{after}") if begin and end else proposal


def _receipt(receipt: Receipt | None) -> list[str]:
    if receipt is None:
        return []
    runs = "\n".join(f"- {_code(str(run))}" for run in receipt.checks)
    return ["### Checks", f"{runs}\n\nPassed on the tree `{receipt.tree[:12]}`."]


def _closing(completion: Completion, imported: Imported, pushed: Pushed, issue: str) -> str:
    where = issue if issue.startswith(("http://", "https://")) else _code(issue)
    return (
        f"---\nIssue {_code(one_line(completion.issue_id))}: {where}\n\n"
        f"{counted(imported.commits, 'commit')} on `{_plain_name(pushed.base)}`"
        f" (`{imported.base_commit[:12]}`), delivered as `{pushed.head_commit[:12]}`."
    )


def _defused(text: str) -> str:
    """Return an agent's Markdown with no mentions, commands and hidden comments in it."""
    text = text.replace("<!--", "&lt;!--")
    text = COMMAND.sub(rf"\g<1>{UNSEEN}/", text)
    return MENTION.sub(f"@{UNSEEN}", text)


def _code(text: str) -> str:
    """Return one line as code, whatever is in it."""
    return f"`{one_line(text, NOTE_SHOWN).replace('`', chr(39))}`"


def _plain_name(name: str) -> str:
    return one_line(name).replace("`", "'")
