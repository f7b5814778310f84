"""The forecaster: series of arrays and data frames, what is known ahead, cross-validation, and wrong input."""

import pickle
import subprocess
import sys
from typing import Any

from tests.conftest import environment
from unrolled import Forecaster, load

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import estimator_checks_generator

pd: Any = pytest.importorskip("pandas", reason="pandas is no dependency")

SMALL: dict[str, Any] = {"window": 12, "units": 4, "epochs": 1, "random_state": 0}
# The others fit tables and predict their rows.
CHECKS = (
    "check_estimator_cloneable",
    "check_estimator_repr",
    "check_no_attributes_set_in_init",
    "check_estimators_overwrite_params",
    "check_dont_overwrite_parameters",
    "check_estimators_fit_returns_self",
    "check_estimators_unfitted",
    "check_do_not_raise_errors_in_init_or_set_params",
    "check_parameters_default_constructible",
    "check_get_params_invariance",
    "check_set_params",
    "check_fit_check_is_fitted",
)


@pytest.mark.parametrize("name", CHECKS)
def test_checks_of_scikit_learn(name: str) -> None:
    forecaster = Forecaster(**SMALL | {"window": 2})
    found = [check for _, check in estimator_checks_generator(forecaster, mark=None) if check.func.__name__ == name]
    assert found
    for check in found:
        check(clone(forecaster))


@pytest.fixture(scope="module")
def passengers() -> NDArray[np.float64]:
    """The monthly numbers of air passengers, 1949 to 1960."""
    data = load("air-passengers")
    values: NDArray[np.float64] = np.concatenate([data.train.inputs[0], data.test.inputs[0]])[:, 0].astype(np.float64)
    return values


def months(count: int) -> Any:
    return pd.period_range("1949-01", periods=count, freq="M")


def test_passengers_are_forecast_better_than_by_the_season_before(passengers: NDArray[np.float64]) -> None:
    settings: dict[str, Any] = {"window": 24, "season": 12, "scale": "window_mean", "units": 16, "epochs": 40}
    forecaster = Forecaster(**settings, random_state=0).fit(passengers[:-12], fh=range(1, 13))
    true = passengers[-12:]
    errors = np.abs(forecaster.predict() - true)
    assert errors.mean() < np.abs(passengers[-24:-12] - true).mean()
    naive = np.abs(passengers[12:-12] - passengers[:-24]).mean()
    assert forecaster.score(true) == pytest.approx(-errors.mean() / naive, rel=1e-5)


def test_steps_are_those_of_fh_as_in_sktime(passengers: NDArray[np.float64]) -> None:
    forecaster = Forecaster(**SMALL, horizon=3).fit(passengers)
    whole = forecaster.predict(range(1, 8))
    assert forecaster.predict().shape == (3,)
    np.testing.assert_array_equal(forecaster.predict(5), whole[4:5])
    np.testing.assert_array_equal(forecaster.predict([7, 2]), whole[[6, 1]])
    assert Forecaster(**SMALL).fit(passengers, fh=[2, 4]).predict().shape == (2,)


def test_forecasts_have_the_form_and_the_index_of_the_series(passengers: NDArray[np.float64]) -> None:
    forecaster = Forecaster(**SMALL, horizon=3)
    plain = forecaster.fit(passengers).predict([1, 3])
    by_month = pd.Series(passengers, index=months(144), name="passengers")
    dated = pd.Series(passengers, index=months(144).to_timestamp(), name="passengers")
    numbered = pd.Series(passengers, index=range(10, 154))
    rows = pl.DataFrame({"month": dated.index.to_numpy().astype("datetime64[D]"), "passengers": passengers})
    for series, index in (
        (by_month, [pd.Period("1961-01", "M"), pd.Period("1961-03", "M")]),
        (dated, [pd.Timestamp("1961-01-01"), pd.Timestamp("1961-03-01")]),
        (numbered, [154, 156]),
    ):
        found = forecaster.fit(series).predict([1, 3])
        np.testing.assert_array_equal(found.to_numpy(), plain)
        assert (found.index.tolist(), found.name) == (index, series.name)
        assert found.index.dtype == series.index.dtype
    frame = forecaster.fit(rows).predict([1, 3])
    assert frame["month"].cast(pl.String).to_list() == ["1961-01-01", "1961-03-01"]
    np.testing.assert_array_equal(frame["passengers"].to_numpy(), plain)
    column = forecaster.fit(rows["passengers"]).predict([1, 3])
    assert column.name == "passengers"
    np.testing.assert_array_equal(forecaster.fit(passengers.tolist()).predict([1, 3]), plain)
    two = forecaster.fit(pd.DataFrame({"a": passengers, 2: passengers[::-1]})).predict([1, 3])
    assert (two.columns.tolist(), two.index.tolist()) == (["a", 2], [144, 146])
    assert forecaster.fit(np.stack([passengers, passengers], axis=1)).predict([1, 3]).shape == (2, 2)


