"""The choice of the kernel that computes a layer, and the method of Keras that it replaces."""

import inspect
import logging
from typing import Any

import unrolled.layers
from tests.layers.comparison import FEATURES, LAYERS, UNITS, assert_equal, both, sequences
from unrolled.errors import InvalidSetting
from unrolled.kernels import native
from unrolled.layers.native_loop import NativeLoop

import keras
import numpy as np
import pytest

STEPS = ("_maybe_config_dropout_masks", "inner_loop", "_maybe_reset_dropout_masks")
NAMES = [name for name in unrolled.layers.__all__ if issubclass(getattr(unrolled.layers, name), NativeLoop)]
BACKEND = keras.backend.backend()


def twice(x: Any) -> Any:
    return 2 * x


# Arguments of an LSTM, and the reason why no kernel can compute it.
REASONS: dict[str, tuple[dict[str, Any], str]] = {
    "activation": ({"activation": "selu"}, 'activation "selu" has no native kernel'),
    "own activation": ({"recurrent_activation": twice}, "recurrent_activation twice is not one of Keras'"),
    "layer as activation": (
        {"activation": keras.layers.LeakyReLU()},
        "activation LeakyReLU is not one of Keras'",
    ),
    "dtype": ({"dtype": "mixed_bfloat16"}, "dtype bfloat16 has no native kernel, only float32 has"),
}
if BACKEND != "jax":  # where float64 is off by default
    REASONS["float64"] = ({"dtype": "float64"}, "dtype float64 has no native kernel, only float32 has")


def make(name: str = "LSTM", **arguments: Any) -> Any:
    return getattr(unrolled.layers, name)(UNITS, name="reader", **arguments)


def test_keras_still_has_the_method_to_replace() -> None:
    """``RNN.call`` passes these four arguments by name, and gets three values back."""
    parameters = inspect.signature(keras.layers.RNN.inner_loop).parameters
    assert list(parameters) == ["self", "sequences", "initial_state", "mask", "training"]
    call = inspect.getsource(keras.layers.RNN.call)
    assert "last_output, outputs, states = self.inner_loop(" in call
    prepare, loop, reset = (call.index(f"self.{name}(") for name in STEPS)
    assert prepare < loop < reset


@pytest.mark.parametrize("name", NAMES)
def test_the_signature_is_that_of_keras_and_kernel(name: str) -> None:
    ours, theirs = (
        inspect.signature(getattr(module, name).__init__).parameters for module in (unrolled.layers, keras.layers)
    )
    assert [p for p in ours.values() if p.name != "kernel"] == list(theirs.values())
    assert ours["kernel"].default == "auto"


@pytest.mark.parametrize("name", NAMES)
def test_a_layer_names_the_kernel_that_it_used(name: str) -> None:
    layer = make(name)
    assert layer.kernel_used == "none yet: the layer has not been called"
    layer(sequences())
    assert layer.kernel_used == "native"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kernel", ["native", "reference"])
def test_the_choice_is_kept_in_the_configuration(name: str, kernel: str) -> None:
    layer = make(name, kernel=kernel)
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    again(sequences())
    assert again.kernel_used == ("native" if kernel == "native" else 'Keras\' own loop, chosen by kernel="reference"')
    assert "kernel" not in make(name).get_config()


