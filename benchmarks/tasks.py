"""What is computed, whoever computes it: a layer, the article's network, or one step of a stream.

A task is a value: every program that is given the same task makes the same arrays from it.
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
        """The shape that was written as BxTxFxH.

        Raises:
            ValueError: It was written otherwise.
        """
        sizes = [int(size) for size in text.split("x")]
        if len(sizes) != 4 or min(sizes) < 1:
            raise ValueError(f"{text} has not four sizes of at least 1")
        return cls(*sizes)


@dataclass(frozen=True)
class LayerTask:
    """One recurrent layer that returns sequences; if training, with its gradients by weights and inputs."""

    cell: Cell
    shape: Shape
    activation: Literal["tanh", "relu"] = "tanh"
    padded: bool = False
    """Right-padded sequences of random lengths, T / 2 on average, and a mask."""
    recurrent_dropout: float = 0.0
    bidirectional: bool = False
    in_sequence: bool = False
    """Of a bidirectional layer: whether its two layers may only read one after the other."""
    training: bool = True
    values: Values = "ordinary"
    threads: int | None = None
    """How many threads our kernels may use; as many as there are cores if None."""

    @property
    def directions(self) -> int:
        """How many layers read the sequences."""
        return 2 if self.bidirectional else 1

    @property
    def steps(self) -> int:
        """Steps that are read, of all sequences together. Padding is not counted, although a peer may compute it."""
        return sum(self.lengths()) if self.padded else self.shape.batch * self.shape.time

    def lengths(self) -> list[int]:
        """How many steps of each sequence are not padding: spread over 1 to T - 1, on average T / 2."""
        batch, time = self.shape.batch, self.shape.time
        if not self.padded or time == 1:
            return [time] * batch
        # A golden-section sequence: as irregular as random numbers are, and the same with every release of NumPy.
        half = [1 + math.floor((index * 0.6180339887 + 0.3) % 1 * (time - 1)) for index in range(batch // 2)]
        mirrored = [time - length for length in half]
        pairs = [length for pair in zip(half, mirrored, strict=True) for length in pair]
        return pairs + [time // 2] * (batch - len(pairs))

    @property
    def flops(self) -> int:
        """Those of the matrix products; a backward pass has twice as many as a forward pass."""
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
        """Those of the recurrent layers' matrix products; nobody needs the gradient by the images."""
        rows, pixels, columns = 28, 28, 4 * self.units
        first = 2 * rows * columns * (3 * (pixels + self.units) - pixels)
        second = 2 * rows * columns * 3 * (self.units + self.units)
        return self.images * (first + second)


@dataclass(frozen=True)
class StepTask:
    """One step of an LSTM with B sequences at a time, or reading its weights once."""

    shape: Shape

    @property
    def flops(self) -> int:
        """Those of the matrix products of one step."""
        return 2 * self.shape.batch * self.weights

    @property
    def weights(self) -> int:
        """How many numbers the two weight matrices hold."""
        return (self.shape.features + self.shape.units) * GATES["lstm"] * self.shape.units


Task = LayerTask | NetworkTask | StepTask
