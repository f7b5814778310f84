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
CLOSED = DAYS - 7
"""The day of the last week on which all shops are closed, a Monday."""
WEEK = np.array([0.8, 0.85, 0.9, 1.0, 1.3, 1.6, 0.5])


def weeks(count: int = 4, noise: float = 1.0) -> NDArray[np.float64]:
    """Return [1, T, 1] daily sales of whole weeks."""
    steps = np.arange(count * SEASON)
    return (50 + 8 * (steps % SEASON) + noise * np.random.default_rng(0).normal(size=len(steps)))[None, :, None]


def shops(noise: float = 0.07, promoted: float = 0.0, count: int = 200, weeks: int = 8) -> NDArray[np.float64]:
    """Return [B, T, 1] daily sales that vary with their level, on some days 1.7 times as many."""
    random, days = np.random.default_rng(0), np.arange(weeks * SEASON)
    sales = 200 * WEEK[days % SEASON] * random.normal(1, noise, (count, len(days)))
    return (sales * np.where(random.random(sales.shape) < promoted, 1.7, 1))[..., None]


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


@pytest.mark.parametrize("noise", [0.03, 0.07, 0.15])
def test_a_closed_monday_is_unusual_whatever_is_sold_on_saturdays(noise: float) -> None:
    windows = shops(noise)
    assert find_unusual(windows, SEASON).mean() < 0.001
    windows[:, [-7, -6]] = 0
    is_found = find_unusual(windows, SEASON)[..., 0]
    assert is_found[:, :2].mean() > 0.99
    assert is_found[:, 2:].mean() < 0.001


def test_a_closed_monday_is_unusual_among_promotions_which_are_not_themselves() -> None:
    windows = shops(promoted=0.12)
    assert find_unusual(windows, SEASON).mean() < 0.02, "12 % of the days are promoted"
    windows[:, -7] = 0
    assert find_unusual(windows, SEASON)[:, 0].mean() > 0.97


def test_noise_on_saturdays_alone_and_days_that_are_always_closed_make_nothing_unusual() -> None:
    windows = shops()
    windows[:, 5::SEASON] *= np.random.default_rng(1).lognormal(0, 0.3, (len(windows), 8, 1))
    assert find_unusual(windows, SEASON).mean() < 0.01
    windows = shops(promoted=0.12)
    windows[:, [day for day in range(windows.shape[1]) if day % SEASON in (0, 1, 6)]] = 0
    assert find_unusual(windows, SEASON).mean() < 0.01
    windows[:, -4] = 0
    assert find_unusual(windows, SEASON)[:, 3].mean() > 0.97


def test_lower_sales_on_all_days_and_small_counts_are_not_unusual() -> None:
    lower = shops()
    lower[:, -SEASON:] *= 0.5
    assert find_unusual(lower, SEASON).mean() < 0.001
    for level in (0.3, 1.0, 3.0):
        counts = np.random.default_rng(2).poisson(level * shops() / 200).astype(float)
        assert find_unusual(counts, SEASON).mean() < 0.02


def test_temperatures_below_zero_are_compared_as_they_are() -> None:
    window = weeks() - 70
    assert found(window) == []
    window[0, 3 - SEASON, 0] += 40
    assert found(window) == [3]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shops with a weekly season that are closed on one day of the last week."""
    path = tmp_path_factory.mktemp("closed") / "sales.csv"
    random = np.random.default_rng(1)
    rows = []
    for shop in range(SHOPS):
        size = random.uniform(50, 200)
        for day in range(DAYS):
            value = size * WEEK[day % SEASON] * random.normal(1, 0.07)
            date = np.datetime64("2024-01-01") + day
            rows.append(f"shop {shop},{date},{0 if day == CLOSED else value:.2f}")
    path.write_text("shop,date,sales\n" + "\n".join(rows) + "\n")
    return path


def test_a_closed_day_in_the_last_week_is_not_forecast_for_the_weeks_to_come(table: Path) -> None:
    experiment: dict[str, Any] = {
        "data": {"file": str(table), "target": "sales", "series": "shop"},
        "forecast": {
            "window": 8 * SEASON,
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
        assert (closed > 0.75 * usual).all()
