"""Means and differences against SciPy's tests, and their intervals against the truth."""

import math
from collections.abc import Callable

from unrolled.comparison.statistics import Estimate, holm, paired, student, welch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

FIRST, SECOND = [0.971, 0.974, 0.969, 0.975, 0.972], [0.978, 0.976, 0.971, 0.981, 0.975]
TRUTH, SIMULATIONS = 0.01, 1000


def assert_agrees(estimate: Estimate, found: object, mean: float) -> None:
    interval = found.confidence_interval(0.95)  # type: ignore[attr-defined]
    assert estimate.mean == pytest.approx(mean)
    assert (estimate.low, estimate.high) == pytest.approx((interval.low, interval.high))
    assert estimate.p == pytest.approx(found.pvalue)  # type: ignore[attr-defined]


def test_a_mean_is_that_of_scipy() -> None:
    assert_agrees(student(FIRST), stats.ttest_1samp(FIRST, 0), np.mean(FIRST).item())


def test_a_paired_difference_is_that_of_scipy() -> None:
    assert_agrees(paired(FIRST, SECOND), stats.ttest_rel(SECOND, FIRST), 0.004)


def test_welchs_difference_is_that_of_scipy() -> None:
    shorter = SECOND[:3]
    difference = np.mean(shorter).item() - np.mean(FIRST).item()
    assert_agrees(welch(FIRST, shorter), stats.ttest_ind(shorter, FIRST, equal_var=False), difference)


def simulated_mean(random: np.random.Generator) -> Estimate:
    return student(random.normal(TRUTH, 0.02, 5).tolist())


def simulated_pairs(random: np.random.Generator) -> Estimate:
    shared = random.normal(0.9, 0.05, 4)
    return paired((shared + random.normal(0, 0.01, 4)).tolist(), (shared + random.normal(TRUTH, 0.02, 4)).tolist())


def simulated_sides(random: np.random.Generator) -> Estimate:
    return welch(random.normal(0.9, 0.03, 12).tolist(), random.normal(0.9 + TRUTH, 0.01, 6).tolist())


@pytest.mark.parametrize("simulate", [simulated_mean, simulated_pairs, simulated_sides])
def test_intervals_hold_the_truth_95_times_in_a_hundred(simulate: Callable[[np.random.Generator], Estimate]) -> None:
    random = np.random.default_rng(0)
    estimates = [simulate(random) for _ in range(SIMULATIONS)]
    held = sum(one.low <= TRUTH <= one.high for one in estimates if one.low is not None and one.high is not None)
    # What chance allows in 999 of 1000 such simulations, if each interval holds the truth with probability 0.95.
    fewest, most = stats.binom.interval(0.999, SIMULATIONS, 0.95)
    assert fewest <= held <= most


def test_one_value_gives_no_interval() -> None:
    assert student([0.97]) == Estimate(0.97, None, None, 1, None)
    assert paired([0.9], [0.97]).p is None
    assert welch([0.9, 0.91, 0.92], [0.97]).half_width is None
    assert str(student([0.97])) == "0.9700"


def test_equal_values_say_nothing_of_chance() -> None:
    assert paired(FIRST, FIRST) == Estimate(0.0, 0.0, 0.0, 5, 1.0)
    assert welch([0.5, 0.5], [1.0, 1.0]) == Estimate(0.5, None, None, 2, None)
    assert paired([0.97, 0.96], [0.98, 0.97]).n == 2


# Not so near to each other that the square of their distance is 0.
SCORES = st.lists(st.floats(0, 1).map(lambda score: round(score, 12)), min_size=2, max_size=8)


@given(SCORES, SCORES)
def test_the_interval_leaves_out_0_just_where_p_is_below_one_in_twenty(first: list[float], second: list[float]) -> None:
    estimate = welch(first, second)
    if estimate.low is None:
        assert len(set(first)) == len(set(second)) == 1
        return
    assert estimate.low is not None
    assert estimate.high is not None
    assert estimate.p is not None
    assert math.isfinite(estimate.low + estimate.high)
    if min(abs(estimate.low), abs(estimate.high)) > 1e-9:
        assert (estimate.low <= 0 <= estimate.high) == (estimate.p > 0.05)


def test_holms_correction_is_that_of_his_paper() -> None:
    assert holm([0.01, 0.02, 0.03]) == pytest.approx([0.03, 0.04, 0.04])
    assert holm([0.6, 0.001, 0.7]) == pytest.approx([1.0, 0.003, 1.0])
    assert holm([0.04]) == [0.04]
    assert holm([]) == []
