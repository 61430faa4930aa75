"""How long a session waits for what no setting bounds."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bounds:
    """Seconds, each with its reason.

    Attributes:
        cancel_grace_s: for a cancelled turn to end; agents were seen to need 0.3 s, a
            loaded machine is slower, and a person who stops the daemon waits for it.
        close_grace_s: for the program to write its state and leave when its stdin closes.
        exit_wait_s: for the exit status of a program whose output has ended.
    """

    cancel_grace_s: float = 3.0
    close_grace_s: float = 2.0
    exit_wait_s: float = 2.0
