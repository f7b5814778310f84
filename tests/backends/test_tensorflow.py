"""The kernels in TensorFlow equal the reference, eagerly and in graphs, and compute no more than is wanted."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.backends.cases import FEATURES, RECURRENCES, UNITS, assert_close, expected, make_cotangents, make_inputs
from unrolled.backends import tensorflow as backend
from unrolled.errors import InvalidInput
from unrolled.kernels.spec import Inputs, RecurrenceSpec

import pytest
import tensorflow as tf

LSTM = RECURRENCES["lstm"]
ALL = list(Inputs._fields[:6])


def tensors(recurrence: RecurrenceSpec) -> Inputs:
    return Inputs(*(None if array is None else tf.constant(array) for array in make_inputs(recurrence)))


def loss(recurrence: RecurrenceSpec, inputs: Inputs) -> Any:
    weights = make_cotangents(recurrence)
    results = backend.run_recurrence(recurrence, inputs)
    return tf.add_n([tf.reduce_sum(r * w) for r, w in zip(results, weights, strict=True) if r is not None])


def differentiate(function: Callable[[Any], Any], at: Any) -> Any:
    with tf.GradientTape() as tape:
        tape.watch(at)
        value = function(at)
    return tape.gradient(value, at)


def operations(function: Callable[..., Any], *arguments: Any, in_graph: bool, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The result of a function and the operations that it ran: whether each kept a tape, or its wanted gradients."""
    ran: list[Any] = []
    if in_graph:
        compiled = tf.function(function)
        graph = compiled.get_concrete_function(*arguments).graph
        # TensorFlow drops what the outputs of a graph without side effects do not need.
        needed = [output.op.name for output in graph.outputs]
        nodes = tf.compat.v1.graph_util.extract_sub_graph(graph.as_graph_def(), needed).node
        ran += [node.attr["keeps_tape"].b for node in nodes if node.op == "UnrolledForward"]
        ran += [wanted_names(node.attr["wanted"].i) for node in nodes if node.op == "UnrolledBackward"]
        return compiled(*arguments), ran

    def record(name: str, arrays: Any, results: int, attributes: dict[str, Any]) -> Any:
        is_forward = name == "UnrolledForward"
        ran.append(attributes["keeps_tape"] if is_forward else wanted_names(attributes["wanted"]))
        return run_operation(name, arrays, results, attributes)

    run_operation = backend._operation
    with monkeypatch.context() as patched:
        patched.setattr(backend, "_operation", record)
        return function(*arguments), ran


def wanted_names(bits: int) -> list[str]:
    return [name for number, name in enumerate(ALL) if bits >> number & 1]


@pytest.mark.parametrize("in_graph", [False, True], ids=["eager", "graph"])
@pytest.mark.parametrize("recurrence", RECURRENCES.values(), ids=RECURRENCES)
def test_results_and_gradients_equal_the_reference(recurrence: RecurrenceSpec, in_graph: bool) -> None:
    wanted_results, wanted_gradients = expected(recurrence)
    inputs = tensors(recurrence)
    at = {name: getattr(inputs, name) for name in ALL if getattr(inputs, name) is not None}

    def work(at: dict[str, Any]) -> Any:
        gradients = differentiate(lambda at: loss(recurrence, inputs._replace(**at)), at)
        return list(backend.run_recurrence(recurrence, inputs._replace(**at)))[
            : 3 if recurrence.cell == "lstm" else 2
        ], gradients

    results, gradients = (tf.function(work) if in_graph else work)(at)
    for actual, wanted in zip(results, wanted_results, strict=False):
        assert_close(actual, wanted)
    for name, gradient in gradients.items():
        assert_close(gradient, getattr(wanted_gradients, name))


