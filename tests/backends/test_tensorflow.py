"""The kernels in TensorFlow give what the reference gives, eagerly and in graphs, and compute no more than is asked."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.kernels.joins import FEATURES, RECURRENCES, UNITS, assert_close, expected, make_cotangents, make_inputs
from unrolled.backends import tensorflow as kernels
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
    results = kernels.run(recurrence, inputs)
    return tf.add_n([tf.reduce_sum(r * w) for r, w in zip(results, weights, strict=True) if r is not None])


def differentiate(function: Callable[[Any], Any], given: Any) -> Any:
    with tf.GradientTape() as tape:
        tape.watch(given)
        value = function(given)
    return tape.gradient(value, given)


def operations(function: Callable[..., Any], *given: Any, in_graph: bool, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What a function gives, and of each operation that it runs: whether it kept a tape, or what it was asked for."""
    ran: list[Any] = []
    if in_graph:
        compiled = tf.function(function)
        graph = compiled.get_concrete_function(*given).graph
        # What TensorFlow keeps of a graph without side effects: that which its outputs need.
        needed = [output.op.name for output in graph.outputs]
        nodes = tf.compat.v1.graph_util.extract_sub_graph(graph.as_graph_def(), needed).node
        ran += [node.attr["keeps_tape"].b for node in nodes if node.op == "UnrolledForward"]
        ran += [wanted_names(node.attr["wanted"].i) for node in nodes if node.op == "UnrolledBackward"]
        return compiled(*given), ran

    def record(name: str, arrays: Any, results: int, attributes: dict[str, Any]) -> Any:
        is_forward = name == "UnrolledForward"
        ran.append(attributes["keeps_tape"] if is_forward else wanted_names(attributes["wanted"]))
        return run_operation(name, arrays, results, attributes)

    run_operation = kernels._operation
    with monkeypatch.context() as patched:
        patched.setattr(kernels, "_operation", record)
        return function(*given), ran


def wanted_names(bits: int) -> list[str]:
    return [name for number, name in enumerate(ALL) if bits >> number & 1]


@pytest.mark.parametrize("in_graph", [False, True], ids=["eager", "graph"])
@pytest.mark.parametrize("recurrence", RECURRENCES.values(), ids=RECURRENCES)
def test_results_and_gradients_equal_the_reference(recurrence: RecurrenceSpec, in_graph: bool) -> None:
    wanted_results, wanted_gradients = expected(recurrence)
    inputs = tensors(recurrence)
    given = {name: getattr(inputs, name) for name in ALL if getattr(inputs, name) is not None}

    def work(given: dict[str, Any]) -> Any:
        gradients = differentiate(lambda given: loss(recurrence, inputs._replace(**given)), given)
        return list(kernels.run(recurrence, inputs._replace(**given)))[
            : 3 if recurrence.cell == "lstm" else 2
        ], gradients

    results, gradients = (tf.function(work) if in_graph else work)(given)
    for actual, wanted in zip(results, wanted_results, strict=False):
        assert_close(actual, wanted)
    for name, gradient in gradients.items():
        assert_close(gradient, getattr(wanted_gradients, name))


@pytest.mark.parametrize("in_graph", [False, True], ids=["eager", "graph"])
def test_only_what_the_tape_watches_is_computed(in_graph: bool, monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_nothing_is_remembered_where_nothing_is_differentiated(in_graph: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def infer(sequences: Any) -> Any:
        return kernels.run(LSTM, tensors(LSTM)._replace(sequences=sequences)).h

    _, ran = operations(infer, tensors(LSTM).sequences, in_graph=in_graph, monkeypatch=monkeypatch)
    assert ran == [False]


def test_a_tape_outside_of_a_graph_finds_what_the_graph_did_not_expect() -> None:
    inputs = tensors(LSTM)
    gradients = expected(LSTM)[1]

    @tf.function  # type: ignore[untyped-decorator]
    def infer(sequences: Any) -> Any:
        return loss(LSTM, inputs._replace(sequences=sequences))

    @tf.function  # type: ignore[untyped-decorator]
    def learn(sequences: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(inputs.kernel)
            value = loss(LSTM, inputs._replace(sequences=sequences))
        return value, tape.gradient(value, inputs.kernel)

    for function in (infer, lambda sequences: learn(sequences)[0]):
        assert_close(differentiate(function, inputs.sequences), gradients.sequences)


def test_sizes_may_be_unknown_while_tracing() -> None:
    inputs = tensors(LSTM)._replace(
        initial_h=None, initial_c=None, mask=None, input_dropout=None, recurrent_dropout=None
    )
    unknown = tf.TensorSpec((None, None, FEATURES))

    @tf.function(input_signature=[unknown])  # type: ignore[untyped-decorator]
    def gradient(sequences: Any) -> Any:
        results = kernels.run(LSTM, inputs._replace(sequences=sequences))
        assert results.outputs.shape.as_list() == [None, None, UNITS]
        assert results.h.shape.as_list() == [None, UNITS]
        return differentiate(lambda given: loss_of(given), sequences)

    def loss_of(sequences: Any) -> Any:
        return tf.reduce_sum(kernels.run(LSTM, inputs._replace(sequences=sequences)).outputs ** 2)

    for sequences in (inputs.sequences, inputs.sequences[:1, :2]):
        assert_close(gradient(sequences), differentiate(loss_of, sequences))


def test_loops_and_vectorized_maps_equal_a_loop_in_python() -> None:
    inputs = tensors(LSTM)
    several = tf.stack([inputs.sequences, 2 * inputs.sequences])

    def run(sequences: Any) -> Any:
        return kernels.run(LSTM, inputs._replace(sequences=sequences)).outputs

    one_by_one = tf.stack([run(sequences) for sequences in several])
    assert_close(tf.function(lambda given: tf.vectorized_map(run, given))(several), one_by_one)
    mapped = tf.function(lambda given: tf.map_fn(run, given))
    assert_close(mapped(several), one_by_one)
    assert_close(differentiate(mapped, several), tf.stack([differentiate(run, sequences) for sequences in several]))


@pytest.mark.parametrize("in_graph", [False, True], ids=["eager", "graph"])
def test_a_second_derivative_is_refused(in_graph: bool) -> None:
    inputs = tensors(LSTM)

    def twice(kernel: Any) -> Any:
        def slope(kernel: Any) -> Any:
            return tf.reduce_sum(differentiate(lambda kernel: loss(LSTM, inputs._replace(kernel=kernel)), kernel))

        return differentiate(slope, kernel)

    with pytest.raises((InvalidInput, tf.errors.OpError), match="a derivative of a derivative"):
        (tf.function(twice) if in_graph else twice)(inputs.kernel)


def test_arrays_that_do_not_fit_are_refused_in_the_kernels_words() -> None:
    inputs = tensors(LSTM)._replace(kernel=tf.ones((FEATURES + 1, 4 * UNITS)))
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"expected kernel \[\d+, \d+\], got"):
        kernels.run(LSTM, inputs)


def test_a_library_that_is_not_loaded_is_no_tensorflow(tmp_path: Path) -> None:
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
            return kernels.run(LSTM, Inputs(sequences, inputs.kernel, inputs.recurrent_kernel, inputs.bias)).h

    module = Module()
    tf.saved_model.save(module, tmp_path)
    assert_close(tf.saved_model.load(tmp_path)(inputs.sequences), module(inputs.sequences))
