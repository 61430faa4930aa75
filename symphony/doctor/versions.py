"""The version of an agent's program on this host, from its npm package: nothing is started for it."""

import json
from pathlib import Path

from symphony.agent.adapters import Adapter
from symphony.doctor.check import Finding, failed, ok, warning

FOLDERS_UP = 6  # from a package's program to its package.json
SIZE_LIMIT = 256 * 1024  # bytes of a package.json


def judge_version(adapter: Adapter, place: str) -> Finding:
    """Say where an adapter's program is, and what is to be thought of its version if that can be told."""
    found = f"{adapter.name} is {place}"
    version = version_at(Path(place))
    versions = adapter.versions
    if version is None or versions is None:
        return ok(found)
    if reason := versions.too_old(version):
        return failed(f"{found}; {reason}", versions.remedy)
    if doubt := versions.doubt(version):
        return warning(f"{found}; {doubt}", versions.remedy)
    return ok(f"{found}, {version}")


def version_at(program: Path) -> str | None:
    """Return the version of the npm package that a program belongs to; None when it is of none."""
    try:
        real = program.resolve(strict=True)
        for folder in list(real.parents)[:FOLDERS_UP]:
            manifest = folder / "package.json"
            if manifest.is_file() and manifest.stat().st_size <= SIZE_LIMIT:
                known = json.loads(manifest.read_text("utf-8"))
                version = known.get("version") if isinstance(known, dict) else None
                return version if isinstance(version, str) else None
    except (OSError, ValueError, RecursionError):
        return None
    return None
