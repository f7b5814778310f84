"""Checkpoints: the whole state of a training at one moment, random generators included."""

import json
import os
import random
import re
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unrolled.backends import current
from unrolled.config.experiment import ExperimentConfig
from unrolled.errors import RunError
from unrolled.storage import cannot_write, open_plain, replacing

import keras
import numpy as np
from numpy.typing import NDArray


def seed_everything(seed: int) -> None:
    """Seed the generators of layers and initializers without a seed of their own, and the backend's, if it has one.

    ``keras.utils.set_random_seed`` does the same and imports TensorFlow wherever it is installed, which takes 5 s.
    """
    random.seed(seed)
    np.random.seed(seed)
    current().seed(seed)


def random_state() -> dict[str, Any]:
    """Return the states of these generators as JSON."""
    kind, keys, *rest = np.random.get_state(legacy=True)
    numpy_state = [kind, np.asarray(keys).tolist(), *rest]
    return {"python": random.getstate(), "numpy": numpy_state, "backend": current().random_state()}


def restore_random_state(state: dict[str, Any]) -> None:
    """Restore the states that ``random_state`` returned."""
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
    kind, keys, *rest = state["numpy"]
    np.random.set_state((kind, np.array(keys, dtype=np.uint32), *rest))
    current().restore_random_state(state["backend"])


FOLDER = "checkpoints"
KEPT = 2
_CHECKPOINT, _BEST = re.compile(r"\d{6,}-\d{8,}"), re.compile(r"best-\d{6,}")


def resumable_settings(config: ExperimentConfig) -> dict[str, Any]:
    """Return the settings that must not change when a training is resumed, as JSON."""
    return config.model_dump(
        mode="json", exclude={"name": True, "training": {"epochs": True, "checkpoint_seconds": True}}
    )


@dataclass(frozen=True)
class Checkpoint:
    """The state of a training between two batches.

    Attributes:
        epoch: Number of finished epochs.
        step: Number of finished batches of the next epoch.
        arrays: The values of all variables, by group and number.
        notes: The states of the callbacks, by their names, of the random generators, and the settings.
    """

    epoch: int
    step: int
    arrays: dict[str, NDArray[Any]]
    notes: dict[str, Any]


def write_checkpoint(run: Path, model: keras.Model, epoch: int, step: int, notes: dict[str, Any]) -> None:
    """Write the state of a model in training, and remove all but the newest checkpoints.

    Args:
        run: The run's folder.
        model: Its variables are up to date.
        epoch: Number of finished epochs.
        step: Number of finished batches of the next epoch.
        notes: The states of the callbacks and the settings, as JSON.

    Raises:
        WriteError: The disk is full, or the folder cannot be written.
    """
    arrays = {
        f"{group}-{index}": keras.ops.convert_to_numpy(variable)
        for group, variables in _groups(model).items()
        for index, variable in enumerate(variables)
    }
    text = json.dumps({**notes, "random": random_state()})
    _write_arrays(run / FOLDER / f"{epoch:06d}-{step:08d}.npz", {"notes": np.array(text), **arrays})
    for old in _named(run, _CHECKPOINT)[:-KEPT]:
        old.unlink(missing_ok=True)


def write_best_weights(run: Path, epoch: int, weights: Sequence[NDArray[Any]]) -> None:
    """Write the weights of the best epoch so far, and keep those of the one before.

    Those of later epochs are of a training that was killed, and are found again if this one comes so far.

    Raises:
        WriteError: The disk is full, or the folder cannot be written.
    """
    path = _best_weights(run, epoch)
    _write_arrays(path, {f"weight-{index}": values for index, values in enumerate(weights)})
    found = _named(run, _BEST)
    kept = [known for known in found if known <= path][-KEPT:]
    for other in found:
        if other not in kept:
            other.unlink(missing_ok=True)


def read_best_weights(run: Path, epoch: int) -> list[NDArray[Any]]:
    """Read the weights of an epoch that ``write_best_weights`` wrote.

    Raises:
        RunError: They are missing or damaged.
    """
    path = _best_weights(run, epoch)
    try:
        stored = _read_arrays(path)
        return [stored[f"weight-{index}"] for index in range(len(stored))]
    except (OSError, ValueError, LookupError):
        raise RunError(f"{path}: the best weights cannot be read. Train again.") from None


