"""Builds: what they make, what they keep, and what they say when they cannot."""

import json
import os
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from symphony.sandbox.images import library as library_module
from symphony.sandbox.images.build import Progress
from symphony.sandbox.images.definition import FOLDER, plan_image, read_definition
from symphony.sandbox.images.errors import ImageError
from symphony.sandbox.images.library import Library
from symphony.sandbox.images.place import Place
from tests.support.image_workshop import Workshop

pytestmark = pytest.mark.skipif(not shutil.which("npm"), reason="npm is not on this machine")


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)


def test_an_image_has_the_system_node_and_the_agents_and_says_their_versions(workshop: Workshop) -> None:
    built = workshop.build()
    root = built.rootfs
    assert built.fresh
    assert (root / "usr/local/bin/node").stat().st_mode & 0o111
    assert (root / "usr/local/bin/npm").resolve() == root / "usr/local/lib/node_modules/npm/bin/npm-cli.js"
    assert not (root / "usr/local/include").exists()
    command = root / "usr/local/bin/tiny-acp"
    assert command.readlink() == Path("/opt/symphony/agents/tiny/node_modules/tiny/main.js")
    assert (root / str(command.readlink()).removeprefix("/")).stat().st_mode & 0o111
    assert built.image.packages == {
        "base-files": "12.4",
        "git": "1:2.39.5",
        "node": "22.20.0",
        "tiny-acp": "1.0.0",
    }
    assert workshop.library.find("small") == built.image
    assert workshop.library.find(built.image.short) == built.image


def test_every_file_of_an_image_can_be_read_by_the_user_that_a_machine_runs_as(workshop: Workshop) -> None:
    root = workshop.build().rootfs
    assert (root / "root").stat().st_mode & 0o005 == 0o005
    assert all((root / name).is_dir() for name in ("dev", "proc", "sys", "run"))
    assert (root / "tmp").stat().st_mode & 0o7777 == 0o1777


def test_the_same_definition_is_not_built_again(workshop: Workshop) -> None:
    first = workshop.build()
    again = workshop.build()
    assert (again.image, again.fresh) == (first.image, False)
    assert workshop.systems_built() == 1


def test_another_name_for_the_same_definition_costs_nothing(workshop: Workshop) -> None:
    first = workshop.build()
    second = workshop.build("other")
    assert not second.fresh
    assert workshop.library.names() == {"other": first.image.id, "small": first.image.id}


def test_a_changed_definition_is_another_image_that_keeps_the_stages_that_did_not_change(
    workshop: Workshop,
) -> None:
    first = workshop.build()
    workshop.packages = ("git", "socat")
    second = workshop.build()
    assert first.image.id != second.image.id
    assert workshop.systems_built() == 2
    assert workshop.kept() == ["node", "tiny"]
    assert workshop.library.find("small") == second.image
    assert first.rootfs.is_dir()


def test_a_failed_build_is_no_image_and_the_next_one_goes_on_where_it_ended(workshop: Workshop) -> None:
    wheels = workshop.folder / "wheels"
    wheels.rename(workshop.folder / "elsewhere")
    with pytest.raises(ImageError) as failure:
        workshop.build()
    assert failure.value.code == "image.package_missing"
    assert workshop.library.images() == ()
    assert workshop.library.names() == {}
    (workshop.folder / "elsewhere").rename(wheels)
    assert workshop.build().fresh
    assert workshop.kept() == ["base"]
    assert workshop.systems_built() == 1


def test_what_a_killed_build_left_is_no_image_and_the_next_build_sweeps_it(workshop: Workshop) -> None:
    place = workshop.library.place
    (place.work / "image" / "rootfs" / "etc").mkdir(parents=True)
    (place.stages).mkdir()
    (place.stages / ".symphony-0.tmp").touch()
    assert workshop.library.images() == ()
    workshop.build()
    assert list(place.work.iterdir()) == []
    assert not (place.stages / ".symphony-0.tmp").exists()


def test_a_kept_stage_whose_archive_changed_is_built_again(workshop: Workshop) -> None:
    workshop.build()
    plan = workshop.plan()
    with (workshop.library.place.stages / f"{plan.stages['base']}.tar").open("r+b") as archive:
        archive.write(b"x")
    shutil.rmtree(workshop.library.place.images)
    assert workshop.build().fresh
    assert workshop.systems_built() == 2


