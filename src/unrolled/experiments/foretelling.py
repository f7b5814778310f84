"""A trained network goes on with a series."""

from typing import Any

from unrolled.errors import InvalidInput
from unrolled.experiments.encodings import Series
from unrolled.experiments.run import Run
from unrolled.experiments.tasks.forecast import settings_of, values_of

import numpy as np
from numpy.typing import ArrayLike, NDArray


def check_task(run: Run) -> None:
    """Refuse a network that was trained for something else.

    Raises:
        InvalidInput: It was.
    """
    if run.experiment.task != "forecast":
        raise InvalidInput(
            f"forecast: expected a network that was trained to forecast, got one that was to {run.experiment.task}. "
            "Train one: unrolled train passengers-forecast"
        )


def forecast(run: Run, series: ArrayLike, steps: int | None = None) -> NDArray[np.float32]:
    """The values after the end of a series.

    Beyond the horizon the network is told what it has told itself.

    Args:
        run: A network that was trained to forecast.
        series: [T, F] the values up to now, or [T] of one channel; at least as many steps as the network sees.
        steps: How many to tell; without it the horizon.

    Returns:
        [steps, F], in the units of the data.

    Raises:
        InvalidInput: The network was trained for something else, or the series is too short or has other channels.
    """
    experiment, encoding = run.experiment, run.encoding
    check_task(run)
    assert isinstance(encoding, Series)
    settings = settings_of(experiment)
    values: NDArray[Any] = np.asarray(series, np.float32)
    values = values[:, None] if values.ndim == 1 else values
    channels = len(encoding.mean)
    if values.ndim != 2 or values.shape[1] != channels or len(values) < settings.window:
        raise InvalidInput(
            f"forecast: expected a series [T, {channels}] of at least {settings.window} steps, got "
            f"{list(values.shape)}. Give it more of the past, and the channels {', '.join(run.classes)}."
        )
    recent = values[-settings.season :]
    if np.isnan(recent).any():
        raise InvalidInput("forecast: expected the last season without gaps, got one. Fill it first.")
    wanted = settings.horizon if steps is None else steps
    if wanted < 1:
        raise InvalidInput(f"forecast: expected at least one step, got {wanted}. Change it.")
    told = values[-settings.window :]
    while len(told) < settings.window + wanted:
        window = told[-settings.window :][None]
        outputs = np.asarray(run.model.predict_on_batch(window), np.float32)
        told = np.concatenate([told, values_of(outputs, window, encoding, experiment)[0].astype(np.float32)])
    return told[settings.window : settings.window + wanted]
