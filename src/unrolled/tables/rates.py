"""Learning rates."""

from unrolled.experiments.training.rate_sweep import RateSweep
from unrolled.tables.layout import add_row, print_json, table_of

from rich.console import Console

_ROWS = 24
_WIDTH = 50


def print_sweep(sweep: RateSweep, *, as_json: bool) -> None:
    """The loss at each rate as a bar, and the rate to take."""
    if as_json:
        print_json(sweep.to_json())
        return
    table = table_of("learning rate", "loss", "", right=("learning rate", "loss"))
    every = max(1, -(-len(sweep.rates) // _ROWS))
    most = max(sweep.smoothed[::every] + sweep.smoothed[-1:])
    for rate, loss in list(zip(sweep.rates, sweep.smoothed, strict=True))[::every]:
        mark = (
            "  ← falls fastest" if rate <= sweep.suggestion < rate * (sweep.rates[1] / sweep.rates[0]) ** every else ""
        )
        add_row(table, f"{rate:.1e}", f"{loss:.4f}", "█" * max(1, round(_WIDTH * loss / most)) + mark)
    console = Console(highlight=False)
    console.print(table)
    end = f"; lost at {sweep.diverged_at:.1e}" if sweep.diverged_at else ""
    console.print(f"the loss falls fastest at {sweep.suggestion:g}{end}")
    console.print("take it as a constant rate; the peak of a OneCycle may be three times as high")
