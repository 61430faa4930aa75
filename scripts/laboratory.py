"""One run of the lab: a machine whose KVM is emulated, over this machine's own files, for one command.

QEMU emulates a processor with AMD's virtualization; an initramfs of this machine's kernel modules stacks
RAM over this machine's files, and runs one command. Everything that the command writes is gone at the end.
Called by `scripts/lab`, `scripts/test` and `scripts/demo`. Writes only below `.lab` of the repository.
"""

import contextlib
import ctypes
import fcntl
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import lab_needs
from environment import ROOT
from lab_clock import counter_khz
from lab_disks import Disk, find_engine, given_disk, prepare_engine, python_disks, source_disks
from lab_initramfs import find_kernel, make_initramfs, release_of, unpack_kernel
from lab_needs import tell

CACHE: Final = ROOT / ".lab" / "cache"
RUNS: Final = ROOT / ".lab" / "runs"
KEPT: Final = "/lab/kept"  # where the command finds the folder that outlives the machine
INSIDE: Final = "SYMPHONY_LAB"  # set in the lab, so that a command knows where it is
BOUND_S: Final = 1200.0  # the microVM tests take minutes under two layers of emulation
BOOT_BOUND_S: Final = 180.0  # a boot takes 5 s on an idle machine and a minute on a very busy one
SILENCE_BOUND_S: Final = 120.0  # the machine gives a sign every 2 s; this long without one, it hangs
END_GRACE_S: Final = 10.0  # for a killed emulator to be gone
POLL_S: Final = 0.05  # output that waits this long still reads as live
TRIES: Final = 2  # an emulated machine hangs now and then; a second time has another cause
OUT_OF_TIME: Final = 124
# what is quick on silicon is slow in emulation: five levels of page tables, and copying byte by byte
PROCESSOR: Final = "max,+svm,-la57,-erms,-fsrm"
# a guest's processor and the programs beside it take turns on the outer machine, where a turn is cheap
PROCESSORS: Final = 4
# nothing hostile runs beside the lab's kernel; every clock but the counter is an emulated device, and slow
KERNEL_LINE: Final = (
    "console=ttyS0 quiet loglevel=1 panic=-1 net.ifnames=0 mitigations=off nokaslr cryptomgr.notests "
    "apparmor=0 tsc=reliable tsc_early_khz={khz}"
)
NOT_HANDED_ON: Final = frozenset({"HOME", "TMPDIR", "TMP", "TEMP", "PWD", "OLDPWD", "SHLVL", "_"})
DIE_WITH_PARENT: Final = 1  # PR_SET_PDEATHSIG


@dataclass(frozen=True, slots=True)
class Lab:
    """What a lab is made of.

    Attributes:
        given: name → folder, tar archive or ext4 image, shown in the machine as `/lab/NAME`.
        bound_s: for the whole run of the machine.
        variables: set for the command, beside those of the caller.
        kept: a folder that the command writes to as `/lab/kept`; all else that it writes is gone.
        quiet_bound_s: for how long the command may print nothing; no bound if None.
        tries: how many machines may end before the command does.
    """

    given: Mapping[str, Path]
    bound_s: float = BOUND_S
    variables: Mapping[str, str] | None = None
    kept: Path | None = None
    quiet_bound_s: float | None = None
    tries: int = TRIES


class NoResult(Exception):
    """The machine ended, or was ended, before its command did."""


def run_in_lab(argv: list[str], lab: Lab) -> int:
    """Run a command in a lab, its output live, and return its status.

    Returns 124 when it was out of time, 125 when the machine could not run it, each in the last of the tries.
    """
    if INSIDE in os.environ:
        return subprocess.run(argv, check=False, env={**os.environ, **(lab.variables or {})}).returncode
    signal.signal(signal.SIGTERM, _end)
    lab_needs.require()
    if engine := find_engine():
        prepare_engine(engine)
    disks = [
        *python_disks(CACHE),
        *source_disks(CACHE),
        *(given_disk(name, path, CACHE) for name, path in lab.given.items()),
    ]
    status = lab_needs.UNAVAILABLE
    try:
        for attempt in range(1, lab.tries + 1):
            try:
                return _run_once(argv, lab, disks, engine)
            except NoResult as reason:
                again = "; trying once more" if attempt < lab.tries else ""
                tell(f"{reason}{again}")
                status = OUT_OF_TIME if "out of time" in str(reason) else lab_needs.UNAVAILABLE
    except KeyboardInterrupt:
        tell("interrupted")
        status = 128 + signal.SIGINT
    return status


