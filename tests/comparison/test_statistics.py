"""Means and differences against SciPy's tests, and their intervals against the truth."""

import math
from collections.abc import Callable

from unrolled.comparison.statistics import Estimate, holm, newcombe, paired, student, welch, wilson

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
    assert estimate.p_value == pytest.approx(found.pvalue)  # type: ignore[attr-defined]


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
    assert paired([0.9], [0.97]).p_value is None
    assert welch([0.9, 0.91, 0.92], [0.97]).half_width is None
    assert str(student([0.97])) == "0.9700"


def test_equal_values_show_no_variation() -> None:
    assert paired(FIRST, FIRST) == Estimate(0.0, 0.0, 0.0, 5, 1.0)
    assert welch([0.5, 0.5], [1.0, 1.0]) == Estimate(0.5, None, None, 2, None)
    assert paired([0.97, 0.96], [0.98, 0.97]).n == 2


# Not so near to each other that the square of their distance is 0.
SCORES = st.lists(st.floats(0, 1).map(lambda score: round(score, 12)), min_size=2, max_size=8)


@given(SCORES, SCORES)
def test_the_interval_leaves_out_0_just_where_the_p_value_is_below_the_level(
    first: list[float], second: list[float]
) -> None:
    estimate = welch(first, second)
    if estimate.low is None:
        assert len(set(first)) == len(set(second)) == 1
        return
    assert estimate.low is not None
    assert estimate.high is not None
    assert estimate.p_value is not None
    assert math.isfinite(estimate.low + estimate.high)
    if min(abs(estimate.low), abs(estimate.high)) > 1e-9:
        assert (estimate.low <= 0 <= estimate.high) == (estimate.p_value > 0.05)


def test_holms_correction_is_that_of_his_paper() -> None:
    assert holm([0.01, 0.02, 0.03]) == pytest.approx([0.03, 0.04, 0.04])
    assert holm([0.6, 0.001, 0.7]) == pytest.approx([1.0, 0.003, 1.0])
    assert holm([0.04]) == [0.04]
    assert holm([]) == []


@pytest.mark.parametrize(("successes", "n"), [(0, 10), (1, 10), (50, 100), (9773, 10_000), (10, 10)])
def test_wilsons_interval_is_that_of_scipy(successes: int, n: int) -> None:
    interval = stats.binomtest(successes, n).proportion_ci(0.95, method="wilson")
    estimate = wilson(successes / n, n)
    assert (estimate.low, estimate.high) == pytest.approx((interval.low, interval.high), abs=1e-12)
    assert (estimate.mean, estimate.n, estimate.p_value, estimate.basis) == (successes / n, n, None, "examples")


def test_newcombes_intervals_are_those_of_his_paper() -> None:
    """Table II of the paper, method 10, for equal sizes: 9/10 against 3/10, and 10/10 against 0/10."""
    estimate = newcombe(0.3, 0.9, 10)
    assert (estimate.low, estimate.high) == pytest.approx((0.1705, 0.8090), abs=5e-5)
    estimate = newcombe(0.0, 1.0, 10)
    assert (estimate.low, estimate.high) == pytest.approx((0.6075, 1.0), abs=5e-5)


@given(st.integers(0, 200), st.integers(0, 200))
def test_newcombes_interval_and_p_value_agree(first: int, second: int) -> None:
    estimate, mirrored = newcombe(first / 200, second / 200, 200), newcombe(second / 200, first / 200, 200)
    assert estimate.low is not None
    assert estimate.high is not None
    assert estimate.p_value is not None
    assert estimate.low <= estimate.mean <= estimate.high
    if min(abs(estimate.low), abs(estimate.high)) > 1e-9:
        assert (estimate.low <= 0 <= estimate.high) == (estimate.p_value > 0.05)
    assert (mirrored.mean, mirrored.low, mirrored.high) == pytest.approx(
        (-estimate.mean, -estimate.high, -estimate.low)
    )
    assert mirrored.p_value == pytest.approx(estimate.p_value)


def test_the_p_value_of_two_proportions_is_near_that_of_the_z_test() -> None:
    first, second, n = 0.90, 0.91, 5000
    pooled = (first + second) / 2
    z = (second - first) / math.sqrt(2 * pooled * (1 - pooled) / n)
    assert newcombe(first, second, n).p_value == pytest.approx(2 * stats.norm.sf(z), rel=0.05)
    assert newcombe(0.5, 0.5, n).p_value == 1.0
    assert newcombe(0.0, 1.0, n).p_value == pytest.approx(0, abs=1e-300)


def test_newcombes_interval_holds_the_truth_95_times_in_a_hundred() -> None:
    random = np.random.default_rng(0)
    pairs = random.binomial(500, [0.9, 0.9 + TRUTH], (SIMULATIONS, 2)) / 500
    estimates = [newcombe(float(one), float(two), 500) for one, two in pairs]
    held = sum(one.low <= TRUTH <= one.high for one in estimates if one.low is not None and one.high is not None)
    fewest, most = stats.binom.interval(0.999, SIMULATIONS, 0.95)
    assert fewest <= held <= most