def test_a_damaged_image_is_built_again_from_its_stages(workshop: Workshop) -> None:
    first = workshop.build()
    (workshop.library.place.images / first.image.id / "image.json").write_text("{")
    assert workshop.build().fresh
    assert workshop.library.find("small").id == first.image.id
    assert workshop.systems_built() == 1


def test_of_two_builds_at_once_one_waits_and_finds_the_image_there(workshop: Workshop) -> None:
    gate = workshop.folder / "gate"
    os.mkfifo(gate)
    workshop.stand_in(f"read -r word < {gate}")
    outcomes = []
    first = threading.Thread(target=lambda: outcomes.append(workshop.build().fresh))
    first.start()
    with gate.open("w") as opened:  # it opens once the first one is at work

        def tell(progress: Progress) -> None:
            if progress.stage == "waiting" and not opened.closed:
                opened.write("go\n")
                opened.close()

        outcomes.append(workshop.build(tell=tell).fresh)
    first.join(60)
    assert sorted(outcomes) == [False, True]
    assert workshop.systems_built() == 1


def test_a_library_that_another_build_holds_too_long_is_an_error(tmp_path: Path) -> None:
    library = Library(Place(tmp_path / "library"))
    seconds = iter(range(0, 100_000, 600))
    waited: list[float] = []
    with (
        library.changing(waited.append, lambda: 0.0, lambda _: None),
        pytest.raises(ImageError) as busy,
        library.changing(waited.append, lambda: next(seconds), lambda _: None),
    ):
        pass
    assert busy.value.code == "image.busy"
    assert str(busy.value) == (
        f"Another build has held {tmp_path}/library/build.lock for 60 minutes."
        " Wait for it, or end it, then try again."
    )
    assert waited[:2] == [600, 1200]
    assert library_module.LOCK_WAIT == 3600


def test_a_stage_that_fails_names_the_program_its_words_and_the_log(workshop: Workshop) -> None:
    workshop.stand_in("echo 'E: the moon is in the way'; exit 7")
    with pytest.raises(ImageError) as failure:
        workshop.build()
    log = workshop.library.place.logs / f"{workshop.plan().image_id[:12]}.log"
    assert failure.value.code == "image.stage_failed"
    assert str(failure.value) == (
        "The stage base failed: mmdebstrap ended with status 7: E: the moon is in the way"
        f" Read {log}, then run `symphony image build` again: finished stages are kept."
    )
    assert "the moon is in the way" in log.read_text()


@pytest.mark.parametrize("root", [True, False])
def test_without_mmdebstrap_it_says_the_command_that_installs_it(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, root: bool
) -> None:
    programs = workshop.folder / "only"
    programs.mkdir()
    (programs / "apt-get").write_text("")
    (programs / "apt-get").chmod(0o755)
    monkeypatch.setattr(os, "geteuid", lambda: 0 if root else 1000)
    monkeypatch.setattr(Workshop, "environ", {"PATH": str(programs)})
    with pytest.raises(ImageError) as failure:
        workshop.build()
    assert failure.value.code == "image.tool_missing"
    assert str(failure.value) == (
        "mmdebstrap, which makes the image's system, is not installed. Install it with"
        + (
            " `apt-get install mmdebstrap`. Or let `symphony image build --install` do it."
            if root
            else " `sudo apt-get install mmdebstrap`."
        )
    )


def test_where_there_is_no_apt_it_points_to_another_base(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Workshop, "environ", {"PATH": str(workshop.folder)})
    with pytest.raises(ImageError) as failure:
        workshop.build()
    assert str(failure.value) == (
        "mmdebstrap, which makes the image's system, is not on this machine, and apt-get is not either."
        " Build from an image that smolvm starts: `symphony image build --base debian:bookworm`."
    )


def test_a_library_that_may_not_be_written_is_named(workshop: Workshop) -> None:
    (workshop.folder / "library").write_text("a file")
    with pytest.raises(ImageError) as failure:
        workshop.build()
    assert failure.value.code == "image.library_unusable"
    assert str(failure.value) == (
        f"The image library {workshop.folder}/library cannot be written to: not a directory."
        " Name a folder that you may write in SYMPHONY_IMAGES."
    )


