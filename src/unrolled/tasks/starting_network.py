"""The network and the training to start from, by the task and by kind, number and length of the examples."""

from dataclasses import dataclass, replace
from typing import Any

from unrolled.tasks.base import Task
from unrolled.tasks.forecasting import Forecasting

import numpy as np

_FEW_EXAMPLES, _MANY_EXAMPLES = 1_000, 10_000
_FEW_CHANNELS = 4
_FEWEST_OF_A_CODE, _SHORT, _FEWEST_OF_LONG_SERIES = 20, 50, 100  # steps
_FEW_GROUPS = 20


@dataclass(frozen=True)
class Sizes:
    """The facts about the training examples that decide a network.

    Attributes:
        examples: Their number.
        length: Their usual number of steps.
        kind: The kind of input, as of ``Dataset.kind``, or ``pictures``.
        is_even: True if all have the same number of steps.
        channels: The number of channels of numbers.
        groups: The number of groups that stay whole, such as people; None where examples are divided otherwise.
    """

    examples: int
    length: int
    kind: str
    is_even: bool
    channels: int = 1
    groups: int | None = None

    @classmethod
    def of(cls, task: Task) -> "Sizes":
        """Return the facts about the training examples of a task."""
        train = task.train
        lengths = getattr(train.inputs, "lengths", None)
        usual = int(np.median(lengths)) if lengths is not None else int(np.shape(train.inputs)[1])
        is_even = lengths is None or len(np.unique(lengths)) == 1
        is_picture = task.data.kind == "arrays" and task.data.train.inputs.dtype == np.uint8
        kind = "pictures" if is_picture else task.data.kind
        shape = task.data.example_shape if kind in ("series", "arrays") else ()
        channels = shape[-1] if len(shape) == 2 else 1  # a single channel has no axis in arrays
        division = task.data.division
        groups = len(np.unique(division.values)) if division is not None and division.by == "group" else None
        return cls(train.size, usual, kind, is_even, channels or 1, groups)


@dataclass(frozen=True)
class _Rule:
    """A network and a training for one kind of input.

    Attributes:
        units: Of the recurrent layer, in each direction.
        cell: The class of the recurrent layer.
        embedding: Size of the vector of a token; 0 for inputs that are numbers.
        token_dropout: The share of the tokens that are dropped.
        dropout: The share of the values of these vectors that is dropped.
        noise: Standard deviation of the noise that is added to inputs of many channels that are numbers, where classes
            are learned; few channels, none of which says what another does, have a third of it.
        convolution: Filters of a convolution over nine steps, which moves on by four; 0 for none.
        pooling: The layer that joins the steps; without it the last ones of both directions are read.
        batches: Number of batches of the training.
        most_epochs: The largest number of epochs, for few examples.
        reason: The reason of the training.
    """

    units: int
    cell: str = "GRU"
    embedding: int = 0
    token_dropout: float = 0.0
    dropout: float = 0.0
    noise: float = 0.0
    convolution: int = 0
    pooling: str | None = None
    batches: int = 3_000
    most_epochs: int = 60
    reason: str = ""


# Chosen on validation examples of public data sets of 200 to 15,000 training examples.
_PLAIN = _Rule(units=64)  # of pictures, row by row, of features, a single step, and of series with an output at each
_SERIES = _Rule(units=64, noise=0.3, pooling="GlobalAveragePooling1D")
_SHORT_SERIES = _Rule(units=128, noise=0.3, batches=9_000)  # which both ends remember whole, and which are fast
_LONG_SERIES = replace(_SERIES, convolution=64, dropout=0.3, most_epochs=30)
_TAGGED_WORDS = _Rule(units=32, cell="LSTM", embedding=64, dropout=0.5)
_WORDS = _Rule(
    units=128,
    embedding=256,
    token_dropout=0.3,
    dropout=0.5,
    pooling="GlobalMaxPooling1D",
    most_epochs=15,
    reason="words are learned by heart after a few epochs, even where many are dropped",
)
_CHARACTERS = _Rule(
    units=128,
    embedding=64,
    dropout=0.2,
    pooling="GlobalAveragePooling1D",
    batches=6_000,
    most_epochs=30,
    reason="characters are few, so that their combinations take many epochs to learn",
)
_CODES = replace(_CHARACTERS, pooling="GlobalMaxPooling1D")
"""Of long rows of characters, such as DNA, in which a single place can decide; in a name all letters count."""


def _rule_of(task: Task, sizes: Sizes) -> _Rule:
    if sizes.kind not in ("text", "tokens"):
        if task.is_per_step or sizes.length == 1 or sizes.kind == "pictures":
            return _PLAIN
        is_long = sizes.length >= _FEWEST_OF_LONG_SERIES and sizes.is_even  # a convolution knows no mask
        return _LONG_SERIES if is_long else _SHORT_SERIES if sizes.length < _SHORT else _SERIES
    if task.is_per_step:
        return _TAGGED_WORDS
    if task.config.text.tokenizer != "characters":
        return _WORDS
    return _CODES if sizes.length >= _FEWEST_OF_A_CODE else _CHARACTERS


