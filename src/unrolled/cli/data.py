"""Commands that look at data."""

from pathlib import Path

from unrolled.cli.options import JSON

import click


@click.command()
@click.argument("data", metavar="NAME or FILE", default="mnist")
@click.option("--picture", type=click.Path(path_type=Path, dir_okay=False), help="Write a PNG to look at.")
@click.option("--input", "inputs", multiple=True, metavar="COLUMN", help="Of a table, what is read; may be repeated.")
@click.option(
    "--target", metavar="COLUMN", help="Of a table, the column of the class; without one, values to forecast."
)
@click.option("--series", metavar="COLUMN", help="Of a table with a row for each step, which series a row belongs to.")
@click.option("--side", type=click.IntRange(min=1), help="To how many pixels pictures of a folder are brought.")
@JSON
def show(
    data: str, picture: Path | None, as_json: bool, inputs: tuple[str, ...], side: int | None, **columns: str | None
) -> None:
    """Look at a data set: its shapes, range and classes, and a few examples. Of a table, its columns first.

    \b
    unrolled show mnist --picture mnist.png
    unrolled show digits.npz
    unrolled show survey.csv --input answer --target mood
    """  # noqa: D301 - click reads the backspace
    from unrolled.data.catalogue import load_to_show
    from unrolled.data.look import save_picture
    from unrolled.data.tables import is_table, read_start
    from unrolled.tables.data import print_columns, print_dataset

    table = read_start(Path(data)) if is_table(Path(data)) else None
    if table and not as_json:
        print_columns(table)
    loaded = load_to_show(data, table, inputs, side=side, **columns)
    if picture:
        save_picture(loaded, picture)
    print_dataset(loaded, as_json=as_json, said=table.spell_found() if table else "")
    if picture and not as_json:
        click.echo(f"\n{picture}")