def test_dates_name_the_steps_to_forecast_and_to_score(passengers: NDArray[np.float64]) -> None:
    series = pd.Series(passengers, index=months(144))
    forecaster = Forecaster(**SMALL, horizon=3).fit(series[:-12])
    pd.testing.assert_series_equal(forecaster.predict(series.index[[-12, -10]]), forecaster.predict([1, 3]))
    later = series[-9:]
    errors = forecaster.predict(range(4, 13)).to_numpy() - later.to_numpy()
    naive = np.abs(np.diff(passengers[:-12])).mean()
    assert forecaster.score(later) == pytest.approx(-np.abs(errors).mean() / naive, rel=1e-5)
    with pytest.raises(ValueError, match="y: expected dates of steps after 1959-12, got 1959-01"):
        forecaster.score(series[-24:])
    with pytest.raises(ValueError, match="fh: expected dates of steps after 1959-12, got 1960-01-15"):
        forecaster.predict(pd.DatetimeIndex(["1960-01-15"]))


def test_missing_dates_are_gaps_and_rows_may_be_in_any_order(passengers: NDArray[np.float64]) -> None:
    series = pd.Series(passengers, index=months(144).to_timestamp())
    with_gap = series.copy()
    with_gap.iloc[50] = np.nan
    expected = Forecaster(**SMALL).fit(with_gap).predict([1, 2])
    found = Forecaster(**SMALL).fit(with_gap.drop(with_gap.index[50]).sample(frac=1, random_state=0)).predict([1, 2])
    pd.testing.assert_series_equal(found, expected)


def test_a_gap_in_the_last_season_is_passed_over_with_a_warning(passengers: NDArray[np.float64]) -> None:
    values = passengers.copy()
    values[-3] = np.nan
    forecaster = Forecaster(**SMALL | {"window": 24}, season=12).fit(values)
    with pytest.warns(UserWarning, match="the last season has gaps; the forecast starts from the season before there"):
        assert np.isfinite(forecaster.predict([1])).all()


def test_several_series_of_any_lengths_share_one_network(passengers: NDArray[np.float64]) -> None:
    forecaster = Forecaster(**SMALL, horizon=2)
    named = forecaster.fit({"long": passengers, "short": 10 * passengers[:40]}).predict()
    listed = forecaster.fit([passengers, 10 * passengers[:40]]).predict()
    assert list(named) == ["long", "short"]
    np.testing.assert_array_equal(np.stack(list(named.values())), np.stack(listed))
    assert forecaster.score([passengers[:5], passengers[:3]]) < 0
    alone = Forecaster(**SMALL, horizon=2).fit([passengers])
    assert isinstance(alone.predict(), list)


def test_a_forecast_reads_what_is_known_ahead_and_the_calendar() -> None:
    random = np.random.default_rng(0)
    sale = (random.random(200) < 0.3).astype(float)
    days = pd.date_range("2024-01-01", periods=200)
    sales = pd.Series(10 + 8 * sale + 0.1 * random.normal(size=200), index=days)
    known = pd.DataFrame({"sale": sale, "shop": np.where(sale > 0, "open late", "as usual")}, index=days)
    forecaster = Forecaster(window=14, horizon=1, units=8, epochs=40, calendar=["weekday"], random_state=0)
    forecaster.fit(sales[:-20], known[:-20])
    found = forecaster.predict(range(1, 21), known[-20:])
    assert np.abs(found - sales[-20:]).mean() < 2
    assert forecaster.score(sales[-20:], known[-20:]) > -0.5
    np.testing.assert_array_equal(forecaster.predict(2, known[-20:].reset_index(drop=True)), found[1:2])
    with pytest.raises(ValueError, match="X: expected sale, shop of the 1 steps to forecast, got None"):
        forecaster.predict()
    with pytest.raises(ValueError, match="X: expected the steps after the end of y, the first on 2024-06-29, got"):
        forecaster.predict(1, known)
    with pytest.raises(ValueError, match="X: expected the 3 steps to forecast, got 2"):
        forecaster.predict(3, known[-20:-18])
    with pytest.raises(ValueError, match="X: expected the columns sale, shop as in fit, got sale"):
        forecaster.predict(1, known[["sale"]][-20:])


def test_pickle_and_clone_keep_what_they_should(passengers: NDArray[np.float64]) -> None:
    forecaster = Forecaster(**SMALL, network=[{"LSTM": {"units": 3}}], season=12)
    forecaster.fit(pd.Series(passengers, index=months(144)))
    again = pickle.loads(pickle.dumps(forecaster))
    pd.testing.assert_series_equal(again.predict([1, 5]), forecaster.predict([1, 5]))
    assert clone(forecaster).get_params() == forecaster.get_params()