def choose_network(task: Task, sizes: Sizes, reasons: dict[str, str]) -> dict[str, Any]:
    """Choose the network, and the settings of texts.

    Args:
        task: The task with the data.
        sizes: The facts about its training examples.
        reasons: The reasons by section, to which those of the network are added.
    """
    if isinstance(task, Forecasting):
        reasons["network"] = "a small network, because windows overlap"
        if not task.channels.ahead:
            return {"network": [{"GRU": {"units": 32}}]}
        reasons["network"] += "; it forecasts each step when it has read what is known of that step"
        return {"network": [{"GRU": {"units": 32, "return_sequences": True}}, {"LastSteps": {}}]}
    if task.name == "detect":
        reasons["network"] = "one layer, which forecasts each step from those before it"
        return {"network": [{"GRU": {"units": 64, "return_sequences": True}}]}
    if task.name == "generate":
        reasons["network"] = "two layers, which read what came before alone"
        return {
            "network": [
                {"Embedding": {"output_dim": 32}},
                {"LSTM": {"units": 256, "return_sequences": True}},
                {"Dropout": {"rate": 0.2}},
                {"LSTM": {"units": 256, "return_sequences": True}},
            ]
        }
    rule = _rule_of(task, sizes)
    how = {
        "GlobalMaxPooling1D": "; the steps with the largest values decide",
        "GlobalAveragePooling1D": "; all steps count the same",
    }
    reasons["network"] = (
        f"{sizes.examples:,} training examples of usually {sizes.length:,} steps, read from both ends"
        f"{'; so many are read nine at a time, and every fourth time' if rule.convolution else ''}"
        f"{how.get(rule.pooling or '', '')}"
    )
    return {"network": _layers(task, sizes, rule), **({"text": {"min_count": 2}} if rule is _WORDS else {})}


def _layers(task: Task, sizes: Sizes, rule: _Rule) -> list[dict[str, Any]]:
    layers: list[dict[str, Any]] = []
    if sizes.kind == "pictures":
        layers.append({"Rescaling": {"scale": 1 / 255}})
    if rule.embedding:
        layers.append({"Embedding": {"output_dim": rule.embedding}})
        if rule.token_dropout:
            layers.append({"Dropout": {"rate": rule.token_dropout, "noise_shape": [None, None, 1]}})
        layers.append({"Dropout": {"rate": rule.dropout}})
    if rule.noise and task.name != "regress":
        noise = rule.noise if sizes.channels > _FEW_CHANNELS else round(rule.noise / 3, 2)
        layers.append({"GaussianNoise": {"stddev": noise}})
    if rule.convolution:
        filters = {"filters": rule.convolution, "kernel_size": 9, "strides": 4, "padding": "same", "activation": "relu"}
        layers += [{"Conv1D": filters}, {"Dropout": {"rate": rule.dropout}}]
    has_all_steps = task.is_per_step or rule.pooling is not None
    recurrent = {rule.cell: {"units": rule.units, **({"return_sequences": True} if has_all_steps else {})}}
    layers.append({"Bidirectional": {"layer": recurrent}})
    if rule.pooling is not None:
        layers.append({rule.pooling: {}})
    return [*layers, {"Dropout": {"rate": 0.5}}]


def choose_training(task: Task, sizes: Sizes, reasons: dict[str, str]) -> dict[str, Any]:
    """Choose the training; ``task``, ``sizes`` and ``reasons`` are as of ``choose_network``."""
    rule = _rule_of(task, sizes)
    batch = 16 if sizes.examples < _FEW_EXAMPLES else 32 if sizes.examples < _MANY_EXAMPLES else 64
    epochs = int(np.clip(round(rule.batches * batch / max(sizes.examples, 1)), 3, rule.most_epochs))
    why = f"; {rule.reason}" if rule.reason else ""
    kept: dict[str, Any] = {"validation": 0.1 if task.data.validation is None else "given", "keep": "best"}
    which = "the weights of the best epoch in validation are kept"
    if task.data.validation is None and sizes.groups is not None and sizes.groups < _FEW_GROUPS:
        # On the held-out ones of 7 people 0.839 correct, 0.829 with the best epoch on one person of the others.
        kept = {"validation": "none"}
        which = f"all {sizes.groups} groups are trained on, as one of so few says little about the best epoch"
    reasons["training"] = (
        f"about {epochs * -(-sizes.examples // batch):,} batches of {batch}, which usually take less than five minutes"
        f"{why}; {which}"
    )
    return {
        "epochs": epochs,
        "batch_size": batch,
        "optimizer": {"Adam": {"learning_rate": {"OneCycle": {"peak": 0.003}}, "clipnorm": 1.0}},
        **kept,
    }