def test_an_agent_that_npm_cannot_download_is_a_matter_of_the_network(workshop: Workshop) -> None:
    lock = workshop.folder / "agents" / "tiny" / "package-lock.json"
    table = json.loads(lock.read_text())
    del table["packages"]["node_modules/tiny"]["resolved"]
    table["packages"][""]["dependencies"] = {"tiny": "1.0.0"}
    lock.write_text(json.dumps(table))
    (lock.parent / "package.json").write_text(
        json.dumps({"name": "agent-tiny", "version": "0.0.0", "dependencies": {"tiny": "1.0.0"}})
    )
    with pytest.raises(ImageError) as failure:
        workshop.build()
    assert failure.value.code == "image.network"
    assert failure.value.message.startswith("The stage tiny could not download: npm said: npm error")
    assert failure.value.remedy == (
        "Check the network and the proxy, then run `symphony image build` again: finished stages are kept."
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a small file system")
def test_a_file_system_without_room_is_said_before_anything_is_downloaded(workshop: Workshop) -> None:
    place = workshop.library.place
    place.root.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "small", place.root], check=True)
    try:
        with pytest.raises(ImageError) as failure:
            workshop.build()
    finally:
        subprocess.run(["umount", place.root], check=True)
    assert failure.value.code == "image.disk_full"
    assert str(failure.value) == (
        f"The stage base needs 700 MiB in {place.root}; 8 MiB are free."
        " Free some with `symphony image prune`, or name a roomier folder in SYMPHONY_IMAGES."
    )
    assert workshop.systems_built() == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a small file system")
def test_a_file_system_that_fills_up_meanwhile_is_named(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("symphony.sandbox.images.build.ROOM_BYTES", {"base": 0, "agent": 0})
    with (workshop.folder / "system" / "large").open("wb") as large:
        large.write(b"x" * (12 << 20))
    place = workshop.library.place
    place.root.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "small", place.root], check=True)
    try:
        with pytest.raises(ImageError) as failure:
            workshop.build()
        assert workshop.library.images() == ()
    finally:
        subprocess.run(["umount", place.root], check=True)
    assert failure.value.code == "image.disk_full"
    assert str(failure.value) == (
        f"There is no space left in {place.root} to make the stage base."
        " Free some with `symphony image prune`, or name a roomier folder in SYMPHONY_IMAGES."
    )


def test_a_definition_with_a_misspelt_key_is_refused_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('name = "mine"\nextends = "symphony-minimal"\npackages = []\n')
    with pytest.raises(ImageError) as failure:
        read_definition(file)
    assert failure.value.code == "image.definition_invalid"
    assert str(failure.value) == (
        f"The image definition {file} cannot be used: packages: extra inputs are not permitted."
        " Correct it; symphony.toml inside the package is an example."
    )


def test_a_processor_without_packages_is_refused() -> None:
    with pytest.raises(ImageError) as failure:
        plan_image(read_definition(FOLDER / "symphony.toml"), machine="riscv64")
    assert failure.value.code == "image.architecture"
    assert str(failure.value) == (
        "The image symphony cannot be built for this machine's processor, riscv64."
        " Build it on an x86-64 or an arm64 machine, or give a rootfs folder in `smolvm.image`."
    )


def test_the_definitions_inside_the_package_pin_all_that_npm_installs() -> None:
    plan = plan_image(read_definition(FOLDER / "symphony.toml"), machine="x86_64")
    assert list(plan.stages) == ["base", "node", "claude", "codex", "opencode"]
    for agent in plan.agents:
        lock = json.loads(plan.locks[agent.name].lock)
        pinned = {path: entry for path, entry in lock["packages"].items() if path}
        assert all(entry["version"] and entry["integrity"] for entry in pinned.values())
        assert not any("resolved" in entry for entry in pinned.values())
        assert any(entry["version"] == agent.version for entry in pinned.values())


def test_the_minimal_image_shares_the_system_of_the_full_one() -> None:
    full = plan_image(read_definition(FOLDER / "symphony.toml"), machine="x86_64")
    minimal = plan_image(read_definition(FOLDER / "symphony-minimal.toml"), machine="x86_64")
    assert list(minimal.stages) == ["base"]
    assert minimal.stages["base"] == full.stages["base"]


def test_an_agent_without_a_build_for_the_processor_is_left_out() -> None:
    plan = plan_image(read_definition(FOLDER / "symphony.toml"), machine="aarch64")
    assert [agent.name for agent in plan.agents] == ["claude", "codex"]
