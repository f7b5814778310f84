"""The forms of the JSON files in a run folder, against which what is read is checked: anybody may have written it."""

from collections.abc import Mapping
from typing import Any, Required

from pydantic import JsonValue
from typing_extensions import TypedDict  # as pydantic asks for up to Python 3.11


class Status(TypedDict, total=False):
    """``status.json``: the state of the training.

    Attributes:
        format: The format of the folder.
        status: ``running``, ``finished``, ``interrupted``, ``diverged`` or ``failed``.
        message: What explains it, where the training did not finish.
        is_trained: True once the training has come to its end and its network is saved: what is left is to evaluate it.
    """

    format: int
    status: Required[str]
    message: str
    is_trained: bool


class DataDescription(TypedDict, total=False):
    """``data.json``: the data set that the network was trained on, and the size of the network.

    Attributes:
        name: The name of the data set, or of its file.
        source: Where it is from.
        example_shape: The shape of an example; None for a length that differs.
        dtype: The type of the numbers of arrays, or else ``series``, ``text``, ``tokens`` or ``columns``.
        classes: The names of the classes or of the channels, in the order of the outputs.
        schema: The columns of a table.
        facts: What the task fitted to the training examples.
        series: The names of the series.
        training_examples: The number of examples to train on; so for ``validation`` and ``test``.
        parameters: The number of weights.
        fingerprints: A checksum of each part.
    """

    name: str
    source: JsonValue
    example_shape: Required[list[int | None]]
    dtype: Required[str]
    classes: Required[list[str]]
    schema: Mapping[str, Any] | None
    facts: Mapping[str, Any] | None
    series: list[str]
    training_examples: int
    validation_examples: int
    test_examples: int
    parameters: int
    fingerprints: dict[str, str]


class Commit(TypedDict):
    """The commit of the folder in which a network was trained, and whether files differed from it."""

    commit: str
    modified: bool


class Kernels(TypedDict):
    """The instruction set of the native kernels, and their number of threads."""

    isa: str
    threads: int


class Environment(TypedDict, total=False):
    """``environment.json``: what the numbers and the speed depend on; see ``describe_environment``."""

    unrolled: Required[str]
    python: Required[str]
    packages: Required[dict[str, str]]
    backend: Required[str]
    floatx: str
    seed: int
    platform: Required[str]
    cpu: Required[str]
    cores: int | None
    threads: Required[int]
    kernels: Kernels | None
    thread_settings: dict[str, str]
    git: Commit | None
    resumed: list["Environment"]


# A line of ``metrics.jsonl``: the number of the epoch, loss, metrics, learning rate and seconds.
Epoch = Mapping[str, float]
