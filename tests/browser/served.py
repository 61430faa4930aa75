"""A daemon on a port of its own, and a visitor of its pages."""

import signal
import socket
import subprocess
import time
from collections.abc import Callable
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from playwright.async_api import ConsoleMessage, Page, Request

from tests.support.project import BOUND_S, LOOK_S, Project

BOUND_MS = BOUND_S * 1000


class Served:
    """A project's daemon as a process."""

    def __init__(self, project: Project) -> None:
        self.project = project
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and return once it answers."""
        self._process = self.project.start("--port", str(self.port))
        self.until(self._answers)

    def kill(self) -> None:
        """End it as a power cut would."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.communicate(timeout=BOUND_S)

    def stop(self) -> None:
        """End it without patience, if it still runs."""
        if self._process is not None and self._process.poll() is None:
            for _ in range(2):
                self._process.terminate()
            self._process.communicate(timeout=BOUND_S)

    def until(self, condition: Callable[[], Any]) -> None:
        """Return once the condition holds."""
        deadline = time.monotonic() + BOUND_S
        while not condition():
            assert self._process is not None
            assert self._process.poll() is None, "the daemon ended"
            assert time.monotonic() < deadline, "it never came true"
            time.sleep(LOOK_S)

    def _answers(self) -> bool:
        try:
            with urlopen(f"{self.url}/healthz", timeout=BOUND_S):
                return True
        except URLError:
            return False


class Visit:
    """One page, and all that it does behind its visitor's back."""

    def __init__(self, page: Page, served: Served) -> None:
        self.page = page
        self.served = served
        self.offline = False
        self._elsewhere: list[str] = []
        self._complaints: list[str] = []
        page.on("request", self._note_request)
        page.on("console", self._note_console)
        page.on("pageerror", lambda error: self._complaints.append(str(error)))
        page.on("dialog", lambda dialog: self._complaints.append(f"dialog: {dialog.message}"))

    async def open(self, path: str = "/") -> Page:
        """Go to a page and wait until it is live."""
        await self.page.goto(self.served.url + path)
        await self.page.wait_for_load_state("load")
        return self.page

    def assert_calm(self) -> None:
        """Fail if the page asked elsewhere, broke its policy or had an error."""
        assert not self._elsewhere, self._elsewhere
        assert not self._complaints, self._complaints

    def _note_request(self, request: Request) -> None:
        if not request.url.startswith((self.served.url, "data:")):
            self._elsewhere.append(request.url)

    def _note_console(self, message: ConsoleMessage) -> None:
        lost = message.text == "[object Event]" or "net::ERR_" in message.text  # of the event stream
        refused = "a status of 4" in message.text or "Status Error Code 4" in message.text
        if message.type == "error" and not (self.offline and lost) and not refused:
            self._complaints.append(message.text)
