"""The agents' programs and their credentials; of a credential only whether it is there, never its value."""

import os
import shlex
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from symphony.agent.adapters import adapter_of
from symphony.agent.credentials.found import Found, look
from symphony.agent.credentials.watch import agents_of
from symphony.agent.errors import AgentError
from symphony.agent.needs import guest_needs
from symphony.core.settings import AcpSettings, Settings
from symphony.doctor.case import NOT_LOADED, Case
from symphony.doctor.check import Finding, failed, in_thread, ok, skipped, together, warning
from symphony.doctor.versions import judge_version
from symphony.sandbox.errors import SandboxError
from symphony.sandbox.smolvm.boot import find_image

GUEST_PATH = ("usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin", "sbin", "bin")


async def look_at_agents(case: Case) -> Finding:
    """Say whether the programs of all adapters that the workflow names are there."""
    settings = case.settings
    if settings is None:
        return skipped(NOT_LOADED)
    if not case.in_machines:
        return together([_on_host(acp, case) for acp in agents_of(settings)])
    try:
        image = await in_thread(partial(find_image, settings.smolvm, case.environ))
    except SandboxError:
        return skipped("there is no image to look into")
    if image is None or image.path is None or not await in_thread(image.path.is_dir):
        return skipped("what the image holds is seen when a machine starts")
    rootfs = image.path
    return together([await in_thread(partial(_in_image, acp, rootfs)) for acp in agents_of(settings)])


async def look_at_credentials(case: Case) -> Finding:
    """Say which credentials are there for the adapters that the workflow names, by their names."""
    if case.settings is None:
        return skipped(NOT_LOADED)
    agents = agents_of(case.settings)
    if not case.in_machines:
        return together([await in_thread(partial(_for_host, acp, case)) for acp in agents])
    return together([await in_thread(partial(_for_guest, acp, case.settings, case)) for acp in agents])


def _on_host(acp: AcpSettings, case: Case) -> Finding:
    try:
        adapter = adapter_of(acp)
    except AgentError as error:
        return failed(error.message, error.remedy)
    path = case.environ.get("PATH", os.defpath)
    program = adapter.launch(acp)[0]
    place = shutil.which(program, path=path)
    if acp.command is None:
        if place is None:
            return failed(f"{adapter.name}: {program} is not on PATH", adapter.install)
        return judge_version(adapter, place)
    if place is None:
        return failed(
            f"the shell {program} of `acp.command` is not on PATH", "Install it, or set `acp.shell`."
        )
    word = _program_of(acp.command)
    if word is not None and shutil.which(word, path=path) is None:
        remedy = "Install it, or correct `acp.command`; a login shell may have a longer PATH than this one."
        return warning(f"`acp.command` names {word}, which is not on PATH", remedy)
    return ok(f"`acp.command`, run by {place}")


def _in_image(acp: AcpSettings, rootfs: Path) -> Finding:
    try:
        adapter = adapter_of(acp)
    except AgentError as error:
        return failed(error.message, error.remedy)
    program = adapter.launch(acp, in_guest=True)[0]
    if any(os.path.lexists(place) for place in _places(rootfs, program)):  # links are the guest's
        if acp.command is not None:
            return ok(f"`acp.command`, run by {program} of the image")
        return ok(f"{adapter.name}: {program} is in the image")
    what = "the shell of `acp.command`" if acp.command else f"the program of {adapter.name}"
    return failed(
        f"the image {rootfs} has no {program}, {what}",
        "Build an image that has it, with `symphony image build`, or set `smolvm.image` to one.",
    )


def _places(rootfs: Path, program: str) -> Iterator[Path]:
    if "/" in program:
        yield rootfs / program.lstrip("/")
    else:
        yield from (rootfs / folder / program for folder in GUEST_PATH)


def _program_of(command: str) -> str | None:
    """Return the program that a shell command starts with; None when a shell has to say."""
    try:
        words = [word for word in shlex.split(command) if word != "exec"]
    except ValueError:
        return None
    first = words[0] if words else ""
    return first if first and not set("=$`(){};&|<>*~") & set(first) else None


def _for_host(acp: AcpSettings, case: Case) -> Finding:
    try:
        adapter = adapter_of(acp)
    except AgentError:
        return skipped(f'there is no adapter "{acp.adapter}"')
    found = look(adapter, acp, case.environ, datetime.now(UTC))
    if found.says:
        return ok(f"{adapter.name}: {found.says}")
    if acp.command is not None:
        return ok("`acp.command` is a program of yours; what it needs is not known here")
    if not adapter.login:
        return ok(f"{adapter.name} needs none")
    return _nothing(found, warning if found.absent else failed)


def _for_guest(acp: AcpSettings, settings: Settings, case: Case) -> Finding:
    try:
        adapter = adapter_of(acp)
        needs = guest_needs(adapter, settings.smolvm.credentials, case.environ)
    except AgentError as error:
        return failed(error.message, error.remedy)
    chosen = settings.smolvm.credentials
    unset = [source for source in dict.fromkeys(chosen.values()) if not case.environ.get(source)]
    if unset:
        return failed(
            f"`smolvm.credentials` names {', '.join(unset)}, which {_verb(unset)} not set",
            "Set it where symphony is started, or take it out of WORKFLOW.md.",
        )
    there = [credential.name for credential in needs.credentials]
    if there:
        return ok(f"{adapter.name}: {', '.join(there)} {_verb(there)} set; guests see a placeholder")
    found = look(adapter, acp, case.environ, datetime.now(UTC))
    if found.says:
        return ok(f"{adapter.name}: {found.says}; guests see a placeholder")
    if acp.command is not None:
        return ok("`acp.command` is a program of yours; what it needs is not known here")
    if not adapter.login:
        return ok(f"{adapter.name} needs none")
    elsewhere = settings.smolvm.volumes or settings.smolvm.forward_env or needs.environment
    unclear = found.absent and (elsewhere or not adapter.credentials)
    return _nothing(found, warning if unclear else failed)


def _nothing(found: Found, how: Callable[[str, str], Finding]) -> Finding:
    problem = found.problem
    return how(problem.message, problem.remedy) if problem is not None else ok(found.says)


def _verb(names: list[str]) -> str:
    return "is" if len(names) == 1 else "are"
