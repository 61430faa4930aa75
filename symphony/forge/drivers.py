"""Which driver a kind of forge has."""

from collections.abc import Mapping
from typing import assert_never

from symphony.core.forge import ForgeKind
from symphony.forge.gh import GhForge
from symphony.forge.glab import GlabForge


class Forges:
    """The drivers of one daemon."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        """Use the logins that the forges' programs find with this environment."""
        self._environ = environ

    def of(self, kind: ForgeKind) -> GhForge | GlabForge:
        """Return the driver of a kind of forge."""
        match kind:
            case ForgeKind.GITHUB:
                return GhForge(self._environ)
            case ForgeKind.GITLAB:
                return GlabForge(self._environ)
            case _ as never:
                assert_never(never)
