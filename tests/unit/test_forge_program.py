"""What a forge's program is given, and what is kept from it."""

import os
from pathlib import Path

import pytest

from symphony.core.forge import ForgeRepo, Head, Proposal
from symphony.forge import program
from symphony.forge.errors import ForgeError
from symphony.forge.gh import GhForge

REPO = ForgeRepo("forge.example", "owner/name")
RECORDING = """#!/bin/sh
printf '%s\\n' "$@" > "$HOME/arguments"
env > "$HOME/environment"
pwd > "$HOME/folder"
cat > "$HOME/body"
printf 'HTTP/2.0 201 Created\\r\\nX: y\\r\\n\\r\\n'
printf '{"number": 1, "html_url": "u", "state": "open", "title": "t", "head": {}}'
"""
ENVIRON = {
    "GH_TOKEN": "secret-token",
    "GH_DEBUG": "api",
    "GIT_DIR": "/elsewhere",
    "AWS_SECRET_ACCESS_KEY": "another-secret",
    "GH_HOST": "other.example",
    "https_proxy": "http://proxy.example",
    "XDG_CONFIG_HOME": "/config",
}


def make_program(folder: Path, script: str) -> dict[str, str]:
    """Put a `gh` of the test's own on a PATH, and return the environment with it."""
    gh = folder / "gh"
    gh.write_text(script)
    gh.chmod(0o755)
    return {**ENVIRON, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "HOME": str(folder)}


async def test_the_program_gets_the_body_on_stdin_and_no_secret_on_its_command_line(tmp_path: Path):
    forge = GhForge(make_program(tmp_path, RECORDING))
    await forge.open(REPO, Head(REPO, "agent/7"), "main", Proposal("A title", "@file $(id)\n-x"))
    arguments = (tmp_path / "arguments").read_text()
    assert "secret" not in arguments
    assert "title" not in arguments
    assert (tmp_path / "body").read_text() == (
        '{"title": "A title", "body": "@file $(id)\\n-x", "head": "owner:agent/7", "base": "main",'
        ' "draft": false}'
    )


async def test_the_program_sees_its_login_and_the_network_and_nothing_else_of_the_daemons(tmp_path: Path):
    await GhForge(make_program(tmp_path, RECORDING)).read(REPO, 1)
    seen = dict(line.partition("=")[::2] for line in (tmp_path / "environment").read_text().splitlines())
    assert seen["GH_TOKEN"] == "secret-token"
    assert (seen["GH_HOST"], seen["https_proxy"]) == ("forge.example", "http://proxy.example")
    assert (seen["XDG_CONFIG_HOME"], seen["HOME"]) == ("/config", str(tmp_path))
    assert (seen["GH_PROMPT_DISABLED"], seen["GH_NO_UPDATE_NOTIFIER"]) == ("1", "1")
    assert {"GH_DEBUG", "GIT_DIR", "AWS_SECRET_ACCESS_KEY"} & set(seen) == set()
    assert (tmp_path / "folder").read_text() == "/\n"


async def test_a_program_that_never_ends_is_ended_at_its_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(program, "CALL_TIMEOUT", 0.3)
    with pytest.raises(ForgeError) as caught:
        await GhForge(make_program(tmp_path, "#!/bin/sh\nexec sleep 1000\n")).read(REPO, 1)
    assert caught.value.code == "forge.timeout"
    assert str(caught.value) == (
        "GitHub at forge.example did not answer `gh` within 0.3 seconds."
        " Look whether the network is slow; symphony tries again by itself."
    )


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("echo 'To get started, please run:  gh auth login' >&2; exit 4", "forge.not_logged_in"),
        ("echo 'secret-token leaked' >&2; exit 1", "forge.unreachable"),
        ("echo HTTP/2.0", "forge.unreachable"),
        ("kill -9 $$", "forge.unreachable"),
    ],
)
async def test_a_program_that_gives_no_answer_is_an_error_without_its_token(
    tmp_path: Path, script: str, code: str
):
    with pytest.raises(ForgeError) as caught:
        await GhForge(make_program(tmp_path, f"#!/bin/sh\n{script}\n")).read(REPO, 1)
    assert caught.value.code == code
    assert "secret" not in str(caught.value)
