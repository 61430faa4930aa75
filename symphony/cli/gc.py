"""`symphony gc`: what lies on the disk, what may go, and why the rest stays."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from symphony.cli.desk import act, read
from symphony.cli.errors import DONE, FAILED
from symphony.cli.place import Place
from symphony.cli.screen import Screen
from symphony.cli.words import counted, size
from symphony.core.stored import Kind

NAMES_SHOWN = 5


def sweep_disk(place: Place, *, dry_run: bool, as_json: bool) -> int:
    """Remove what may go, or only say what would; 1 when something could not be removed."""
    ask = read if dry_run else act
    report = ask(place, lambda desk: desk.sweep(dry_run=dry_run))
    screen = Screen()
    status = FAILED if report["failed"] else DONE
    if as_json:
        screen.json(report)
        return status
    verb = "Would remove" if dry_run else "Removed"
    for thing in report["removed"]:
        screen.line(f"{verb} {_named(thing)}, {size(thing['bytes'])}: {thing['reason']}")
    for thing in report["failed"]:
        screen.line(f"Could not remove {_named(thing)}: {thing['error']}", style="red")
    for note in report["notes"]:
        screen.line(note, style="yellow")
    if report["removed"]:
        screen.line(f"{size(report['freed_bytes'])} {'would be' if dry_run else 'were'} freed.")
    else:
        screen.line("Nothing may go." if not report["failed"] else "Nothing was removed.")
    _show_kept(screen, report["kept"])
    _show_ceilings(screen, report["ceilings"])
    return status


@dataclass
class _Group:
    """Things of one kind that stay for the same reason."""

    names: list[str] = field(default_factory=list)
    size_bytes: int = 0


def _show_kept(screen: Screen, kept: Sequence[Mapping[str, Any]]) -> None:
    groups: dict[tuple[str, str], _Group] = {}
    for thing in kept:
        group = groups.setdefault((thing["kind"], thing["reason"]), _Group())
        group.names.append(thing["name"])
        group.size_bytes += thing["bytes"]
    if not groups:
        return
    screen.heading("Stays")
    largest_first = sorted(groups.items(), key=lambda item: -item[1].size_bytes)
    screen.table(
        [
            (
                size(group.size_bytes),
                _counted(len(group.names), kind),
                f"{_names(sorted(group.names))}: {reason}",
            )
            for (kind, reason), group in largest_first
        ]
    )


def _show_ceilings(screen: Screen, ceilings: Mapping[str, Mapping[str, Any]]) -> None:
    over = [(kind, each) for kind, each in ceilings.items() if each["over"]]
    for kind, each in over:
        most = size(each["most_bytes"])
        screen.line(
            f"All {Kind(kind).plural} take {size(each['left_bytes'])}, more than the {most} "
            "that `retention` allows, and nothing more of it may go.",
            style="yellow",
        )


def _named(thing: Mapping[str, Any]) -> str:
    name, kind = thing["name"], thing["kind"]
    return name if kind == "image" else f"{kind} {name}"


def _names(names: Sequence[str]) -> str:
    return ", ".join(_few(names))


def _few(names: Sequence[str]) -> Iterator[str]:
    yield from names[:NAMES_SHOWN]
    if len(names) > NAMES_SHOWN:
        yield f"{len(names) - NAMES_SHOWN} more"


def _counted(number: int, kind: str) -> str:
    return kind if Kind(kind) is Kind.HISTORY else counted(number, kind, Kind(kind).plural)
