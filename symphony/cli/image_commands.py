"""`symphony image` with its sub-commands and arguments, as people read them in `--help`.

The bodies only pass on, as those of `commands`.
"""

from pathlib import Path
from typing import Annotated, Any

import typer

from symphony.cli.arguments import AsJson

NAME = "image"
HELP = "Build and look after the images that agents' machines start from."


def build_(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="What it is called; symphony without it.")
    ] = None,
    minimal: Annotated[bool, typer.Option("--minimal", help="Without Node and the agents.")] = False,
    definition: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A definition of yours, in TOML.")
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(
            metavar="IMAGE",
            help="Begin with this image, in a machine, where there is no mmdebstrap:"
            " a reference, a docker-save archive or a rootfs folder.",
        ),
    ] = None,
    sources: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Debian's sources, in place of this machine's own.")
    ] = None,
    install: Annotated[bool, typer.Option("--install", help="As root, install mmdebstrap first.")] = False,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Take Debian's packages as they are today.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Build an image; what is there already is not built again."""
    from symphony.cli.image import build as build_image

    build_image(
        name,
        minimal=minimal,
        definition=definition,
        base=base,
        sources=sources,
        install=install,
        refresh=refresh,
        as_json=as_json,
    )


def list_(as_json: AsJson = False) -> None:
    """Show all images."""
    from symphony.cli.image import list_images

    list_images(as_json=as_json)


def show(
    image: Annotated[str, typer.Argument(metavar="NAME|ID", help="A name, or the first digits of an id.")],
    as_json: AsJson = False,
) -> None:
    """Show all that is known of one image."""
    from symphony.cli.image import show_image

    show_image(image, as_json=as_json)


def prune(
    everything: Annotated[bool, typer.Option("--all", help="Remove the named images too.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove images that no name stands for, and what builds left."""
    from symphony.cli.image import prune as prune_images

    prune_images(everything=everything, dry_run=dry_run, as_json=as_json)


def build(context: dict[str, Any]) -> typer.Typer:
    """Return the parser of `symphony image`."""
    application = typer.Typer(context_settings=context, help=HELP, no_args_is_help=True)
    for name, command in (("build", build_), ("list", list_), ("show", show), ("prune", prune)):
        application.command(name, context_settings=context)(command)
    return application
