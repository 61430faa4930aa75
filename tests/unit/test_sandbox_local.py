"""What the local driver takes over from the host's environment, and how it marks processes."""

from symphony.sandbox.local import allowed, label_variables


def test_only_what_a_program_needs_is_taken_from_the_host() -> None:
    host = {
        "PATH": "/bin",
        "HOME": "/home/me",
        "USER": "me",
        "LOGNAME": "me",
        "SHELL": "/bin/sh",
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "TERM": "xterm",
        "TMPDIR": "/tmp",
        "TZ": "UTC",
    }
    secrets = {"ANTHROPIC_API_KEY": "secret", "GH_TOKEN": "secret", "SSH_AUTH_SOCK": "/x", "PYTHONPATH": "/y"}
    assert allowed({**host, **secrets}) == host


def test_labels_become_variables() -> None:
    assert label_variables({"installation": "/x", "issue-id": "7"}) == {
        "SYMPHONY_LABEL_INSTALLATION": "/x",
        "SYMPHONY_LABEL_ISSUE_ID": "7",
    }