@pytest.mark.parametrize("reason", REASONS)
def test_a_layer_without_a_kernel_is_computed_by_keras_and_logged_once(
    reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    arguments, expected = REASONS[reason]
    layer = make(**arguments)
    theirs = keras.layers.LSTM(UNITS, **arguments)
    theirs.build((None, None, FEATURES))
    layer.build((None, None, FEATURES))
    layer.set_weights(theirs.get_weights())
    with caplog.at_level(logging.INFO, "unrolled"):
        outputs = [keras.ops.convert_to_numpy(keras.ops.cast(each(sequences()), "float32")) for each in (layer, theirs)]
        layer(sequences())
    np.testing.assert_array_equal(*outputs)
    assert layer.kernel_used == expected
    assert [record.getMessage() for record in caplog.records if record.name == "unrolled"] == [
        f'LSTM "reader": computed by Keras\' own loop: {expected}'
    ]


@pytest.mark.parametrize("reason", REASONS)
def test_native_without_a_kernel_is_an_error(reason: str) -> None:
    arguments, expected = REASONS[reason]
    with pytest.raises(InvalidSetting) as raised:
        make(kernel="native", **arguments)(sequences())
    assert str(raised.value) == (
        f'LSTM "reader": kernel="native" cannot compute this layer: {expected}. '
        'Leave out kernel="native" to use Keras\' own loop.'
    )


def test_a_missing_extension_is_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "_load_failure", "no such file")
    layer = make()
    assert layer(sequences()).shape == (3, UNITS)
    assert layer.kernel_used == "the extension could not be loaded: no such file"


@pytest.mark.parametrize(
    ("kernel", "remedy"), [("nativ", 'Did you mean "native"?'), (3, "Leave it out."), (None, "Leave it out.")]
)
def test_an_unknown_kernel_is_rejected(kernel: Any, remedy: str) -> None:
    with pytest.raises(InvalidSetting) as raised:
        make("GRU", kernel=kernel)
    assert str(raised.value) == f'GRU: expected kernel "auto", "native" or "reference", got {kernel!r}. {remedy}'


def test_masks_and_states_of_other_shapes_go_to_keras() -> None:
    layer = make("GRU")
    layer(sequences())
    for mask in (np.ones((3, 7, 1), bool), np.ones((1, 7), bool)):
        assert "a mask of shape" in str(reason_of(layer, mask=mask))
    assert "an initial state of shape" in str(reason_of(layer, states=[np.zeros((1, UNITS), np.float32)]))
    assert reason_of(layer, inputs=sequences(time=0)) == "inputs of no time step or no feature have no native kernel"
    assert reason_of(layer, mask=np.ones((3, 7), bool)) is None


def reason_of(layer: Any, *, inputs: Any = None, states: Any = (), mask: Any = None) -> str | None:
    from unrolled.layers.native_loop import unsupported_reason

    tensor = keras.ops.convert_to_tensor(sequences() if inputs is None else inputs)
    return unsupported_reason(layer, tensor, states, mask)


def test_a_mask_of_numbers_is_a_mask() -> None:
    ours, theirs = both("SimpleRNN")
    mask = keras.ops.convert_to_tensor(np.array([[1, 1, 0, 0, 0, 0, 0]] * 3, np.float32))
    outputs = [
        keras.ops.convert_to_numpy(layer(sequences(), mask=keras.ops.cast(mask, "bool"))) for layer in (ours, theirs)
    ]
    assert_equal(outputs[:1], outputs[1:], tolerance=1e-5)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(ours(sequences(), mask=mask)), outputs[0])


@pytest.mark.parametrize("kind", LAYERS)
def test_shapes_are_inferred_without_a_kernel(kind: str) -> None:
    """Keras calls the layers of a subclassed model on symbolic inputs to infer the shapes."""
    name, own = LAYERS[kind]

    class Reader(keras.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.layer = getattr(unrolled.layers, name)(UNITS, kernel="native", **own)

        def call(self, inputs: Any) -> Any:
            return self.layer(inputs)

    reader = Reader()
    assert reader(keras.Input((None, FEATURES))).shape == (None, UNITS)
    assert reader(sequences()).shape == (3, UNITS)
    assert reader.layer.kernel_used == "native"


def test_keras_compiles_a_layer_only_where_the_backend_can() -> None:
    may = BACKEND == "jax"
    assert make().supports_jit is may
    assert make(kernel="reference").supports_jit is True
    assert make(activation="selu").supports_jit is True


def test_a_subclass_is_native_too() -> None:
    class Reader(unrolled.layers.LSTM):
        def __init__(self, units: int, **named: Any) -> None:
            super().__init__(units, return_sequences=True, **named)

    reader = Reader(UNITS)
    assert reader(sequences()).shape == (3, 7, UNITS)
    assert reader.kernel_used == "native"
