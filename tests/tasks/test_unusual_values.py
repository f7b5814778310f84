"""Unusual values in the last season: when they are found, and what a forecast makes of them."""

from pathlib import Path
from typing import Any

import unrolled
from unrolled.tasks.last_season import find_unusual, usual_season, usual_steps

import numpy as np
import pytest
from numpy.typing import NDArray

pytestmark = pytest.mark.xdist_group("unusual-values")

SEASON = 7
SHOPS, DAYS, HORIZON = 20, 168, 28
CLOSED = DAYS - 3
"""The day of the last week on which all shops are closed."""


def weeks(count: int = 4, noise: float = 1.0) -> NDArray[np.float64]:
    """Return [1, T, 1] daily sales of whole weeks."""
    steps = np.arange(count * SEASON)
    return (50 + 8 * (steps % SEASON) + noise * np.random.default_rng(0).normal(size=len(steps)))[None, :, None]


def found(window: NDArray[np.float64]) -> list[int]:
    """Return the places of the last season that are unusual."""
    places: list[int] = np.flatnonzero(find_unusual(window, SEASON)[0, :, 0]).tolist()
    return places


@pytest.mark.parametrize("places", [[], [3], [3, 4]])
def test_a_closed_day_or_two_are_unusual(places: list[int]) -> None:
    window = weeks()
    window[0, [place - SEASON for place in places], 0] = 0
    assert found(window) == places
    expected = window[:, -SEASON:].copy()
    expected[0, places] = window[0, [place - 2 * SEASON for place in places]]
    base = usual_season(window, horizon=10, season=SEASON)
    np.testing.assert_array_equal(base, expected[:, np.arange(10) % SEASON])
    steps = usual_steps(window, horizon=10, season=SEASON)
    np.testing.assert_array_equal(np.take_along_axis(window[..., 0], steps, axis=1), base[..., 0])


def test_a_day_that_was_closed_before_and_a_season_that_changed_are_not_unusual() -> None:
    again = weeks()
    again[0, [3, 3 - SEASON], 0] = 0
    assert found(again) == []
    changed = weeks()
    changed[0, [-5, -4, -3], 0] = 0
    assert found(changed) == []
    earlier = weeks()
    earlier[0, 3 + SEASON, 0] = 0
    assert found(earlier) == []


def test_a_price_that_changed_and_rare_sales_are_not_unusual() -> None:
    price = np.r_[np.full(26, 10.0), 12.0, 12.0][None, :, None]
    assert found(price) == []
    random = np.random.default_rng(1)
    for _ in range(50):
        rare = (random.random(28) < 0.2) * random.integers(1, 4, 28).astype(float)
        assert found(rare[None, :, None]) == []


@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_a_trend_and_a_new_level_are_not_unusual(noise: float) -> None:
    trend = np.arange(4.0 * SEASON)[None, :, None]
    for window in (weeks(noise=noise) + 1.7 * trend, weeks(noise=noise) * 1.01**trend):
        assert found(window) == []
    raised = weeks(noise=noise)
    raised[:, -SEASON:] += 500
    assert found(raised) == []


def test_of_two_seasons_or_values_it_is_not_known_which_is_unusual() -> None:
    window = weeks()
    window[0, 3 - SEASON, 0] = 0
    assert found(window[:, -2 * SEASON :]) == []
    window[0, [3, 3 + SEASON], 0] = np.nan
    assert found(window) == []
    window[0, 3, 0] = 74
    assert found(window) == [3], "a gap in one of the seasons does not hide it"


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shops with a weekly season that are closed on one day of the last week."""
    path = tmp_path_factory.mktemp("closed") / "sales.csv"
    random = np.random.default_rng(1)
    rows = []
    for shop in range(SHOPS):
        size = random.uniform(50, 200)
        for day in range(DAYS):
            value = size * (1 + 0.1 * (day % SEASON) + 0.03 * random.normal())
            date = np.datetime64("2024-01-01") + day
            rows.append(f"shop {shop},{date},{0 if day == CLOSED else value:.2f}")
    path.write_text("shop,date,sales\n" + "\n".join(rows) + "\n")
    return path


def test_a_closed_day_in_the_last_week_is_not_forecast_for_the_weeks_to_come(table: Path) -> None:
    experiment: dict[str, Any] = {
        "data": {"file": str(table), "target": "sales", "series": "shop"},
        "forecast": {
            "window": 4 * SEASON,
            "horizon": HORIZON,
            "season": SEASON,
            "scale": "window_mean",
            "test_steps": HORIZON,
        },
        "network": [{"GRU": {"units": 8}}],
        "training": {"epochs": 4, "batch_size": 64},
    }
    run = unrolled.train(experiment, runs=table.parent / "runs", quiet=True)
    forecast = unrolled.forecast_table(run, table)
    assert len(forecast.series) == SHOPS
    for one in forecast.series:
        usual = one.history[CLOSED - 3 * SEASON : CLOSED : SEASON].mean()
        closed = one.values[SEASON - (DAYS - CLOSED) :: SEASON, 0]
        assert len(closed) == HORIZON // SEASON
        assert (closed > 0.85 * usual).all()
