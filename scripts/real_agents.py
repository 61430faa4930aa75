"""The agents of the guest image, with its Node, for tests on the host: the same versions by the same locks.

Called by `scripts/test`. Installed once, below `.agents` of the repository.
"""

import os
import shutil
from pathlib import Path
from typing import Final

from environment import ROOT, say

HOME: Final = ROOT / ".agents"
VARIABLE: Final = "SYMPHONY_REAL_AGENTS"  # tells the tests where the agents' commands are


def real_agents() -> Path:
    """Return a folder with the commands of the three agents.

    Raises:
        ImageError: they could not be had.
    """
    from symphony.sandbox.images.definition import FOLDER, plan_image, read_definition

    plan = plan_image(read_definition(FOLDER / "symphony.toml"))
    target = HOME / plan.image_id[:16]
    if not target.exists():
        draft = HOME / f"{os.getpid()}-{target.name}"
        shutil.rmtree(draft, ignore_errors=True)
        _install(plan, draft)
        draft.replace(target)
        for old in HOME.iterdir():
            if old.is_dir() and old != target:
                shutil.rmtree(old)
    return target / "bin"


def _install(plan, folder: Path) -> None:
    from symphony.sandbox.images.node import fetch_node
    from symphony.sandbox.images.npm import HOME as AGENTS
    from symphony.sandbox.images.npm import fetch_agent, find_npm
    from symphony.sandbox.images.tools import Watch

    commands, work = folder / "bin", folder / "work"
    for each in (commands, work):
        each.mkdir(parents=True)
    watch = Watch(folder / "log", lambda stage, seconds, doing: say(f"  {stage}: {doing} ({seconds:.0f} s)"))
    watch.begin("node")
    fetch_node(plan.definition.node, plan.architecture, folder, work, watch, os.environ)
    node = folder / "usr" / "local" / "bin"
    for name in ("node", "npm", "npx"):
        (commands / name).symlink_to(f"../usr/local/bin/{name}")
    environ = {**os.environ, "PATH": f"{os.environ.get('PATH', os.defpath)}{os.pathsep}{node}"}
    for agent in plan.agents:
        watch.begin(agent.name)
        fetch_agent(
            agent,
            plan.locks[agent.name],
            plan.architecture,
            folder,
            find_npm(environ, folder),
            watch,
            environ,
        )
        program = f"{AGENTS}/{agent.name}/{agent.program[plan.architecture]}"
        (commands / agent.command).symlink_to(f"../{program}")
