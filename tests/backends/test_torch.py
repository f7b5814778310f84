"""The kernels under autograd equal the reference, without copies, and compute no more than is wanted."""

from typing import Any

from tests.backends.cases import RECURRENCES, assert_close, expected, make_cotangents, make_inputs
from unrolled.backends import torch as backend
from unrolled.errors import InvalidInput
from unrolled.kernels import native
from unrolled.kernels.spec import Inputs, Outputs, RecurrenceSpec

import numpy as np
import pytest
import torch

LSTM = RECURRENCES["lstm"]


def tensors(recurrence: RecurrenceSpec, *differentiated: str) -> Inputs:
    inputs = make_inputs(recurrence)._asdict()
    return Inputs(
        **{
            name: None if array is None else torch.tensor(array).requires_grad_(name in differentiated)
            for name, array in inputs.items()
        }
    )


def loss(recurrence: RecurrenceSpec, results: Outputs) -> torch.Tensor:
    weights = make_cotangents(recurrence)
    total = torch.zeros(())
    for result, weight in zip(results, weights, strict=True):
        if result is not None:
            total = total + (result * torch.tensor(weight)).sum()
    return total


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The calls of the kernels: of each forward pass its ``training``, of each backward pass what was wanted."""
    made: list[Any] = []
    forward, backward = native.forward, native.backward

    def record_forward(recurrence: RecurrenceSpec, inputs: Inputs, *, training: bool) -> Any:
        made.append(training)
        return forward(recurrence, inputs, training=training)

    def record_backward(recurrence: RecurrenceSpec, inputs: Inputs, tape: Any, cotangents: Outputs, wanted: Any) -> Any:
        made.append((list(wanted), [name for name, array in cotangents._asdict().items() if array is not None]))
        return backward(recurrence, inputs, tape, cotangents, wanted)

    monkeypatch.setattr(native, "forward", record_forward)
    monkeypatch.setattr(native, "backward", record_backward)
    return made


@pytest.mark.parametrize("recurrence", RECURRENCES.values(), ids=RECURRENCES)
def test_results_and_gradients_equal_the_reference(recurrence: RecurrenceSpec) -> None:
    wanted_results, wanted_gradients = expected(recurrence)
    inputs = tensors(recurrence, *Inputs._fields[:6])
    results = backend.run_recurrence(recurrence, inputs)
    loss(recurrence, results).backward()  # type: ignore[no-untyped-call]
    for actual, wanted in zip(results, wanted_results, strict=False):
        if actual is not None:
            assert_close(actual.detach(), wanted)
    for name, tensor in list(inputs._asdict().items())[:6]:
        if tensor is not None:
            assert_close(tensor.grad, getattr(wanted_gradients, name))


def test_only_required_gradients_are_computed(calls: list[Any]) -> None:
    inputs = tensors(LSTM, "kernel", "initial_c")
    backend.run_recurrence(LSTM, inputs).h.sum().backward()
    assert calls == [True, (["kernel", "initial_c"], ["h"])]
    assert inputs.bias.grad is None


def test_no_tape_is_kept_where_nothing_is_differentiated(calls: list[Any]) -> None:
    backend.run_recurrence(LSTM, tensors(LSTM))
    with torch.no_grad():
        backend.run_recurrence(LSTM, tensors(LSTM, "kernel"))
    assert calls == [False, False]


def test_tensors_may_have_any_memory_layout() -> None:
    inputs = tensors(LSTM)
    straight = backend.run_recurrence(LSTM, inputs)
    sequences = inputs.sequences.permute(2, 1, 0).contiguous().permute(2, 1, 0)
    kernel = inputs.kernel.t().contiguous().t()
    assert not sequences.is_contiguous()
    turned = backend.run_recurrence(LSTM, inputs._replace(sequences=sequences, kernel=kernel))
    np.testing.assert_array_equal(straight.outputs, turned.outputs)
    gradients = []
    for tensor in (inputs.sequences.clone(), sequences.detach()):
        tensor.requires_grad_()
        # An expanded cotangent has strides of zero.
        backend.run_recurrence(LSTM, inputs._replace(sequences=tensor)).outputs.sum().backward()
        gradients.append(tensor.grad)
    np.testing.assert_array_equal(*gradients)


def test_nothing_is_copied() -> None:
    tensor = torch.ones(2, 3)
    assert backend._array(tensor).ctypes.data == tensor.data_ptr()
    again = backend._tensor(backend._array(tensor))
    assert again is not None
    assert again.data_ptr() == tensor.data_ptr()


def test_a_second_derivative_is_rejected() -> None:
    inputs = tensors(LSTM, "kernel")
    (gradient,) = torch.autograd.grad(backend.run_recurrence(LSTM, inputs).h.sum(), inputs.kernel, create_graph=True)
    with pytest.raises(InvalidInput, match="second derivatives are not supported"):
        gradient.sum().backward()


def test_several_gradients_at_once_are_refused_with_a_remedy() -> None:
    inputs = tensors(LSTM, "kernel")
    h = backend.run_recurrence(LSTM, inputs).h
    with pytest.raises(InvalidInput, match=r"Use torch\.func\.jacrev, or give the layer kernel"):
        torch.autograd.grad(h, inputs.kernel, torch.ones(2, *h.shape), is_grads_batched=True)


def test_forward_mode_derivatives_have_no_kernel() -> None:
    assert backend.unsupported_reason(LSTM, "float32") is None
    with torch.autograd.forward_ad.dual_level():
        assert backend.unsupported_reason(LSTM, "float32") == "forward-mode derivatives have no native kernel"


def test_weights_changed_before_backward_are_noticed_by_torch() -> None:
    inputs = tensors(LSTM, "kernel")
    total = backend.run_recurrence(LSTM, inputs).h.sum()
    with torch.no_grad():
        inputs.kernel.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        total.backward()


def test_wrapped_tensors_have_no_kernel() -> None:
    reasons: list[str | None] = []

    def ask(sequences: torch.Tensor) -> torch.Tensor:
        reasons.append(backend.unsupported_reason(LSTM, "float32", sequences))
        return sequences

    torch.vmap(ask)(torch.ones(2, 3))
    assert reasons == ["torch.vmap and torch.func have no native kernel"]
    assert backend.unsupported_reason(LSTM, "float32", torch.ones(2, device="meta")) is not None
