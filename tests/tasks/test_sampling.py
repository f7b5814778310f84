"""The probabilities with which tokens are sampled."""

from unrolled.tasks.generation import sampling_probabilities

import numpy as np
import pytest

# After padding and the unknown token, which are never sampled.
SHARES = np.array([0.0, 0.0, 0.5, 0.3, 0.15, 0.05])


@pytest.mark.parametrize(
    ("top_p", "kept"), [(0.3, 1), (0.49, 1), (0.51, 2), (0.79, 2), (0.81, 3), (0.949, 3), (0.951, 4), (1.0, 4)]
)
@pytest.mark.parametrize("are_probabilities", [True, False])
def test_top_p_keeps_the_fewest_tokens_that_reach_it(top_p: float, kept: int, are_probabilities: bool) -> None:
    outputs = SHARES if are_probabilities else np.log(np.maximum(SHARES, 1e-9)) + 7
    found = sampling_probabilities(outputs, are_probabilities, 1.0, None, top_p)
    expected = np.where(np.arange(6) < 2 + kept, SHARES, 0)
    np.testing.assert_allclose(found, expected / expected.sum(), atol=1e-9)


@pytest.mark.parametrize(("top_k", "top_p", "kept"), [(1, 0.9, 1), (3, 0.51, 2), (9, None, 4), (2, 1.0, 2)])
def test_the_smaller_of_top_k_and_top_p_decides(top_k: int, top_p: float | None, kept: int) -> None:
    found = sampling_probabilities(SHARES, True, 1.0, top_k, top_p)
    assert np.count_nonzero(found) == kept
    assert found.sum() == pytest.approx(1)


@pytest.mark.parametrize("temperature", [1e-3, 1.0, 50.0])
def test_logits_of_any_size_can_be_sampled(temperature: float) -> None:
    found = sampling_probabilities(np.array([0, 0, 4e4, 4e4 - temperature, -4e4]), False, temperature, None, None)
    share = 1 / (1 + np.exp(-1))
    np.testing.assert_allclose(found[:4], [0, 0, share, 1 - share], rtol=1e-6)


def test_a_temperature_of_zero_takes_the_most_probable_token() -> None:
    assert sampling_probabilities(SHARES, True, 0, None, None).tolist() == [0, 0, 1, 0, 0, 0]
