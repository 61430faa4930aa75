"""What a workflow may name as an image, and what it is told when that is not there."""

import gzip
import io
import json
import os
import shutil
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from symphony.core.settings import SmolvmSettings
from symphony.sandbox.images.errors import ImageError
from symphony.sandbox.images.image import Image, render_image
from symphony.sandbox.images.library import Library
from symphony.sandbox.images.place import Place
from symphony.sandbox.images.source import ImageSource, base_of, resolve_image
from tests.support.image_workshop import NOON

ID = "3f" * 32


@pytest.fixture
def environ(tmp_path: Path) -> Mapping[str, str]:
    return {"SYMPHONY_IMAGES": str(tmp_path / "library")}


def publish(environ: Mapping[str, str], name: str, image_id: str = ID) -> Path:
    library = Library(Place(Path(environ["SYMPHONY_IMAGES"])))
    library.place.images.mkdir(parents=True, exist_ok=True)
    library.place.names.mkdir(exist_ok=True)
    folder = library.place.root / "built"
    (folder / "rootfs" / "etc").mkdir(parents=True)
    image = Image(image_id, name, NOON, 1, "amd64", "Debian bookworm", {}, ())
    (folder / "image.json").write_text(json.dumps(render_image(image)))
    library.publish(folder, image)
    library.give_name(name, image)
    return library.rootfs(image)


def resolve(environ: Mapping[str, str], image: str | None = None, folder: Path | None = None) -> ImageSource:
    return resolve_image(SmolvmSettings(image=image), environ, folder=folder)


def refused(environ: Mapping[str, str], image: str | None, folder: Path | None = None) -> tuple[str, str]:
    with pytest.raises(ImageError) as failure:
        resolve(environ, image, folder)
    return failure.value.code, str(failure.value)


def archive(path: Path, *members: str, mode: str = "w") -> Path:
    with tarfile.open(path, mode) as packed:  # type: ignore[call-overload]  # the mode is a test's
        for name in members:
            if name.endswith("/"):
                member = tarfile.TarInfo(name.rstrip("/"))
                member.type, member.mode = tarfile.DIRTYPE, 0o755
                packed.addfile(member)
            else:
                packed.addfile(tarfile.TarInfo(name), io.BytesIO())
    return path


def test_without_a_name_it_is_the_image_symphony(environ: Mapping[str, str]) -> None:
    rootfs = publish(environ, "symphony")
    assert resolve(environ) == ImageSource(("--image", str(rootfs)), ID, rootfs)


def test_a_name_or_the_beginning_of_an_id_is_an_image_of_the_library(environ: Mapping[str, str]) -> None:
    rootfs = publish(environ, "mine")
    assert resolve(environ, "mine").path == rootfs
    assert resolve(environ, ID[:8]).path == rootfs


def test_a_missing_default_says_how_it_is_built(environ: Mapping[str, str]) -> None:
    assert refused(environ, None) == (
        "sandbox.image_missing",
        f"There is no guest image symphony in {environ['SYMPHONY_IMAGES']}."
        " Build it with `symphony image build`, which takes some minutes once.",
    )


def test_a_missing_default_beside_a_minimal_one_says_both_ways(environ: Mapping[str, str]) -> None:
    publish(environ, "symphony-minimal")
    assert refused(environ, None)[1] == (
        f"There is no guest image symphony in {environ['SYMPHONY_IMAGES']}. Build it with"
        " `symphony image build`, or set `smolvm.image: symphony-minimal`, which has no agents."
    )


