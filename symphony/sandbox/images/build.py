"""From a definition to an image: stage by stage, each kept once it is done.

Called by the command line. One build at a time holds the library; what it writes becomes an image in
one step at the end, and a stage counts only when it is whole.
"""

import errno
import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from symphony.sandbox.images import tools
from symphony.sandbox.images.debian import build_debian
from symphony.sandbox.images.definition import Plan
from symphony.sandbox.images.derived import build_from_base
from symphony.sandbox.images.errors import ImageError, disk_full, unusable
from symphony.sandbox.images.files import complete_root, is_full, remove_tree, sha256_of, size_of
from symphony.sandbox.images.image import RECORD, Image, StageRecord, render_image, rootfs_of
from symphony.sandbox.images.library import Library, free_bytes
from symphony.sandbox.images.node import fetch_node
from symphony.sandbox.images.npm import fetch_agent, find_npm
from symphony.sandbox.images.stages import archive_of, keep_stage, kept_stage, pack_tree, system_packages

UNPACK = "unpack"
TAR_BOUND = 900.0  # seconds for a gigabyte on a slow disk
ROOM_BYTES = {"base": 700 << 20, "node": 250 << 20, "agent": 700 << 20}  # for the archive and the files


@dataclass(frozen=True, slots=True)
class Progress:
    """How a build goes.

    Attributes:
        seconds: since the stage began.
        doing: what it does now; empty when the stage ended.
        size_bytes: of what it brought; None until it ended.
        kept: whether an earlier build had done it.
    """

    stage: str
    seconds: float
    doing: str = ""
    size_bytes: int | None = None
    kept: bool = False


@dataclass(frozen=True, slots=True)
class Means:
    """What a build works with.

    Attributes:
        environ: of the programs that it runs, so that mirrors and proxies are the user's.
        tell: is told how it goes.
        now: aware UTC.
        base: an image that smolvm takes, in place of mmdebstrap.
        sources: a file of apt's sources in place of the host's.
        install: whether mmdebstrap may be installed.
        binary: as `smolvm.binary`.
    """

    environ: Mapping[str, str]
    tell: Callable[[Progress], None]
    now: Callable[[], datetime]
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    base: str | None = None
    sources: Path | None = None
    install: bool = False
    binary: str | None = None


@dataclass(frozen=True, slots=True)
class Built:
    """What a build came to.

    Attributes:
        fresh: whether anything was built; False when the image was there.
    """

    image: Image
    rootfs: Path
    fresh: bool


def build_image(library: Library, plan: Plan, name: str, means: Means) -> Built:
    """Build an image, or find that it is there, and give it the name.

    Raises:
        ImageError: see its codes; finished stages are kept.
        EngineError: with a base, what the engine cannot do.
    """
    if library.has(plan.image_id) and library.names().get(name) == plan.image_id:
        image = library.find(plan.image_id)
        return Built(image, library.rootfs(image), fresh=False)

    def waiting(seconds: float) -> None:
        means.tell(Progress("waiting", seconds, "another build holds the library"))

    with library.changing(waiting, means.clock, means.sleep) as lock:
        fresh = not library.has(plan.image_id)
        try:
            image = _Build(library, plan, means, lock).image() if fresh else library.find(plan.image_id)
        except OSError as error:
            raise unusable(library.place.root, "hold a new image", error) from error
        library.give_name(name, image)
    return Built(image, library.rootfs(image), fresh)


