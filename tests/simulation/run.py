"""Runs seeds: plays a plan, lets the world calm down, and makes of a failure a script that replays it."""

import argparse
import gc
import hashlib
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog

from tests.simulation.acts import act
from tests.simulation.calm import calm_down
from tests.simulation.invariants import Invariants
from tests.simulation.plans import plan
from tests.simulation.world import World

STEPS = 60
SHRINK_S = 20.0  # seconds that making a failure shorter may take


@dataclass(frozen=True, slots=True)
class Result:
    """How one seed went.

    Attributes:
        step: the number of the step after which a promise was found broken; None when none was.
        promise: the broken promise, in words.
        trace: all that happened, line by line.
    """

    seed: int
    chosen: tuple[int, ...]
    step: int | None
    promise: str
    trace: tuple[str, ...]

    @property
    def digest(self) -> str:
        """A value that differs when anything happened otherwise."""
        return hashlib.sha256("\n".join(self.trace).encode()).hexdigest()


def simulate(seed: int, count: int = STEPS, chosen: Sequence[int] | None = None) -> Result:
    """Play a seed's plan, or these steps of it, to the calm end."""
    planned = plan(seed, count)
    numbers = tuple(range(count)) if chosen is None else tuple(chosen)
    world = World(seed)
    invariants = Invariants(world)
    step: int | None = None
    with hearing_logs(world.hear):
        try:
            for step in numbers:
                quiet = act(world, planned[step])
                invariants.check(quiet=quiet)
                if world.ledger.broken:
                    break
            else:
                step = count
                calm_down(world, invariants)
        except Exception as error:
            world.ledger.blame(f"the simulation itself goes on: {error!r}")
        world.kill(0)
    for complaint in world.loop.complaints:
        world.ledger.blame(f"no error is lost: {complaint}")
    broken = "; ".join(dict.fromkeys(world.ledger.broken))
    world.loop.close()
    return Result(seed, numbers, step if broken else None, broken, tuple(world.trace))


@contextmanager
def hearing_logs(hear: Callable[[str], None]) -> Iterator[None]:
    """Pass on what parts of the product log by themselves, and print none of it."""

    def take(logger: object, method: str, entry: Any) -> Any:
        error = sys.exc_info()[1]
        hear(f"{entry.get('event')} {entry.get('issue', '')} {type(error).__name__ if error else ''}")
        raise structlog.DropEvent

    processors = structlog.get_config()["processors"]
    before = processors.copy()
    processors[:] = [take]
    try:
        yield
    finally:
        processors[:] = before


def shrink(result: Result, count: int) -> Result:
    """Return a failure with fewer steps that breaks the same kind of promise."""
    until = time.monotonic() + SHRINK_S
    kind = result.promise.partition(":")[0]
    best = result
    if result.step is not None and result.step < count:
        best = Result(
            result.seed,
            result.chosen[: result.chosen.index(result.step) + 1],
            result.step,
            result.promise,
            result.trace,
        )
    size = max(1, len(best.chosen) // 2)
    while size:
        at, shorter = 0, False
        while at < len(best.chosen) and time.monotonic() < until:
            tried = simulate(best.seed, count, best.chosen[:at] + best.chosen[at + size :])
            if kind in tried.promise:
                best, shorter = tried, True
            else:
                at += size
        size = size if shorter and size == 1 else size // 2
    return best


def report(result: Result, count: int) -> str:
    """Return what a person needs to know of a failure, and how to see it again."""
    planned = plan(result.seed, count)
    lines = [f"seed {result.seed}, after step {result.step} of {count}: {result.promise}", "the steps:"]
    lines += [f"  {number}: {planned[number]}" for number in result.chosen]
    lines.append(f"again: scripts/simulate --steps {count} --replay {result.seed}:{_ranges(result.chosen)}")
    return "\n".join(lines)


def _ranges(numbers: Iterable[int]) -> str:
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def _parsed(text: str, count: int) -> tuple[int, list[int]]:
    seed, _, steps = text.partition(":")
    numbers: list[int] = []
    for part in filter(None, steps.split(",")):
        first, _, last = part.partition("-")
        numbers += range(int(first), int(last or first) + 1)
    return int(seed), numbers if steps else list(range(count))


def play(count: int, seed: int) -> Result | None:
    """Play a seed; return how it broke a promise, if it did."""
    result = simulate(seed, count)
    return result if result.promise else None


def main(arguments: Sequence[str]) -> int:
    """Run what the command line asks for; return 1 if any promise was broken."""
    parser = argparse.ArgumentParser(prog="scripts/simulate", description="Play the engine in random worlds.")
    parser.add_argument("--seeds", type=int, default=200, help="how many worlds")
    parser.add_argument("--from", dest="first", type=int, default=0, help="the first seed")
    parser.add_argument("--jobs", type=int, default=1, help="processes at once")
    parser.add_argument("--steps", type=int, default=STEPS, help="steps of each world before it calms down")
    parser.add_argument("--most", type=int, default=3, help="stop after so many failures")
    parser.add_argument("--replay", metavar="SEED[:STEPS]", help="play one seed, or some of its steps")
    chosen = parser.parse_args(arguments)
    if chosen.replay:
        seed, numbers = _parsed(chosen.replay, chosen.steps)
        result = simulate(seed, chosen.steps, numbers)
        print("\n".join(result.trace))
        print(report(result, chosen.steps) if result.promise else f"seed {seed}: every promise was kept")
        return bool(result.promise)
    began = time.monotonic()
    failures = []
    gc.freeze()
    for result in _results(range(chosen.first, chosen.first + chosen.seeds), chosen.jobs, chosen.steps):
        if result is None:
            continue
        failures.append(result)
        print(report(shrink(result, chosen.steps), chosen.steps), end="\n\n", flush=True)
        if len(failures) >= chosen.most:
            break
    took = time.monotonic() - began
    print(f"{chosen.seeds} seeds of {chosen.steps} steps in {took:.1f} s; {len(failures)} broke a promise")
    return bool(failures)


def _results(seeds: range, jobs: int, count: int) -> Iterable[Result | None]:
    if jobs <= 1:
        yield from map(partial(play, count), seeds)
        return
    with ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(partial(play, count), seeds, chunksize=50)
        pool.shutdown(cancel_futures=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