def test_an_unknown_name_says_which_there_are(environ: Mapping[str, str]) -> None:
    publish(environ, "mine")
    assert refused(environ, "yours") == (
        "sandbox.image_missing",
        f"There is no guest image yours in {environ['SYMPHONY_IMAGES']}."
        " Correct `smolvm.image`; there is mine. `symphony image build yours` makes it.",
    )


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda folder: (folder / "image.json").write_text("{"), "image.json cannot be read: "),
        (lambda folder: (folder / "image.json").unlink(), "image.json is missing"),
        (lambda folder: (folder / "image.json").write_text('{"format": 9}'), "format 9 is not known"),
        (lambda folder: (folder / "image.json").write_text('{"format": 1}'), "id is missing"),
        (lambda folder: (folder / "image.json").write_text("[]"), "it is not the record of an image"),
        (lambda folder: shutil.rmtree(folder / "rootfs"), "its files are missing"),
        (shutil.rmtree, "its folder is missing"),
    ],
)
def test_a_damaged_image_says_what_is_wrong_and_how_it_is_made_again(
    environ: Mapping[str, str], damage: object, reason: str
) -> None:
    folder = publish(environ, "symphony").parent
    damage(folder)  # type: ignore[operator]  # functions of a folder, whatever they return
    code, text = refused(environ, None)
    assert code == "sandbox.image_corrupt"
    assert text.startswith(f"The image symphony in {folder} is damaged: ")
    assert reason in text
    assert text.endswith("Build it again with `symphony image build`.")


def test_a_root_folder_is_taken_as_it_is(environ: Mapping[str, str], tmp_path: Path) -> None:
    (tmp_path / "root" / "usr").mkdir(parents=True)
    source = resolve(environ, "./root", tmp_path)
    assert source.arguments == ("--image", str(tmp_path / "root"))


@pytest.mark.skipif(os.geteuid() != 0, reason="a user's machines run as that user")
def test_a_root_folder_with_a_home_that_machines_cannot_read_is_refused(
    environ: Mapping[str, str], tmp_path: Path
) -> None:
    (tmp_path / "root" / "etc").mkdir(parents=True)
    home = tmp_path / "root" / "root"
    home.mkdir(mode=0o700)
    settings = SmolvmSettings(image=str(tmp_path / "root"))

    with pytest.raises(ImageError) as caught:
        resolve_image(settings, environ)
    home.chmod(0o755)

    assert caught.value.code == "sandbox.image_closed"
    assert str(caught.value) == (
        f"smolvm.image names {tmp_path}/root, but the users that machines run as cannot read the guest's "
        f"home {home}, where agents write. Run `chmod o+rx {home}`."
    )
    assert resolve_image(settings, environ).path == tmp_path / "root"


def test_a_folder_that_is_no_root_is_refused(environ: Mapping[str, str], tmp_path: Path) -> None:
    assert refused(environ, str(tmp_path)) == (
        "sandbox.image_corrupt",
        f"The image {tmp_path} cannot be used: the folder {tmp_path} has neither etc nor usr in it."
        " Replace it, or use symphony's own: remove `smolvm.image`, and run `symphony image build`.",
    )


def test_a_root_archive_is_unpacked_once(environ: Mapping[str, str], tmp_path: Path) -> None:
    packed = archive(tmp_path / "root.tar", "./etc/", "./etc/hostname", "./dev/", "./dev/null")
    first = resolve(environ, str(packed))
    assert first.arguments[0] == "--image"
    assert first.path is not None
    assert (first.path / "etc" / "hostname").is_file()
    assert not (first.path / "dev" / "null").exists()
    mark = first.path / "mark"
    mark.touch()
    assert resolve(environ, str(packed)) == first
    assert mark.exists()


def test_a_changed_archive_is_another_image(environ: Mapping[str, str], tmp_path: Path) -> None:
    packed = archive(tmp_path / "root.tar.gz", "etc/", "etc/one", mode="w:gz")
    first = resolve(environ, str(packed))
    archive(packed, "etc/", "etc/two", mode="w:gz")
    os.utime(packed, ns=(1, 1))
    second = resolve(environ, str(packed))
    assert first.digest != second.digest
    assert second.path is not None
    assert (second.path / "etc" / "two").exists()


