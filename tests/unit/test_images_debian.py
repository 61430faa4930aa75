"""What mmdebstrap is told of the host, and what its failures mean; the failures are real ones."""

import os
import shutil
from pathlib import Path

import pytest

from symphony.sandbox.images import tools
from symphony.sandbox.images.debian import HostApt, build_debian, host_apt
from symphony.sandbox.images.definition import Debian, Node
from symphony.sandbox.images.errors import ImageError
from symphony.sandbox.images.node import fetch_node

OWN = "/etc/apt/sources.list.d/debian.sources"


@pytest.fixture
def watch(tmp_path: Path) -> tools.Watch:
    (tmp_path / "logs").mkdir()
    made = tools.Watch(tmp_path / "logs" / "log", lambda *_: None)
    made.begin("base")
    return made


def apt(targets: str, settings: str = "") -> HostApt:
    return host_apt("bookworm", {}, lambda _, program, *rest: targets if program == "apt-get" else settings)


def test_a_host_of_the_same_release_lends_its_sources() -> None:
    targets = f"{OWN}:1\tbookworm\tmain\n{OWN}:1\tbookworm-updates\tmain\n{OWN}:2\tbookworm-security\tmain\n"
    assert apt(targets).sources == (OWN,)


def test_a_repository_of_somebody_else_is_left_out() -> None:
    targets = f"{OWN}:1\tbookworm\tmain\n/etc/apt/sources.list.d/docker.list:1\tbookworm\tstable\n"
    assert apt(targets).sources == (OWN,)


def test_a_host_of_another_release_lends_nothing() -> None:
    assert (
        apt("/etc/apt/sources.list:1\tnoble\tmain\n/etc/apt/sources.list:3\tnoble-updates\tmain\n")
        == HostApt()
    )


def test_updates_alone_are_not_a_release() -> None:
    assert apt(f"{OWN}:1\tbookworm-security\tmain\n").sources == ()


def test_the_host_s_proxy_goes_along_and_nothing_else() -> None:
    settings = (
        'APT::Architecture "amd64";\nAcquire::http "";\nAcquire::http::Proxy "http://127.0.0.1:3142";\n'
        'Acquire::Check-Date "false";\nDPkg::Post-Invoke:: "/usr/bin/true";\n'
    )
    assert apt("", settings).settings == (
        'Acquire::http::Proxy "http://127.0.0.1:3142";',
        'Acquire::Check-Date "false";',
    )


@pytest.mark.skipif(not shutil.which("mmdebstrap"), reason="mmdebstrap is not on this machine")
def test_without_a_network_mmdebstrap_s_failure_is_said_in_words(tmp_path: Path, watch: tools.Watch) -> None:
    sources = tmp_path / "sources.list"
    sources.write_text("deb [trusted=yes] http://127.0.0.1:9/debian bookworm main\n")
    work = tmp_path / "work"
    work.mkdir()
    debian = Debian(suite="bookworm", packages=())
    with pytest.raises(ImageError) as failure:
        build_debian(debian, tmp_path / "base.tar", work, watch, os.environ, sources=sources)
    assert failure.value.code == "image.network"
    assert failure.value.message.startswith("The stage base could not download: mmdebstrap said: E: ")
    assert failure.value.remedy == (
        "Check the network and the proxy, then run `symphony image build` again: finished stages are kept."
    )
    assert list(work.iterdir()) == []


def test_without_a_network_pip_s_failure_is_said_in_words(tmp_path: Path, watch: tools.Watch) -> None:
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
        "PIP_RETRIES": "1",
    }
    node = Node(version="22.20.0", sha256={"amd64": "0" * 64})
    with pytest.raises(ImageError) as failure:
        fetch_node(node, "amd64", tmp_path / "tree", tmp_path, watch, environ)
    assert failure.value.code == "image.network"


def test_a_program_that_says_nothing_is_said_to_be_at_work(
    watch: tools.Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    watch.tell = lambda _stage, _seconds, doing: said.append(doing)
    monkeypatch.setattr(tools, "STILL", 0.05)
    script = 'echo "I: extracting archives..."; read -r word < "$0"'
    gate = watch.log.parent / "gate"
    os.mkfifo(gate)

    def tell(_stage: str, _seconds: float, doing: str) -> None:
        said.append(doing)
        if doing.startswith("still"):
            gate.write_text("go\n")

    watch.tell = tell
    ended = tools.run(
        ["sh", "-c", script, str(gate)],
        watch,
        bound_s=60,
        environ=os.environ,
        cwd=Path("/"),
        notice=lambda line: line,
    )
    assert ended.status == 0
    assert said[:2] == ["I: extracting archives...", "still I: extracting archives..."]


def test_a_program_that_goes_on_too_long_is_ended_with_its_children(watch: tools.Watch) -> None:
    held = watch.log.parent / "held"
    os.mkfifo(held)
    reader = os.open(held, os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(reader, True)
    script = f'exec 9> "{held}"; echo up; trap "" TERM; (trap "" TERM; echo child >&9; sleep 600) & wait'
    began: list[str] = []
    with pytest.raises(ImageError) as failure:
        tools.run(
            ["sh", "-c", script],
            watch,
            bound_s=1.0,
            environ=os.environ,
            cwd=Path("/"),
            notice=lambda line: began.append(line),
        )
    assert failure.value.code == "image.stage_timeout"
    assert began == ["up"]
    with os.fdopen(reader, "rb") as pipe:
        pipe.read()  # it ends when nobody holds the other end any more
