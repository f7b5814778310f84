"""Programs of Keras drawn from a seed: a model, its inputs, and a way to ask it."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import unrolled.layers

import keras
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Config = dict[str, Any]

ACTIVATIONS = ("linear", "tanh", "sigmoid", "hard_sigmoid", "relu", "elu", "softsign", "softplus", "silu", "gelu")
OTHER_ACTIVATIONS = ("selu", "leaky_relu", "exponential", "mish", "hard_tanh", "relu6", None)
ZEROS = {"kernel_initializer": "zeros"}  # drawn weights follow
FLAGS = ("return_sequences", "return_state", "go_backwards")
MERGE_MODES = ("sum", "mul", "ave", "concat", None)
DTYPES = ("int8", "uint8", "int32", "int64", "float16", "float64", "bool")
POLICIES = ("float64", "bfloat16", "mixed_bfloat16", "mixed_float16")
MASKS = ("holes", "leading", "trailing", "rows", "all", "Masking", "Embedding")
UNUSUAL: dict[str, tuple[float, ...]] = {
    "NaN": (np.nan,),
    "infinity": (np.inf, -np.inf),
    "both": (np.nan, np.inf, -np.inf),
    "denormal": (1e-40, -1e-45, 0.0, -0.0),
}
WAYS = (*["gradients"] * 13, "call", "predict", "train")


@dataclass(frozen=True)
class Program:
    """What a seed has drawn; printed where a comparison fails."""

    seed: int
    batch: int
    time: int
    features: int
    layers: tuple[Config, ...]
    dtype: str = "float32"
    policy: str = "float32"
    mask: str | None = None
    states: bool = False
    """Whether the first layer gets initial states."""
    training: bool = False
    way: str = "gradients"
    unusual: str | None = None
    is_nested: bool = field(default=False)
    """Whether the first layer is a recurrent one at each step of sequences of sequences."""

    @property
    def keeps_state(self) -> bool:
        """Whether any layer is stateful."""
        return any(_recurrent(layer).get("stateful") for layer in self.layers)

    @property
    def has_dropout(self) -> bool:
        """Whether any layer draws random numbers."""
        return any(_recurrent(layer).get(key) for layer in self.layers for key in ("dropout", "recurrent_dropout"))


def draw(seed: int) -> Program:
    """Draw a program."""
    random = np.random.default_rng(seed)
    one: Callable[..., Any] = lambda *choices: choices[random.integers(len(choices))]  # noqa: E731
    mask = one(None, None, *MASKS)
    program = Program(
        seed=seed,
        batch=one(0, 1, 2, 2, 3, 5),
        time=one(1, 2, 3, 4, 7),
        features=int(random.integers(1, 7)),
        layers=(),
        dtype=one("float32", "float32", "float32", *DTYPES) if mask not in ("Embedding", "Masking") else "float32",
        policy=one(*["float32"] * 16, *POLICIES),
        mask=mask,
        training=bool(random.random() < 0.2),
        way=one(*WAYS),
        unusual=one(*[None] * 6, *UNUSUAL),
        is_nested=bool(mask is None and random.random() < 0.1),
    )
    layers = tuple(_draw_layer(random, one, program) for _ in range(one(1, 1, 1, 2, 3)))
    layers = (*(_returning(layer, sequences=True) for layer in layers[:-1]), layers[-1])
    if program.is_nested:  # of which each step becomes one vector
        layers = (_returning(layers[0], sequences=False), *layers[1:])
    if any(_recurrent(layer).get("stateful") for layer in layers):
        program = replace(program, policy="float32")  # on torch, Keras' layers forget a state of lower precision
    first = _recurrent(layers[0])
    can_have_states = layers[0]["class"] != "Dense" and not program.is_nested and not first.get("stateful")
    return replace(program, layers=layers, states=bool(can_have_states and random.random() < 0.4))


def _draw_layer(random: np.random.Generator, one: Callable[..., Any], program: Program) -> Config:
    if random.random() < 0.1:
        return {"class": "Dense", "units": int(random.integers(1, 7)), **ZEROS}
    name = one("LSTM", "GRU", "SimpleRNN")
    options: dict[str, Any] = {"units": int(random.integers(1, 10))}
    # Without bounds, values would leave every scale.
    activations = ACTIVATIONS if program.time <= 4 else ("tanh", "sigmoid", "hard_sigmoid", "softsign", "relu")
    if random.random() < 0.6:
        options["activation"] = one(*activations, *(OTHER_ACTIVATIONS if random.random() < 0.2 else ()))
        if name != "SimpleRNN":
            options["recurrent_activation"] = one("sigmoid", *activations)
    # TimeDistributed knows no layer of several outputs.
    flags = ("return_sequences", "go_backwards") if program.is_nested else FLAGS
    options |= {flag: True for flag in flags if random.random() < 0.4}
    for flag, value, probability in (
        ("use_bias", False, 0.2),
        ("stateful", True, 0.06 if program.batch and not program.is_nested else 0),
        ("unroll", True, 0.1 if program.time <= 3 else 0),
        ("zero_output_for_mask", True, 0.2),
        ("dropout", 0.3, 0.15 if program.training else 0.02),
        ("recurrent_dropout", 0.4, 0.15 if program.training else 0.02),
        ("implementation", 1, 0.1 if name != "SimpleRNN" else 0),
        ("reset_after", False, 0.4 if name == "GRU" else 0),
        ("unit_forget_bias", False, 0.2 if name == "LSTM" else 0),
    ):
        if random.random() < probability:
            options[flag] = value
    layer = {"class": name, **options, **ZEROS, "recurrent_initializer": "zeros", "seed": 7}
    is_bidirectional = random.random() < 0.25
    if program.mask and (is_bidirectional or layer.get("go_backwards")):
        # There, Keras' unrolled loop and its usual one set the outputs of different steps to zero.
        layer.pop("unroll", None)
    if is_bidirectional:
        modes = MERGE_MODES[: 4 if program.is_nested else 5]
        layer = {"class": "Bidirectional", "layer": layer | {"go_backwards": False}, "merge_mode": one(*modes)}
    return layer


def _recurrent(layer: Config) -> Config:
    inner: Config = layer.get("layer", layer)
    return inner


def _returning(layer: Config, *, sequences: bool) -> Config:
    if layer["class"] == "Dense":
        return layer
    if "layer" in layer:
        return layer | {"layer": layer["layer"] | {"return_sequences": sequences}}
    return layer | {"return_sequences": sequences}


# Models.


def build(program: Program, library: Any) -> keras.Model:
    """The model with recurrent layers of ``unrolled.layers`` or ``keras.layers``, and weights drawn from the seed.

    Its inputs are the sequences, then the mask, then the initial states, where there are such.
    """
    keras.utils.set_random_seed(program.seed)
    batch = program.batch if program.keeps_state else None
    x = keras.Input((program.time, *_features(program)), batch_size=batch, dtype=_input_dtype(program))
    inputs, sequences, mask = [x], x, None
    if program.mask == "Masking":
        sequences = keras.layers.Masking(0.0)(x)
    elif program.mask == "Embedding":
        sequences = keras.layers.Embedding(5, program.features, "zeros", mask_zero=True)(x)
    elif program.mask is not None:
        mask = keras.Input((program.time,), batch_size=batch, dtype="bool")
        inputs.append(mask)
    outputs: list[Any] = []
    for number, config in enumerate(program.layers):
        layer = _make(config, library, program.policy)
        if number == 0 and program.is_nested:
            layer = keras.layers.TimeDistributed(layer)
        named: dict[str, Any] = {}
        if number == 0 and program.states:
            shapes = _state_shapes(config)
            states = [keras.Input(shape, batch_size=batch) for shape in shapes]
            inputs += states
            named["initial_state"] = states
        if mask is not None and config["class"] != "Dense" and number == 0:
            named["mask"] = mask
        found = keras.tree.flatten(layer(sequences, **named))
        sequences, rest = found[0], found[1:]
        outputs += rest
    model = keras.Model(inputs, [*outputs, sequences])
    random = np.random.default_rng(program.seed)
    model.set_weights([random.normal(scale=0.4, size=one.shape) for one in model.get_weights()])
    return model


def _make(config: Config, library: Any, policy: str) -> Any:
    options = {key: value for key, value in config.items() if key not in ("class", "layer")}
    if config["class"] == "Dense":
        return keras.layers.Dense(**options, dtype=policy)
    if config["class"] == "Bidirectional":
        inner = _make(config["layer"], library, policy)
        return keras.layers.Bidirectional(inner, merge_mode=options["merge_mode"], dtype=policy)
    return getattr(library, config["class"])(**options, dtype=policy)


def _state_shapes(config: Config) -> list[tuple[int]]:
    cell = _recurrent(config)
    count = (2 if cell["class"] == "LSTM" else 1) * (2 if "layer" in config else 1)
    return [(cell["units"],)] * count


def _features(program: Program) -> tuple[int, ...]:
    if program.mask == "Embedding":
        return ()
    return (3, program.features) if program.is_nested else (program.features,)


def _input_dtype(program: Program) -> str:
    return "int32" if program.mask == "Embedding" else program.dtype


# Inputs.


def arrays(program: Program, *, unusual: bool = False, again: int = 0) -> list[Array]:
    """Inputs of the model; with ``unusual``, some of their values are those that the program names."""
    random = np.random.default_rng([program.seed, again])
    shape = (program.batch, program.time, *_features(program))
    steps = _steps(program, random)
    if program.mask == "Embedding":
        sequences = np.where(steps, random.integers(1, 5, shape), 0).astype("int32")
    else:
        drawn = random.normal(size=shape) if "float" in program.dtype else random.integers(0, 3, shape)
        sequences = drawn.astype(program.dtype)
    if unusual and np.issubdtype(sequences.dtype, np.floating):
        sequences = _with_unusual(random, program, sequences)
    if program.mask == "Masking":
        sequences = np.where(steps[..., None], sequences, np.zeros_like(sequences))
    states = [
        random.normal(size=(program.batch, *shape)).astype("float32")
        for shape in (_state_shapes(program.layers[0]) if program.states else [])
    ]
    if unusual and random.random() < 0.5:
        states = [_with_unusual(random, program, state) for state in states]
    masks = [steps] if program.mask in MASKS[:-2] else []
    return [sequences, *masks, *states]


def _with_unusual(random: np.random.Generator, program: Program, values: Array) -> Array:
    unusual = UNUSUAL[program.unusual or "NaN"]
    drawn = random.choice(unusual, size=values.shape).astype(values.dtype)
    return np.where(random.random(values.shape) < 1 / max(8, program.time * program.features), drawn, values)


def _steps(program: Program, random: np.random.Generator) -> Array:
    """[B, T]: the steps that are read."""
    shape = (program.batch, program.time)
    times, counts = np.arange(program.time), random.integers(0, program.time + 1, (program.batch, 1))
    kinds = {
        "leading": times >= counts,
        "trailing": times < counts,
        "rows": np.broadcast_to(random.random((program.batch, 1)) < 0.5, shape),
        "all": np.ones(shape, bool),
    }
    read = np.array(kinds.get(program.mask or "all", random.random(shape) < 0.6))
    if program.states or program.keeps_state:
        # Before the first step that is read, Keras' loop on JAX returns the initial state, and others return 0.
        read[:, [0, -1]] = True
    return read


LIBRARIES = (unrolled.layers, keras.layers)
"""That of the layers under test, and that which they are compared with."""