def test_a_saved_image_goes_to_the_engine_as_it_is(environ: Mapping[str, str], tmp_path: Path) -> None:
    saved = archive(tmp_path / "app.tar", "0123.json", "0123/layer.tar", "manifest.json")
    assert resolve(environ, "./app.tar", tmp_path).arguments == ("--image", str(saved))


def test_a_compressed_saved_image_is_decompressed_for_the_engine(
    environ: Mapping[str, str], tmp_path: Path
) -> None:
    saved = archive(tmp_path / "app.tar", "manifest.json")
    (tmp_path / "app.tgz").write_bytes(gzip.compress(saved.read_bytes()))
    source = resolve(environ, str(tmp_path / "app.tgz"))
    assert source.path is not None
    assert source.path.read_bytes() == saved.read_bytes()


@pytest.mark.parametrize("content", [b"", b"not a tar", b"\x1f\x8bnot gzip"])
def test_what_is_no_archive_is_refused(environ: Mapping[str, str], tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "root.tar"
    path.write_bytes(content)
    code, text = refused(environ, str(path))
    assert code == "sandbox.image_corrupt"
    assert text.startswith(f"The image {path} cannot be used: {path} ")


def test_an_archive_of_something_else_is_refused(environ: Mapping[str, str], tmp_path: Path) -> None:
    path = archive(tmp_path / "photos.tar", "photos/", "photos/cat.jpg")
    assert refused(environ, str(path))[1].startswith(
        f"The image {path} cannot be used: {path} holds neither a root folder nor what `docker save` writes."
    )


def test_a_cut_off_archive_is_refused_and_leaves_nothing(environ: Mapping[str, str], tmp_path: Path) -> None:
    whole = tmp_path / "root.tar"
    with tarfile.open(whole, "w") as packed:
        member = tarfile.TarInfo("etc/hosts")
        member.size = 20_000
        packed.addfile(member, io.BytesIO(b"x" * member.size))
    whole.write_bytes(whole.read_bytes()[:9_000])
    assert refused(environ, str(whole))[0] == "sandbox.image_corrupt"
    assert list((Path(environ["SYMPHONY_IMAGES"]) / "unpacked").iterdir()) == []


def test_a_path_where_nothing_is_says_which(environ: Mapping[str, str], tmp_path: Path) -> None:
    assert refused(environ, "./gone.tar", tmp_path) == (
        "sandbox.image_missing",
        f"smolvm.image names ./gone.tar, but {tmp_path}/gone.tar is not there."
        " Correct `smolvm.image`. `symphony image build` makes symphony's own image.",
    )


def test_a_registry_reference_is_left_to_the_engine(environ: Mapping[str, str]) -> None:
    source = resolve(environ, "python:3.12")
    assert (source.arguments, source.path) == (("--image", "python:3.12"), None)


def test_a_packed_machine_is_what_machines_are_made_from(environ: Mapping[str, str], tmp_path: Path) -> None:
    packed = tmp_path / "python.smolmachine"
    packed.touch()
    settings = SmolvmSettings.model_validate({"from": "python.smolmachine"})
    assert resolve_image(settings, environ, folder=tmp_path).arguments == ("--from", str(packed))
    packed.unlink()
    with pytest.raises(ImageError) as failure:
        resolve_image(settings, environ, folder=tmp_path)
    assert str(failure.value) == (
        f"smolvm.from names python.smolmachine, but {packed} is not a file."
        " Correct `smolvm.from`. `symphony image build` makes symphony's own image."
    )


def test_the_base_of_a_build_is_a_reference_or_a_path(tmp_path: Path) -> None:
    assert base_of("debian:bookworm")[0] == "debian:bookworm"
    assert base_of(str(tmp_path))[0] == str(tmp_path)
    with pytest.raises(ImageError) as failure:
        base_of(str(tmp_path / "gone"))
    assert failure.value.code == "sandbox.image_missing"
