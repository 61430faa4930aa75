"""All checks, in the order in which they are told.

Called by `symphony doctor`. What takes milliseconds is looked at side by side; a machine is booted
last and alone, so that it neither disturbs nor hides what else was found.
"""

from collections.abc import Callable
from functools import partial

from symphony.doctor.agents import look_at_agents, look_at_credentials
from symphony.doctor.case import Case, read_case
from symphony.doctor.check import Check, Finding, Result, Status, run_check, run_checks
from symphony.doctor.forge import look_at_forge
from symphony.doctor.host import look_at_disk, look_at_git, look_at_memory, look_at_port, look_at_python
from symphony.doctor.machines import KVM_BOUND, MachineChecks, look_at_image, look_at_reach

READ_BOUND = 20.0  # seconds for reading files; only a disk that hangs takes longer
ASK_BOUND = 60.0  # seconds for a program that says its version; the longest start of one here is the engine's
NAMES = (
    "python",
    "git",
    "workflow",
    "agents",
    "credentials",
    "disk",
    "memory",
    "port",
    "forge",
    "engine",
    "image",
    "reach",
    "kvm",
)


async def examine(
    case: Case,
    told: Callable[[Result], None],
    doing: Callable[[str], None],
    clock: Callable[[], float],
) -> tuple[Result, ...]:
    """Run all checks and return their results in the order of `NAMES`.

    Args:
        case: what is examined; its settings are read here.
        told: told each result as soon as those before it are known.
        doing: told what takes long; the empty text when it is over.
        clock: seconds since any moment.

    Cancellation: a machine that was made is removed first.
    """
    read = case

    async def look_at_workflow() -> Finding:
        nonlocal read
        read, finding = await read_case(case)
        return finding

    results = await run_checks(
        (
            Check("python", READ_BOUND, look_at_python),
            Check("git", ASK_BOUND, partial(look_at_git, case)),
            Check("workflow", READ_BOUND, look_at_workflow),
        ),
        clock,
    )
    for result in results:
        told(result)
    machines = MachineChecks(read, doing, clock)
    quick = await run_checks(
        (
            Check("agents", READ_BOUND, partial(look_at_agents, read)),
            Check("credentials", READ_BOUND, partial(look_at_credentials, read)),
            Check("disk", READ_BOUND, partial(look_at_disk, read)),
            Check("memory", READ_BOUND, partial(look_at_memory, read)),
            Check("port", READ_BOUND, partial(look_at_port, read)),
            Check("forge", ASK_BOUND, partial(look_at_forge, read)),
            Check("engine", ASK_BOUND, machines.look_at_engine),
            Check("image", READ_BOUND, partial(look_at_image, read)),
            Check("reach", READ_BOUND, partial(look_at_reach, read)),
        ),
        clock,
    )
    for result in quick:
        told(result)
    kvm = await run_check(Check("kvm", KVM_BOUND, machines.look_at_kvm), clock)
    told(kvm)
    return (*results, *quick, kvm)


def is_well(results: tuple[Result, ...]) -> bool:
    """Say whether nothing has failed; warnings do not count."""
    return all(result.finding.status is not Status.FAILED for result in results)
