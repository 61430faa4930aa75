"""The forge: its program, its login, and the remote that pull requests go by; nothing is pushed."""

import asyncio
from functools import partial

from symphony.core.forge import Pushed, repo_of_remote
from symphony.core.pull_request import target_of
from symphony.doctor.case import NOT_LOADED, Case
from symphony.doctor.check import Finding, failed, in_thread, ok, skipped, together, warning
from symphony.forge.drivers import Forges
from symphony.forge.errors import ForgeError
from symphony.forge.program import Program
from symphony.workspace.remote import open_remote
from symphony.workspace.source import Source

LOOK_BOUND = 20.0  # seconds for the forge's answers; a person waits for them
PASSING = ("forge.unreachable", "forge.timeout", "forge.rate_limited")  # tried again by itself


async def look_at_forge(case: Case) -> Finding:
    """Say whether pull requests can be opened with what is here, and where they go.

    Raises:
        SymphonyError: `workspace.source_*`, `handoff.remote_missing`, `forge.repo_unknown`,
            `forge.repo_invalid`.
    """
    if case.settings is None:
        return skipped(NOT_LOADED)
    handoff = case.settings.handoff
    if not handoff.wants_pull_request:
        return skipped("handoffs are no pull requests")
    location, home = case.settings.workspace.source, case.installation.root.parent
    remote = await open_remote(await in_thread(partial(Source, location, home)), handoff.remote)
    pushed = Pushed(remote.shown, repo_of_remote(remote.url), "", "", "")
    kind, repo, _ = target_of(handoff, pushed)
    forge = Forges(case.environ).of(kind)
    way = f"pull requests go to {repo} by the remote {remote.name} ({remote.shown})"
    place = await in_thread(forge.program.place)
    if place is None:
        missing = forge.program.words.missing(repo.host)
        return together([failed(missing.message.rstrip("."), missing.remedy), ok(way)])
    version = _judge(forge.program, place, await forge.program.version())
    try:
        async with asyncio.timeout(LOOK_BOUND):
            await forge.look(repo)
    except TimeoutError:
        silent = forge.program.words.silent(repo.host, LOOK_BOUND)
        return together([version, warning(silent.message.rstrip("."), silent.remedy), ok(way)])
    except ForgeError as error:
        how = warning if error.code in PASSING else failed
        return together([version, how(error.message.rstrip("."), error.remedy), ok(way)])
    return together([version, ok(f"logged in to {repo.host}"), ok(way)])


def _judge(program: Program, place: str, version: tuple[int, ...]) -> Finding:
    """Say which program there is, and what is to be thought of its version."""
    words = program.words
    tested = ".".join(map(str, words.tested))
    if not version:
        return warning(
            f"{words.program} ({place}) does not say its version",
            f"Install {words.program} {tested} or newer.",
        )
    found = f"{words.program} {'.'.join(map(str, version))} ({place})"
    if version < words.tested:
        return warning(
            f"{found}; versions before {tested} are not tested", f"Install {words.program} {tested} or newer."
        )
    return ok(found)
