"""The sections of an experiment that belong to one task each."""

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from unrolled.config.sections import ConfigModel

from pydantic import Field, model_validator


def _are_quantiles(values: Sequence[float]) -> bool:
    return 0.5 in values and all(0 < value < 1 for value in values) and sorted(set(values)) == list(values)


class ForecastConfig(ConfigModel):
    """Input window and target steps of a forecast."""

    window: int = Field(ge=1)
    """Number of past steps that the network reads."""
    horizon: int = Field(default=1, ge=1)
    """Number of steps after the window that it forecasts."""
    season: int = Field(default=1, ge=1)
    """Number of steps after which the series repeats itself, if it does. The network learns the difference from the
    values one season before, which are also the baseline; unusual ones are passed over if the window holds three
    seasons."""
    scale: Literal["window_mean"] | None = None
    """``window_mean`` to divide each window by its own mean, for series whose swings grow with their level."""
    quantiles: Annotated[list[float], Field(min_length=1)] | None = None
    """The quantiles to forecast, such as ``[0.1, 0.5, 0.9]``: with the median, in ascending order. The network then
    learns them by their pinball loss; without them it forecasts one value, by default the mean."""
    conformal: bool = True
    """True to correct the quantiles after training so that they hold on the validation part, if there is one."""
    test_steps: int = Field(ge=1)
    """Number of steps at the end of the series that are held out as the test set."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.season > self.window:
            raise ValueError(f"a window of at least one season of {self.season} steps, got {self.window}. Widen it.")
        if self.horizon > self.test_steps:
            raise ValueError(f"a horizon within the {self.test_steps} test steps, got {self.horizon}. Shorten it.")
        if self.quantiles is not None and not _are_quantiles(self.quantiles):
            raise ValueError(
                f"quantiles between 0 and 1 in ascending order with 0.5, got {list(self.quantiles)}. "
                "Write for example [0.1, 0.5, 0.9]."
            )
        return self


class DetectConfig(ConfigModel):
    """Window, scores and threshold of anomaly detection."""

    window: int = Field(ge=4)
    """Number of steps of each example. The network forecasts each step from those before it, and what it makes of the
    first half of an example does not count."""
    smooth: int = Field(default=1, ge=1)
    """Number of steps around each step over which squared errors are averaged. Events that are closer than this are
    one."""
    margin: float = Field(default=1.5, gt=0)
    """The threshold, as a multiple of the highest score of the ordinary steps in the validation part."""
    season: int = Field(default=1, ge=1)
    """Number of steps after which the series repeats itself, if it does; for the baseline."""
    test_steps: int | None = Field(default=None, ge=1)
    """Number of steps at the end of each series that are held out as the test set, where no file is named for it; a
    sixth of each if left out."""
