"""Where a user's images are, and which files are whose in there.

stages/KEY.tar, KEY.json    what finished stages of builds left, for the next build
images/ID/image.json        an image; it is one when this file is whole
images/ID/rootfs/           its files, as the engine takes them
names/NAME                  the id that a name stands for
unpacked/DIGEST/            an archive that a workflow names, as the engine takes it
logs/                       what the programs of builds said
work/                       what builds write in; without a build it is litter
build.lock                  held by whoever changes anything here
"""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

VARIABLE = "SYMPHONY_IMAGES"
OF_THE_MACHINE = Path("/var/lib/symphony/images")


@dataclass(frozen=True, slots=True)
class Place:
    """The folders of one library."""

    root: Path

    @property
    def stages(self) -> Path:
        """Archives of finished stages."""
        return self.root / "stages"

    @property
    def images(self) -> Path:
        """The images."""
        return self.root / "images"

    @property
    def names(self) -> Path:
        """Which id each name stands for."""
        return self.root / "names"

    @property
    def work(self) -> Path:
        """What a build writes in."""
        return self.root / "work"

    @property
    def unpacked(self) -> Path:
        """Archives that workflows name, as the engine takes them."""
        return self.root / "unpacked"

    @property
    def logs(self) -> Path:
        """What the programs of builds said."""
        return self.root / "logs"

    @property
    def lock(self) -> Path:
        """Held by whoever changes anything."""
        return self.root / "build.lock"


def image_place(environ: Mapping[str, str]) -> Place:
    """Return where images are: SYMPHONY_IMAGES, else the user's data folder.

    Root's are not in its home: machines that root starts run as users of their own, who must
    reach them.
    """
    if named := environ.get(VARIABLE):
        return Place(Path(named).expanduser().absolute())
    if os.geteuid() == 0:
        return Place(OF_THE_MACHINE)
    home = Path(environ.get("HOME") or Path.home())
    if sys.platform == "darwin":
        data = home / "Library" / "Application Support"
    else:
        data = Path(environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    return Place(data / "symphony" / "images")
