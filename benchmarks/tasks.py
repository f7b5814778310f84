"""Tasks that programs compute: a layer, the article's network, or one step of a stream.

A task is a value: every program makes the same arrays from the same task.
"""

import math
from dataclasses import dataclass
from typing import Literal

Cell = Literal["lstm", "gru", "simple_rnn"]
CELLS: tuple[Cell, ...] = ("lstm", "gru", "simple_rnn")
GATES: dict[Cell, int] = {"lstm": 4, "gru": 3, "simple_rnn": 1}
KERAS_NAMES: dict[Cell, str] = {"lstm": "LSTM", "gru": "GRU", "simple_rnn": "SimpleRNN"}

Values = Literal["ordinary", "negative", "tiny"]
"""Random numbers; -0.1 everywhere; inputs of about 1e-38 (most of them denormal) and no bias."""


@dataclass(frozen=True)
class Shape:
    """B sequences of T steps with F features, read by H units."""

    batch: int
    time: int
    features: int
    units: int

    def __str__(self) -> str:
        return f"{self.batch}x{self.time}x{self.features}x{self.units}"

    @classmethod
    def parse(cls, text: str) -> "Shape":
        """Parse a shape written as BxTxFxH.

        Raises:
            ValueError: The text has another form.
        """
        sizes = [int(size) for size in text.split("x")]
        if len(sizes) != 4 or min(sizes) < 1:
            raise ValueError(f"expected four sizes of at least 1, got {text}")
        return cls(*sizes)


@dataclass(frozen=True)
class LayerTask:
    """One recurrent layer that returns sequences; if training, with the gradients of weights and inputs."""

    cell: Cell
    shape: Shape
    activation: Literal["tanh", "relu"] = "tanh"
    padded: bool = False
    """Right-padded sequences of random lengths, T / 2 on average, and a mask."""
    recurrent_dropout: float = 0.0
    bidirectional: bool = False
    in_sequence: bool = False
    """Bidirectional only: run its two layers one after the other."""
    training: bool = True
    values: Values = "ordinary"
    threads: int | None = None
    """The number of threads of the native kernels; None for all cores."""

    @property
    def directions(self) -> int:
        """The number of layers that read the sequences."""
        return 2 if self.bidirectional else 1

    @property
    def steps(self) -> int:
        """The total number of steps of all sequences, without padding, although a peer may compute it."""
        return sum(self.lengths()) if self.padded else self.shape.batch * self.shape.time

    def lengths(self) -> list[int]:
        """Return the length of each sequence without padding: spread over 1 to T - 1, on average T / 2."""
        batch, time = self.shape.batch, self.shape.time
        if not self.padded or time == 1:
            return [time] * batch
        # A golden-section sequence: as irregular as random numbers, and the same with every release of NumPy.
        half = [1 + math.floor((index * 0.6180339887 + 0.3) % 1 * (time - 1)) for index in range(batch // 2)]
        mirrored = [time - length for length in half]
        pairs = [length for pair in zip(half, mirrored, strict=True) for length in pair]
        return pairs + [time // 2] * (batch - len(pairs))

    @property
    def flops(self) -> int:
        """The operations of the matrix products; a backward pass has twice as many as a forward pass."""
        shape = self.shape
        forward = 2 * self.steps * (shape.features + shape.units) * GATES[self.cell] * shape.units
        return forward * self.directions * (3 if self.training else 1)


@dataclass(frozen=True)
class NetworkTask:
    """One epoch of the article's network over the first ``images`` of MNIST."""

    activation: Literal["tanh", "relu"]
    images: int
    batch: int = 32
    units: int = 128

    @property
    def flops(self) -> int:
        """The operations of the recurrent layers' matrix products, without the unneeded gradient of the images."""
        rows, pixels, columns = 28, 28, 4 * self.units
        first = 2 * rows * columns * (3 * (pixels + self.units) - pixels)
        second = 2 * rows * columns * 3 * (self.units + self.units)
        return self.images * (first + second)


@dataclass(frozen=True)
class StepTask:
    """One step of an LSTM with B sequences at a time, or one read of its weights."""

    shape: Shape

    @property
    def flops(self) -> int:
        """The operations of the matrix products of one step."""
        return 2 * self.shape.batch * self.weights

    @property
    def weights(self) -> int:
        """The number of elements of the two weight matrices."""
        return (self.shape.features + self.shape.units) * GATES["lstm"] * self.shape.units


Task = LayerTask | NetworkTask | StepTask