def test_grids_and_cross_validation_score_what_comes_after(passengers: NDArray[np.float64]) -> None:
    series, cuts = pd.Series(passengers, index=months(144)), TimeSeriesSplit(2, test_size=6)
    forecaster = Forecaster(**SMALL, season=12)
    scores = cross_val_score(forecaster, series, cv=cuts)
    by_hand = [clone(forecaster).fit(series[:end]).score(series[end : end + 6]) for end in (132, 138)]
    np.testing.assert_allclose(scores, by_hand)
    month = np.sin(np.arange(144.0) * np.pi / 6)[:, None]
    assert cross_val_score(forecaster, series, month, cv=cuts).shape == (2,)
    logarithm = FunctionTransformer(np.log, np.exp)
    assert cross_val_score(make_pipeline(logarithm, forecaster), passengers, cv=cuts).shape == (2,)
    grid = GridSearchCV(forecaster, {"season": [1, 12]}, cv=cuts).fit(passengers)
    assert grid.best_params_ == {"season": 12}
    assert grid.predict([1, 2]).shape == (2,)


@pytest.mark.parametrize(
    ("series", "message"),
    [
        (None, "Forecaster: expected series y, got None"),
        ("text", "y: expected a series of numbers, an array .* got str"),
        (np.ones((2, 30, 1)), "y: expected one series .* got .2, 30, 1.. Give several series as a list"),
        (np.ones(30) + 1j, "y: expected real numbers, got complex ones"),
        (np.ones(5), "y: expected at least the 13 steps of window and horizon, got 5"),
        (np.append(np.ones(30), np.nan), "y: expected a value at the last step, got none"),
        (np.append(np.ones(30), np.inf), "value: expected a number below"),
        ([np.ones(30), np.ones((30, 2))], r"y\[1\]: expected the columns value as in the first series, got y1, y2"),
        ({}, "y: expected series, got none"),
        (pl.DataFrame({"a": ["x"] * 30}), 'a: expected a number, got "x"'),
    ],
)
def test_what_is_no_series_is_refused(series: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Forecaster(**SMALL).fit(series)


def test_an_index_without_regular_steps_is_refused() -> None:
    ones, days = pd.Series(np.arange(30.0)), pd.date_range("2024-01-01", periods=30)
    wrong = (
        (ones.set_axis([f"step {step}" for step in range(30)]), "expected an index of dates, periods or whole numbers"),
        (ones.drop(7), "expected an index of whole numbers at one distance"),
        (ones.set_axis(days.tz_localize("Europe/Berlin")), "expected dates without a time zone, got Europe/Berlin"),
        (ones.set_axis(days[:1].append(days[:-1])), "is also the time of"),
        (ones.set_axis(days + pd.to_timedelta(np.arange(30) ** 2, "min")), "expected dates at one distance"),
        (ones.set_axis(pd.MultiIndex.from_product([[1], days])), "expected an index with one level, got 2"),
    )
    for series, message in wrong:
        with pytest.raises(ValueError, match=message):
            Forecaster(**SMALL).fit(series)


def test_wrong_steps_and_settings_are_refused(passengers: NDArray[np.float64]) -> None:
    forecaster = Forecaster(**SMALL).fit(passengers)
    for steps in (0, [1, -2], 1.5, [], [[1]], "next"):
        with pytest.raises(ValueError, match="fh: expected whole numbers of steps after the end of y"):
            forecaster.predict(steps)
    with pytest.raises(ValueError, match="X: expected nothing, as fit had no X"):
        forecaster.predict(1, np.ones((1, 1)))
    with pytest.raises(ValueError, match="X: expected the 144 steps of y, got 3"):
        Forecaster(**SMALL).fit(passengers, np.ones(3))
    with pytest.raises(ValueError, match=r"Forecaster: forecast: .*at least one season of 24 steps"):
        Forecaster(**SMALL, season=24).fit(passengers)
    with pytest.raises(ValueError, match=r"Forecaster: forecast.scale: .*window_mean"):
        Forecaster(**SMALL, scale="mean").fit(passengers)
    with pytest.raises(ValueError, match="the setting calendar needs a column of dates"):
        Forecaster(**SMALL, calendar=["month"]).fit(passengers)


def test_a_forecaster_needs_no_pandas() -> None:
    program = (
        "import sys; sys.modules['pandas'] = None\n"
        "import polars as pl\n"
        "from unrolled import Forecaster\n"
        "rows = pl.DataFrame({'a': list(range(30))})\n"
        "print(Forecaster(window=3, units=2, epochs=1).fit(rows).predict([1, 2]).columns)"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment(KERAS_BACKEND="jax")
    )
    assert finished.stdout == "['a']\n", finished.stderr


def test_quantiles_are_forecast_in_order_beside_the_median(passengers: NDArray[np.float64]) -> None:
    settings = {**SMALL, "epochs": 3, "season": 12}
    forecaster = Forecaster(**settings, horizon=6, quantiles=[0.1, 0.5, 0.9]).fit(passengers)
    found = forecaster.predict_quantiles([1, 6])
    assert list(found) == [0.1, 0.5, 0.9]
    np.testing.assert_array_equal(found[0.5], forecaster.predict([1, 6]))
    assert (found[0.1] < found[0.5]).all()
    assert (found[0.5] < found[0.9]).all()
    with pytest.raises(ValueError, match="predict_quantiles: expected quantiles in the forecaster, got None"):
        Forecaster(**SMALL).fit(passengers).predict_quantiles()
