"""Commands that look at data."""

from pathlib import Path

from unrolled.cli.options import JSON

import click


@click.command()
@click.argument("data", metavar="NAME or FILE", default="mnist")
@click.option("--picture", type=click.Path(path_type=Path, dir_okay=False), help="Write a PNG to look at.")
@JSON
def show(data: str, picture: Path | None, as_json: bool) -> None:
    """Look at a data set: its shapes, range and classes, and a few examples.

    \b
    unrolled show mnist --picture mnist.png
    unrolled show digits.npz
    """  # noqa: D301 - click reads the backspace
    from unrolled.data.catalogue import load
    from unrolled.data.look import save_picture
    from unrolled.tables.data import print_dataset

    loaded = load(data)
    if picture:
        save_picture(loaded, picture)
    print_dataset(loaded, as_json=as_json)
    if picture and not as_json:
        click.echo(f"\n{picture}")