def _best_weights(run: Path, epoch: int) -> Path:
    return run / FOLDER / f"best-{epoch:06d}.npz"


def newest_checkpoint(run: Path) -> Checkpoint | None:
    """Return the newest checkpoint that is whole, or None; damaged ones are removed.

    Raises:
        RunError: A checkpoint cannot be read now; it stays.
    """
    for path in reversed(_named(run, _CHECKPOINT)):
        try:
            arrays = _read_arrays(path)
            notes = json.loads(str(arrays.pop("notes")))
        except OSError as error:
            raise RunError(f"{path}: cannot be read: {os.strerror(error.errno or 0)}. Check the disk.") from None
        except (ValueError, LookupError):
            path.unlink(missing_ok=True)  # else it would count as one of the newest
            continue
        epoch, step = (int(number) for number in path.stem.split("-"))
        return Checkpoint(epoch, step, arrays, notes)
    return None


def _write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    try:
        path.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise cannot_write(path.parent, error) from None
    with replacing(path) as part, part.open("wb") as stream:
        np.savez(stream, **arrays)  # type: ignore[arg-type]


def _read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read arrays that ``_write_arrays`` wrote.

    Raises:
        ValueError: The file is damaged, compressed, or holds objects.
        OSError: It cannot be read.
    """
    try:
        with open_plain(path) as stream, zipfile.ZipFile(stream) as archive:
            # What is not compressed is no larger in memory than on the disk.
            if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
                raise ValueError("compressed")
            stream.seek(0)
            with np.load(stream, allow_pickle=False) as stored:
                return {name: stored[name] for name in stored.files}
    except (KeyError, EOFError, NotImplementedError, MemoryError, zipfile.BadZipFile) as error:
        raise ValueError(str(error)) from None


def restore(model: keras.Model, checkpoint: Checkpoint, batch: Sequence[Any]) -> None:
    """Restore the state of a checkpoint in a newly built and compiled model.

    Metrics and random generators are restored later, when an epoch and its first batch begin.

    Args:
        model: The model.
        checkpoint: The state.
        batch: Inputs and targets of a few examples. Keras makes the variables of metrics when it sees the first, on
            TensorFlow only after an epoch has begun.

    Raises:
        RunError: The checkpoint is of another network.
    """
    inputs, targets = keras.tree.map_structure(keras.ops.convert_to_tensor, tuple(batch[:2]))
    model.compute_metrics(inputs, targets, model(inputs))
    model.optimizer.build(model.trainable_variables)
    groups = _groups(model)
    for group in ("trainable", "other", "optimizer"):
        _assign(groups[group], checkpoint, group)


def restore_metrics(model: keras.Model, checkpoint: Checkpoint) -> None:
    """Restore the state of a model's metrics; Keras resets them when an epoch begins, so this comes after."""
    _assign(model.metrics_variables, checkpoint, "metrics")


def _groups(model: keras.Model) -> dict[str, Sequence[Any]]:
    metrics = {id(variable) for variable in model.metrics_variables}
    return {
        "trainable": model.trainable_variables,
        "other": [variable for variable in model.non_trainable_variables if id(variable) not in metrics],
        "optimizer": model.optimizer.variables,
        "metrics": model.metrics_variables,
    }


def _assign(variables: Sequence[Any], checkpoint: Checkpoint, group: str) -> None:
    values = [value for name, value in checkpoint.arrays.items() if name.startswith(f"{group}-")]
    if [tuple(variable.shape) for variable in variables] != [value.shape for value in values]:
        raise RunError(
            f"{FOLDER}: the {group} variables of the checkpoint are those of another network. "
            "Train again: the experiment or unrolled has changed since."
        )
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def remove_checkpoints(run: Path) -> None:
    """Remove the checkpoints and the best weights of a run; its folder stays where it holds something else."""
    for path in (*_named(run, _CHECKPOINT), *_named(run, _BEST)):
        path.unlink(missing_ok=True)
    with suppress(OSError):
        (run / FOLDER).rmdir()


def _named(run: Path, pattern: re.Pattern[str]) -> list[Path]:
    """Return the files among a run's checkpoints that are named like ours, the oldest first."""
    return sorted(path for path in (run / FOLDER).glob("*.npz") if pattern.fullmatch(path.stem))
