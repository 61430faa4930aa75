"""How an adapter's program is started for one session: its arguments and its variables."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from symphony.agent.adapters import Adapter
from symphony.agent.switches import Given
from symphony.core.settings import AcpSettings


@dataclass(frozen=True, slots=True)
class Launch:
    """What the sandbox starts.

    Attributes:
        environment: switches; beside what the sandbox gives every program.
    """

    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)


def launch_of(
    adapter: Adapter, acp: AcpSettings, given: Mapping[str, str], *, in_guest: bool = False
) -> Launch:
    """Return how the program is started.

    Args:
        adapter: whose program it is.
        acp: with a command of its own, the program's arguments are the user's business.
        given: the host's variables for the program, by name: its credentials and its base URL.
        in_guest: whether it runs in a machine, where each program has one name.
    """
    key = any(given.get(name) for name in adapter.credentials)
    url = given.get(adapter.base_url) if adapter.base_url else None
    switches = adapter.switches(acp, Given(key, url, in_guest))
    argv = adapter.launch(acp, in_guest=in_guest)
    if acp.command is None:
        argv = (*argv, *switches.argv)
    return Launch(argv, {**adapter.environment, **switches.environment})