def _run_once(argv: list[str], lab: Lab, disks: list[Disk], engine: Path | None) -> int:
    kernel = find_kernel()
    assert kernel is not None, "lab_needs has made sure of it"
    with _run_folder() as run:
        (run / "setup").write_text(_setup(disks, engine, lab.kept))
        (run / "command").write_bytes(os.fsencode(_command(argv, lab)))
        for name in ("out", "err"):
            (run / name).touch()
        memory = lab_needs.memory_mib()
        tell(f"starting a machine with {release_of(kernel)} and {memory} MiB whose KVM is emulated")
        process = subprocess.Popen(
            _emulator(kernel, run, disks, memory, lab.kept),
            stdin=subprocess.DEVNULL,
            stdout=(run / "emulator").open("wb"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )
        try:
            return _follow(process, run, lab)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(timeout=END_GRACE_S)


def _follow(process: subprocess.Popen[bytes], run: Path, lab: Lab) -> int:
    """Show the output as it comes until there is a status.

    Raises:
        NoResult: with the reason.
    """
    began = time.monotonic()
    seen, seen_at, said_at, up = 0.0, began, began, False
    with (run / "out").open("rb") as out, (run / "err").open("rb") as err:
        while True:
            ended = process.poll() is not None
            status = _read(run / "status")
            said = [_copy(out, sys.stdout.buffer), _copy(err, sys.stderr.buffer)]
            if status:
                return int(status)
            now = time.monotonic()
            said_at = now if any(said) else said_at
            if ended:
                why = _read(run / "emulator") or _read(run / "console")
                raise NoResult(f"the machine ended before its command did: {why[-1500:].strip()}")
            if not up and (run / "up").exists():
                up = True
                tell(f"the machine is up after {now - began:.1f} s")
            sign = _changed(run / "alive")
            if sign != seen:
                seen, seen_at = sign, now
            if now - began > lab.bound_s:
                raise NoResult(f"out of time: no result after {lab.bound_s:g} s")
            if not up and now - began > BOOT_BOUND_S:
                raise NoResult(f"the machine did not boot within {BOOT_BOUND_S:g} s")
            if up and now - seen_at > SILENCE_BOUND_S:
                raise NoResult(f"the machine hangs: no sign of it for {SILENCE_BOUND_S:g} s")
            if lab.quiet_bound_s is not None and now - said_at > lab.quiet_bound_s:
                raise NoResult(f"out of time: the command printed nothing for {lab.quiet_bound_s:g} s")
            time.sleep(POLL_S)


def _emulator(kernel: Path, run: Path, disks: list[Disk], memory_mib: int, kept: Path | None) -> list[str]:
    argv = ["qemu-system-x86_64", "-machine", "q35", "-nodefaults", "-no-user-config", "-no-reboot"]
    argv += ["-display", "none", "-serial", f"file:{_quoted(run / 'console')}"]
    argv += ["-cpu", PROCESSOR, "-accel", "tcg,thread=multi", "-smp", str(PROCESSORS)]
    argv += ["-m", f"{memory_mib}M", "-kernel", str(unpack_kernel(kernel, CACHE))]
    argv += ["-initrd", str(make_initramfs(kernel, CACHE)), "-append", KERNEL_LINE.format(khz=counter_khz())]
    argv += _share("host", Path("/"), "readonly=on") + _share("run", run, "readonly=off")
    argv += _share("kept", kept, "readonly=off") if kept is not None else []
    argv += ["-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile="]
    for disk in disks:
        drive = f"if=none,id={disk.name},format=raw,readonly=on,file={_quoted(disk.image)}"
        argv += ["-drive", drive, "-device", f"virtio-blk-pci,drive={disk.name},serial={disk.name}"]
    return argv


def _share(tag: str, folder: Path, access: str) -> list[str]:
    device = f"local,id={tag},path={_quoted(folder)},security_model=none,multidevs=remap,{access}"
    return ["-fsdev", device, "-device", f"virtio-9p-pci,fsdev={tag},mount_tag={tag}"]


def _quoted(path: Path) -> str:
    return str(path).replace(",", ",,")


def _setup(disks: list[Disk], engine: Path | None, kept: Path | None) -> str:
    lines = []
    if kept is not None:
        lines += [f"mkdir -p {KEPT}", f"mount -t 9p -o trans=virtio,version=9p2000.L kept {KEPT}"]
    for disk in disks:
        folder = shlex.quote(str(disk.folder))
        there = [name for name in disk.left_out if (disk.folder / name).is_dir()]
        for name in there:
            lines += [f"mkdir -p /lab/there/{name}", f"mount -o bind {folder}/{name} /lab/there/{name}"]
        lines.append(f"{'lend' if disk.lent else 'show'} {shlex.quote(disk.name)} {folder}")
        lines += [f"mount -o bind /lab/there/{name} {folder}/{name}" for name in there]
    if engine is not None:
        lines += ["mkdir -p /lab/path", f"ln -s {shlex.quote(str(engine / 'smol-vmm'))} /lab/path/smolvm"]
    lines.append(f"chown {os.getuid()}:{os.getgid()} /lab/home")
    return "".join(f"{line}\n" for line in lines)


def _command(argv: list[str], lab: Lab) -> str:
    variables = {
        name: value
        for name, value in os.environ.items()
        if name not in NOT_HANDED_ON and not name.startswith("XDG_")
    }
    variables |= lab.variables or {}
    variables |= {INSIDE: "1", "HOME": "/lab/home", "TMPDIR": "/lab/tmp"}
    variables["PATH"] = f"/lab/path:{variables.get('PATH', '/usr/bin:/bin')}"
    if os.getuid() != 0:
        user = ["setpriv", f"--reuid={os.getuid()}", f"--regid={os.getgid()}", "--init-groups", "--"]
        argv = [*user, *argv]
    words = ["/usr/bin/env", "-i", *(f"{name}={value}" for name, value in variables.items()), *argv]
    # the shell that reads this belongs to the machine's init: the command must not use its tools
    return f"cd {shlex.quote(str(Path.cwd()))} && exec {shlex.join(words)}\n"


@contextlib.contextmanager
def _run_folder() -> Iterator[Path]:
    """Make a folder for one run; remove it at the end, and those that runs which were killed left."""
    RUNS.mkdir(parents=True, exist_ok=True)
    for old in RUNS.iterdir():
        with contextlib.suppress(OSError), (old / "lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(old, ignore_errors=True)
    run = Path(tempfile.mkdtemp(dir=RUNS))
    with (run / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield run
        finally:
            shutil.rmtree(run, ignore_errors=True)


def _copy(source: IO[bytes], target: IO[bytes]) -> bool:
    copied = False
    while piece := source.read(1 << 20):
        target.write(piece)
        target.flush()
        copied = True
    return copied


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace").strip()
    except FileNotFoundError:
        return ""


def _changed(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)


def _end(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt
