"""What the lab's machine boots: a kernel of this machine, and an initramfs of its modules and our init.

Called by laboratory.py. Writes one file, in the folder that it is told.
"""

import gzip
import hashlib
import io
import lzma
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

INIT: Final = Path(__file__).with_name("lab_init.sh")
# in the order of need: the bus, the file systems that root is made of, disks, network, what smolvm uses
MODULES: Final = (
    "virtio_pci",
    "9pnet_virtio",
    "9p",
    "overlay",
    "virtio_blk",
    "ext4",
    "virtio_net",
    "kvm_amd",
    "vhost_vsock",
    "tun",
    "fuse",
)
RESOLVE_BOUND_S: Final = 60.0  # modprobe reads one index
NEEDED: Final = ("9p", "kvm-amd", "vhost_vsock")  # a `cloud` kernel lacks the first


def find_kernel(boot: Path = Path("/boot"), modules: Path = Path("/lib/modules")) -> Path | None:
    """Return the newest kernel of this machine that can be a lab's, or none."""
    found = [
        kernel
        for kernel in boot.glob("vmlinuz-*")
        if all(any((modules / release_of(kernel)).glob(f"kernel/**/{name}.ko*")) for name in NEEDED)
    ]
    return max(found, key=_by_version, default=None)


def release_of(kernel: Path) -> str:
    """Return what `uname -r` says under this kernel."""
    return kernel.name.removeprefix("vmlinuz-")


def unpack_kernel(kernel: Path, folder: Path) -> Path:
    """Return the kernel without its compression, which an emulated processor takes seconds to undo.

    A kernel that is packed in another way than by xz is returned as it is.
    """
    stat = kernel.stat()
    target = folder / f"vmlinux-{release_of(kernel)}-{stat.st_mtime_ns}"
    if target.is_file():
        return target
    packed = kernel.read_bytes()
    begin = packed.find(b"\xfd7zXZ\0")
    if begin < 0:
        return kernel
    try:
        plain = lzma.LZMADecompressor().decompress(packed[begin:])
    except lzma.LZMAError:
        return kernel
    if not plain.startswith(b"\x7fELF"):
        return kernel
    write_whole(target, plain)
    return target


def write_whole(target: Path, content: bytes) -> None:
    """Write a file that is there as a whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as draft:
        draft.write(content)
    Path(draft.name).replace(target)


def make_initramfs(kernel: Path, folder: Path) -> Path:
    """Return the initramfs for this kernel; made anew only when something that it holds changed."""
    from virtme.cpiowriter import CpioWriter

    busybox = Path(shutil.which("busybox") or "/bin/busybox")
    inputs = [INIT.read_bytes(), repr(MODULES).encode(), busybox.read_bytes(), str(kernel).encode()]
    inputs.append(str(kernel.stat().st_mtime_ns).encode())
    target = folder / f"initramfs-{hashlib.sha256(b'|'.join(inputs)).hexdigest()[:16]}"
    if target.is_file():
        return target
    files = _module_files(release_of(kernel))
    stream = io.BytesIO()
    archive = CpioWriter(stream)
    for name in (b"bin", b"dev", b"modules"):
        archive.mkdir(name, 0o755)
    archive.mkchardev(b"dev/console", (5, 1), mode=0o660)
    archive.mkchardev(b"dev/null", (1, 3), mode=0o666)
    archive.write_file(b"bin/busybox", busybox.read_bytes(), 0o755)
    archive.write_file(b"init", INIT.read_bytes(), 0o755)
    for file in files:
        archive.write_file(f"modules/{_plain(file)}".encode(), _unpacked(file), 0o644)
    archive.write_file(b"modules/order", "".join(f"{_plain(file)}\n" for file in files).encode(), 0o644)
    archive.write_trailer()
    write_whole(target, stream.getvalue())
    return target


def _module_files(release: str) -> list[Path]:
    from virtme.modfinder import find_modules_from_install

    return [Path(name) for name in find_modules_from_install(MODULES, kver=release)]


def _plain(file: Path) -> str:
    return file.name.partition(".ko")[0] + ".ko"


def _unpacked(file: Path) -> bytes:
    match file.suffix:
        case ".xz":
            return lzma.decompress(file.read_bytes())
        case ".gz":
            return gzip.decompress(file.read_bytes())
        case ".zst":
            argv = ["zstd", "--decompress", "--stdout", str(file)]
            return subprocess.run(argv, check=True, capture_output=True, timeout=RESOLVE_BOUND_S).stdout
        case _:
            return file.read_bytes()


def _by_version(kernel: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", release_of(kernel))]