@pytest.mark.parametrize("in_graph", [False, True], ids=["eager", "graph"])
def test_only_watched_gradients_are_computed(in_graph: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = tensors(LSTM)
    kernel = tf.Variable(inputs.kernel)
    frozen = tf.Variable(inputs.recurrent_kernel, trainable=False)

    def step(sequences: Any) -> Any:
        with tf.GradientTape() as tape:
            value = loss(LSTM, inputs._replace(sequences=sequences, kernel=kernel, recurrent_kernel=frozen))
        return tape.gradient(value, kernel)

    gradient, ran = operations(step, inputs.sequences, in_graph=in_graph, monkeypatch=monkeypatch)
    assert ran == [True, ["kernel"]]
    assert_close(gradient, expected(LSTM)[1].kernel)


@pytest.mark.parametrize("in_graph", [False, True], ids=["eager", "graph"])
def test_no_tape_is_kept_where_nothing_is_differentiated(in_graph: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def infer(sequences: Any) -> Any:
        return backend.run_recurrence(LSTM, tensors(LSTM)._replace(sequences=sequences)).h

    _, ran = operations(infer, tensors(LSTM).sequences, in_graph=in_graph, monkeypatch=monkeypatch)
    assert ran == [False]


def test_a_tape_outside_a_graph_gets_gradients_that_the_graph_did_not_watch() -> None:
    inputs = tensors(LSTM)
    gradients = expected(LSTM)[1]

    @tf.function  # type: ignore[untyped-decorator]
    def infer(sequences: Any) -> Any:
        return loss(LSTM, inputs._replace(sequences=sequences))

    @tf.function  # type: ignore[untyped-decorator]
    def train(sequences: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(inputs.kernel)
            value = loss(LSTM, inputs._replace(sequences=sequences))
        return value, tape.gradient(value, inputs.kernel)

    for function in (infer, lambda sequences: train(sequences)[0]):
        assert_close(differentiate(function, inputs.sequences), gradients.sequences)


def test_sizes_may_be_unknown_while_tracing() -> None:
    inputs = tensors(LSTM)._replace(
        initial_h=None, initial_c=None, mask=None, input_dropout=None, recurrent_dropout=None
    )
    unknown = tf.TensorSpec((None, None, FEATURES))

    @tf.function(input_signature=[unknown])  # type: ignore[untyped-decorator]
    def gradient(sequences: Any) -> Any:
        results = backend.run_recurrence(LSTM, inputs._replace(sequences=sequences))
        assert results.outputs.shape.as_list() == [None, None, UNITS]
        assert results.h.shape.as_list() == [None, UNITS]
        return differentiate(lambda at: loss_of(at), sequences)

    def loss_of(sequences: Any) -> Any:
        return tf.reduce_sum(backend.run_recurrence(LSTM, inputs._replace(sequences=sequences)).outputs ** 2)

    for sequences in (inputs.sequences, inputs.sequences[:1, :2]):
        assert_close(gradient(sequences), differentiate(loss_of, sequences))


def test_loops_and_vectorized_maps_equal_a_loop_in_python() -> None:
    inputs = tensors(LSTM)
    several = tf.stack([inputs.sequences, 2 * inputs.sequences])

    def run(sequences: Any) -> Any:
        return backend.run_recurrence(LSTM, inputs._replace(sequences=sequences)).outputs

    one_by_one = tf.stack([run(sequences) for sequences in several])
    assert_close(tf.function(lambda at: tf.vectorized_map(run, at))(several), one_by_one)
    mapped = tf.function(lambda at: tf.map_fn(run, at))
    assert_close(mapped(several), one_by_one)
    assert_close(differentiate(mapped, several), tf.stack([differentiate(run, sequences) for sequences in several]))


@pytest.mark.parametrize("in_graph", [False, True], ids=["eager", "graph"])
def test_a_second_derivative_is_rejected(in_graph: bool) -> None:
    inputs = tensors(LSTM)

    def twice(kernel: Any) -> Any:
        def slope(kernel: Any) -> Any:
            return tf.reduce_sum(differentiate(lambda kernel: loss(LSTM, inputs._replace(kernel=kernel)), kernel))

        return differentiate(slope, kernel)

    with pytest.raises((InvalidInput, tf.errors.OpError), match="second derivatives are not supported"):
        (tf.function(twice) if in_graph else twice)(inputs.kernel)


def test_a_wrong_shape_is_an_error_that_names_it() -> None:
    inputs = tensors(LSTM)._replace(kernel=tf.ones((FEATURES + 1, 4 * UNITS)))
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"expected kernel \[\d+, \d+\], got"):
        backend.run_recurrence(LSTM, inputs)


def test_a_library_that_is_not_loaded_is_rejected(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from unrolled.kernels import native\n"
        "try: native.register_with_tensorflow(Path(sys.argv[1]))\n"
        "except RuntimeError as error: print(error)"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "libtensorflow.so"], capture_output=True, text=True, check=True
    )
    assert finished.stdout == "it is not loaded\n"


def test_a_saved_model_holds_the_operations(tmp_path: Path) -> None:
    inputs = tensors(LSTM)

    class Module(tf.Module):  # type: ignore[misc]
        @tf.function(input_signature=[tf.TensorSpec((None, None, FEATURES))])  # type: ignore[untyped-decorator]
        def __call__(self, sequences: Any) -> Any:
            return backend.run_recurrence(
                LSTM, Inputs(sequences, inputs.kernel, inputs.recurrent_kernel, inputs.bias)
            ).h

    module = Module()
    tf.saved_model.save(module, tmp_path)
    assert_close(tf.saved_model.load(tmp_path)(inputs.sequences), module(inputs.sequences))
