"""The machines that the engine holds: listing them by label, making and removing them.

Called by the driver. Names are the engine's; whose a machine is, only its labels say.
"""

import hashlib
import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

from symphony.core.machine import MachineState
from symphony.sandbox.smolvm.engine import Engine
from symphony.sandbox.smolvm.errors import EngineError
from symphony.sandbox.smolvm.machine_spec import MachineSpec

CREATE_TIMEOUT = 300.0  # seconds: the first machine of an image may have to copy it
START_TIMEOUT = 300.0  # seconds: the engine's first start ever unpacks its disks; a boot takes one
DELETE_TIMEOUT = 60.0  # seconds; a VMM that does not end by then is beyond the engine
PAUSE_TIMEOUT = 300.0  # seconds: all of its memory is written to disk, or read from it
NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_-]+")
NAME_ISSUE_LENGTH = 32  # characters of the issue's id in a name, for people who list machines
STATES = {state.value: state for state in MachineState}


@dataclass(frozen=True, slots=True)
class MachineRow:
    """A machine as the engine lists it.

    Attributes:
        pid: of its VMM on the host; None when it does not run.
        hosts: the names that are open to it, in the engine's form.
    """

    name: str
    state: MachineState
    labels: Mapping[str, str] = field(default_factory=dict)
    pid: int | None = None
    hosts: tuple[str, ...] = ()


def machine_name(labels: Mapping[str, str]) -> str:
    """Return a name for a new machine that says whose it is and that no other machine has."""
    issue = NOT_IN_NAMES.sub("-", labels.get("issue", "")).strip("-")[:NAME_ISSUE_LENGTH] or "issue"
    installation = hashlib.sha256(labels.get("installation", "").encode()).hexdigest()[:6]
    return f"symphony-{installation}-{issue}-{uuid.uuid4().hex[:6]}"


async def list_machines(engine: Engine, labels: Mapping[str, str] | None = None) -> tuple[MachineRow, ...]:
    """Return the machines that carry all of these labels; no labels are all machines.

    Raises:
        EngineError: the engine does not answer.
    """
    listed = await engine.call("machine", "ls", "--json", doing="list its machines")
    wanted = (labels or {}).items()
    return tuple(row for row in parse_rows(listed) if wanted <= row.labels.items())


def parse_rows(listed: bytes) -> tuple[MachineRow, ...]:
    """Return the rows of `machine ls --json`; a state that is not known here counts as failed.

    Raises:
        EngineError: `sandbox.engine_failed`: it is not what the engine lists.
    """
    try:
        return tuple(
            MachineRow(
                str(row["name"]),
                STATES.get(str(row["state"]), MachineState.FAILED),
                {str(name): str(value) for name, value in (row.get("labels") or {}).items()},
                row.get("pid") if isinstance(row.get("pid"), int) else None,
                tuple(map(str, row.get("allowed_hosts") or ())),
            )
            for row in json.loads(listed)
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EngineError(
            "smolvm listed its machines in a form that symphony does not know.",
            remedy="Use the version of smolvm that symphony brings: remove `smolvm.binary`.",
        ) from error


async def create_machine(engine: Engine, spec: MachineSpec) -> None:
    """Make the machine, without booting it.

    Raises:
        EngineError: `sandbox.engine_failed` and what the engine's own code stands for.
    """
    await engine.call(
        *spec.create_arguments(), doing=f"create the machine {spec.name}", timeout_s=CREATE_TIMEOUT
    )


async def start_machine(engine: Engine, name: str, secrets: Mapping[str, str]) -> None:
    """Boot the machine; returns when it takes commands.

    Its process keeps a file open for each file of a mount that the guest has looked at: with the
    usual limit of 1,024 a guest could not so much as run `git status` in a large workspace.

    Raises:
        EngineError: `sandbox.kvm_unusable`, `sandbox.engine_timeout` and others.
    """
    await engine.call(
        "machine",
        "start",
        "--name",
        name,
        doing=f"start the machine {name}",
        timeout_s=START_TIMEOUT,
        secrets=secrets,
        roomy=True,
    )


async def delete_machine(engine: Engine, name: str) -> None:
    """End the machine at once and remove it; one that is not there is fine.

    Raises:
        EngineError: it is still there.
    """
    try:
        await engine.call(
            "machine",
            "delete",
            "--name",
            name,
            "--force",
            doing=f"delete the machine {name}",
            timeout_s=DELETE_TIMEOUT,
        )
    except EngineError as error:
        if error.engine_code != "NOT_FOUND":
            raise
