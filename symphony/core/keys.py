"""Names derived from issue ids that are safe as a folder, a file and a git ref [CONTRACT 3.5]."""

import hashlib
import re

KEY_LENGTH = 80  # leaves room for suffixes such as `.jsonl` under every file system's 255 bytes
UNSAFE = re.compile(r"[^A-Za-z0-9._-]")
NO_BRANCH = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//")
LONGEST_BRANCH = 200  # bytes; git keeps a branch as a file, and file systems end at 255
DIGEST_LENGTH = 10
HASHED = re.compile(rf"-[0-9a-f]{{{DIGEST_LENGTH}}}$")


def workspace_key(issue_id: str) -> str:
    """Return the one folder name for an issue: the id itself where it is safe, else id and hash.

    Two ids never share a key: one that had to be changed, or that already looks as if it had
    been, ends in a hash of the id.
    """
    safe = UNSAFE.sub("_", issue_id)
    while ".." in safe:
        safe = safe.replace("..", "._")
    safe = safe.strip(".").removesuffix(".lock")[:KEY_LENGTH]
    if safe and safe == issue_id and not HASHED.search(safe):
        return safe
    digest = hashlib.sha256(issue_id.encode("utf-8", "surrogatepass")).hexdigest()[:DIGEST_LENGTH]
    return f"{safe or 'issue'}-{digest}"


def is_branch_name(name: str) -> bool:
    """Say whether a branch can have this name, by git's own rules and so that it is nothing else's."""
    parts = name.split("/")
    return not (
        NO_BRANCH.search(name)
        or len(name.encode("utf-8", "replace")) > LONGEST_BRANCH
        or name in ("@", "HEAD", "agent")
        or name.startswith(("-", "refs/"))
        or name.endswith(".")
        or any(not part or part.startswith(".") or part.endswith(".lock") for part in parts)
    )


def branch_name(issue_id: str) -> str:
    """Return the branch on which an issue's work is done."""
    return f"agent/{workspace_key(issue_id)}"
