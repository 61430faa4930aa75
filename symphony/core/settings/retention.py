"""What stays on the disk, and how much of it must be free."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from symphony.core.settings.base import Positive, Section, digits

MIB = 1 << 20
LONGEST_DAYS = 36_500  # a hundred years; a calendar ends, and null is for ever
LARGEST_FREE_MIB = 1 << 20  # a tebibyte; more is a slip of the unit
Days = Annotated[int, BeforeValidator(digits), Field(gt=0, le=LONGEST_DAYS)]
Free = Annotated[int, BeforeValidator(digits), Field(gt=0, le=LARGEST_FREE_MIB)]


class RetentionSettings(Section):
    """How long finished things stay, how much they may take together, and what must stay free.

    Nothing that was not handed over is ever removed, whatever these say: of what is over a ceiling only
    finished things go, the oldest first. null is for ever and without a ceiling.
    """

    min_free_mib: Free | None = 1024
    """MiB that must be free on the disks of workspaces, symphony's own files and machines for a new
    attempt to start; null never waits. What runs goes on."""

    workspace_days: Days | None = 7
    """Days that a workspace stays after its work was handed over, where it was not removed at once."""

    workspaces_max_mib: Positive | None = 20_480
    """MiB of all workspaces together, above which handed over ones go before their time."""

    image_days: Days | None = 30
    """Days that an image without a name, an unpacked archive or what a build left stays."""

    images_max_mib: Positive | None = 20_480
    """MiB of all images together, above which those without a name go before their time."""

    log_days: Days | None = 90
    """Days that the run log of a finished issue, or an earlier file of the daemon's log, stays."""

    logs_max_mib: Positive | None = 1024
    """MiB of all logs together, above which those go before their time."""

    run_log_max_mib: Positive | None = 256
    """MiB of one issue's run log: at half of that it is put aside as `.1`, in place of the one before."""

    patch_days: Annotated[Days | None, Field(examples=[365])] = None
    """Days that a patch stays after its handoff; its commits stay in `.symphony/host.git` all the same."""

    patches_max_mib: Annotated[Positive | None, Field(examples=[1024])] = None
    """MiB of all patches together, above which the oldest go before their time."""

    @property
    def logs_bytes(self) -> int | None:
        """Bytes of all logs together; None without a ceiling."""
        return None if self.logs_max_mib is None else self.logs_max_mib * MIB

    @property
    def run_log_bytes(self) -> int | None:
        """Bytes at which one issue's run log is put aside; None is never."""
        return None if self.run_log_max_mib is None else self.run_log_max_mib * MIB // 2
