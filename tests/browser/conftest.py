"""A real daemon, looked at with Debian's Chromium."""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.browser.served import BOUND_MS, Served, Visit
from tests.support.project import Project

FOLDER = Path(__file__).parent
REASON = "no Chromium: on Debian and Ubuntu, as root, `apt-get install chromium`"


def find_chromium() -> str | None:
    """Return the browser's program."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if find_chromium() is None and "CI" not in os.environ:
        for item in items:
            if item.path.is_relative_to(FOLDER):
                item.add_marker(pytest.mark.skip(reason=REASON))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """A browser for the tests of a module: other modules' tests look at what processes are left."""
    program = find_chromium()
    assert program is not None, REASON
    expect.set_options(timeout=BOUND_MS)
    async with async_playwright() as playwright:
        # as root, and in most containers, Chromium has no sandbox of its own
        started = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield started
        await started.close()


@pytest.fixture
def project() -> Iterator[Project]:
    """A project whose agent follows the instructions in its issues."""
    with tempfile.TemporaryDirectory(prefix="symphony-browser-") as folder:
        project = Project(Path(folder) / "project")
        project.configure(acp={"command": None, "adapter": "demo"})
        yield project


@pytest.fixture
def served(project: Project) -> Iterator[Served]:
    """Its daemon, as a process that can be killed."""
    served = Served(project)
    served.start()
    yield served
    served.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def visit(browser: Browser, served: Served) -> AsyncIterator[Visit]:
    """A visitor with a window, who notes what the page should not do."""
    context = await browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(BOUND_MS)
    visit = Visit(await context.new_page(), served)
    yield visit
    await context.close()
    visit.assert_calm()


@pytest_asyncio.fixture(loop_scope="session")
async def plain(browser: Browser, served: Served) -> AsyncIterator[Page]:
    """A page in a browser that runs no script."""
    context = await browser.new_context(java_script_enabled=False)
    context.set_default_timeout(BOUND_MS)
    yield await context.new_page()
    await context.close()