@dataclass
class _Build:
    library: Library
    plan: Plan
    means: Means
    lock: int
    root: Path | None = field(default=None, init=False)  # the system's files, when they were just made

    def __post_init__(self) -> None:
        place = self.library.place
        self.work = place.work
        self.watch = tools.Watch(
            place.logs / f"{self.plan.image_id[:12]}.log", self._doing, self.means.clock, held=(self.lock,)
        )

    def image(self) -> Image:
        records = tuple(self._stage(name, key) for name, key in self.plan.stages.items())
        folder = self.work / "image"
        folder.mkdir()
        self.watch.begin(UNPACK)
        if self.root is None:
            rootfs_of(folder).mkdir()
        else:
            self.root.rename(rootfs_of(folder))
        for record in records if self.root is None else records[1:]:
            self.watch.note(f"unpacking {record.name}")
            self._unpack(archive_of(self.library.place, record.key), rootfs_of(folder))
        complete_root(rootfs_of(folder))
        image = Image(
            id=self.plan.image_id,
            name=self.plan.definition.name,
            created=self.means.now(),
            size_bytes=size_of(rootfs_of(folder)),
            architecture=self.plan.architecture,
            base=self.means.base or f"Debian {self.plan.definition.debian.suite}",
            definition=self.plan.definition.model_dump(mode="json"),
            stages=records,
        )
        with (folder / RECORD).open("w", encoding="utf-8") as file:
            json.dump(render_image(image), file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        self.library.publish(folder, image)
        self.means.tell(Progress(UNPACK, self.watch.elapsed, size_bytes=image.size_bytes))
        return image

    def _stage(self, name: str, key: str) -> StageRecord:
        place = self.library.place
        self.watch.begin(name)
        if record := kept_stage(place, key):
            self.means.tell(Progress(name, self.watch.elapsed, size_bytes=record.size_bytes, kept=True))
            return record
        self._check_room(name)
        archive, tree = self.work / f"{name}.tar", self.work / name
        tree.mkdir()
        try:
            packages = self._make(name, archive, tree)
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise disk_full(place.root, f"make the stage {name}") from error
            raise
        record = _record(name, key, archive, packages, self.watch.elapsed)
        keep_stage(place, archive, record)
        remove_tree(tree)
        self.means.tell(Progress(name, self.watch.elapsed, size_bytes=record.size_bytes))
        return record

    def _make(self, name: str, archive: Path, tree: Path) -> Mapping[str, str]:
        definition, means = self.plan.definition, self.means
        if name == "base":
            if means.base is not None:
                build_from_base(
                    means.base,
                    definition.debian,
                    archive,
                    tree,
                    self.watch,
                    means.environ,
                    binary=means.binary,
                    with_agents=definition.node is not None or bool(self.plan.agents),
                )
            else:
                root = self.work / "system" if os.geteuid() == 0 else None
                build_debian(
                    definition.debian,
                    root or archive,
                    tree,
                    self.watch,
                    means.environ,
                    sources=means.sources,
                    install=means.install,
                )
                if root is not None:
                    self._pack(root, archive)
                    self.root = root
            return system_packages(archive)
        if name == "node" and definition.node is not None:
            content = tree / "files"
            fetch_node(definition.node, self.plan.architecture, content, tree, self.watch, means.environ)
            pack_tree(content, archive)
            return {"node": definition.node.version}
        agent = next(agent for agent in self.plan.agents if agent.name == name)
        npm = find_npm(means.environ, self._node())
        lock = self.plan.locks[name]
        fetch_agent(agent, lock, self.plan.architecture, tree, npm, self.watch, means.environ)
        self.watch.note("packing")
        pack_tree(tree, archive)
        return {agent.command: agent.version}

    def _node(self) -> Path:
        """Return a folder with the image's own Node, for a host that has no npm."""
        key = self.plan.stages.get("node")
        folder = self.work / "npm-client"
        if key is not None and not folder.exists() and not shutil.which("npm", path=self._path()):
            folder.mkdir()
            self._unpack(archive_of(self.library.place, key), folder)
        return folder

    def _pack(self, root: Path, archive: Path) -> None:
        self.watch.note("packing")
        argv = ("tar", "-c", "-f", str(archive), "--numeric-owner", "--one-file-system", "-C", str(root), ".")
        self._tar(argv, "packed")

    def _unpack(self, archive: Path, folder: Path) -> None:
        mine = () if os.geteuid() == 0 else ("--no-same-owner",)
        argv = ("tar", "-x", "-p", "-f", str(archive), "--numeric-owner", *mine, "-C", str(folder))
        self._tar(argv, "unpacked")

    def _tar(self, argv: tuple[str, ...], done: str) -> None:
        ended = tools.run(argv, self.watch, bound_s=TAR_BOUND, environ=self.means.environ, cwd=self.work)
        if ended.status and (is_full(self.work) or ended.says("no space left", "quota exceeded")):
            raise disk_full(self.library.place.root, f"have the image {done}")
        if ended.status:
            raise ImageError(
                f"The files of the image could not be {done}: {ended.reason}.",
                remedy=f"Read {self.watch.log}, then run the build again.",
            )

    def _check_room(self, name: str) -> None:
        wanted, free = ROOM_BYTES.get(name, ROOM_BYTES["agent"]), free_bytes(self.library.place)
        if free < wanted:
            raise ImageError(
                f"The stage {name} needs {wanted >> 20} MiB in {self.library.place.root};"
                f" {free >> 20} MiB are free.",
                code="image.disk_full",
                remedy="Free some with `symphony image prune`, or name a roomier folder in SYMPHONY_IMAGES.",
            )

    def _path(self) -> str:
        return self.means.environ.get("PATH", os.defpath)

    def _doing(self, stage: str, seconds: float, doing: str) -> None:
        self.means.tell(Progress(stage, seconds, doing))


def _record(name: str, key: str, archive: Path, packages: Mapping[str, str], seconds: float) -> StageRecord:
    """Return the record of a stage whose archive was just written."""
    size = archive.stat().st_size
    return StageRecord(name, key, round(seconds, 1), size, sha256_of(archive), dict(packages))
