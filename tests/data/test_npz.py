"""NPZ files with other names, frames end to end, a split, names of classes, and numbers to predict."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from unrolled.config.experiment import ExperimentConfig
from unrolled.data.arrays import load_arrays, load_test_examples, read_examples
from unrolled.data.dataset import Dataset, Split
from unrolled.data.registry import load_config_data
from unrolled.data.targets import NUMBERS
from unrolled.model.build import build_model, prepare
from unrolled.tasks.registry import load_task
from unrolled.tasks.starting import start

import numpy as np
import pytest
from numpy.typing import NDArray

Complaint = Callable[[Callable[[], object]], str]

COUNT = 24
SERIES = np.random.default_rng(0).normal(size=(COUNT, 5, 2)).astype(np.float32)
LABELS = np.arange(COUNT) % 3
LENGTHS = np.arange(COUNT) % 4 + 1
FRAMES = np.concatenate([series[:length] for series, length in zip(SERIES, LENGTHS, strict=True)])
SPLIT = np.array(["train", "train", "train", "train", "Dev", "test"])[np.arange(COUNT) % 6]


@pytest.fixture
def npz(tmp_path: Path) -> Callable[..., Path]:
    """Saves arrays by name in rows.npz."""

    def save(**arrays: Any) -> Path:
        path = tmp_path / "rows.npz"
        np.savez(path, **arrays)
        return path

    return save


def notes(data: Dataset) -> str:
    return "; ".join(data.notes)


@pytest.mark.parametrize(
    "names",
    [
        ("X", "y"),
        ("x", "Y"),
        ("data", "target"),
        ("Inputs", "Targets"),
        ("features", "labels"),
        ("sequences", "label"),
    ],
)
def test_arrays_have_other_usual_names(names: tuple[str, str], npz: Callable[..., Path]) -> None:
    data = load_arrays(npz(**{names[0]: SERIES, names[1]: LABELS}))
    assert (data.train.size + data.test.size, data.classes) == (COUNT, ("0", "1", "2"))
    assert f"examples: {names[0]} float32 [24, 5, 2], targets: {names[1]} int64 [24]" in notes(data)


@pytest.mark.parametrize("form", ["{}_{}", "{}{}", "{1}_{0}", "{}.{}"])
def test_parts_are_arrays_of_their_own(form: str, npz: Callable[..., Path]) -> None:
    parts = {"Train": 12, "val": 5, "test": 7}
    arrays = {
        form.format(letter, part): values[:size]
        for part, size in parts.items()
        for letter, values in (("X", SERIES), ("y", LABELS))
    }
    data = load_arrays(npz(**arrays))
    assert {part: split.size for part, split in data.parts.items()} == {"train": 12, "validation": 5, "test": 7}


def test_frames_end_to_end_are_divided_by_their_lengths(npz: Callable[..., Path]) -> None:
    data = load_arrays(npz(X=FRAMES, y=LABELS, lengths=LENGTHS, split=SPLIT))
    assert (data.kind, data.example_shape) == ("series", (None, 2))
    of_test = np.flatnonzero(SPLIT == "test")
    assert [len(series) for series in data.test.inputs] == LENGTHS[of_test].tolist()
    for series, example in zip(data.test.inputs, of_test, strict=True):
        np.testing.assert_array_equal(series, SERIES[example, : LENGTHS[example]])
    assert data.test.targets.tolist() == LABELS[of_test].tolist()
    assert data.validation is not None
    assert data.validation.size == (SPLIT == "Dev").sum()
    assert "frames: X float32 [60, 2], lengths: lengths int64 [24]" in notes(data)
    assert "examples of each part: train 16, validation 4, test 4" in notes(data)


def test_lengths_cut_the_padding_off(npz: Callable[..., Path]) -> None:
    padded = np.where(np.arange(5)[None, :, None] < LENGTHS[:, None, None], SERIES, 0)
    data = load_arrays(npz(X=padded, y=LABELS, lengths=LENGTHS, split=SPLIT))
    assert [len(series) for series in data.train.inputs] == LENGTHS[SPLIT == "train"].tolist()


def test_one_channel_needs_no_axis_of_its_own_beside_lengths(npz: Callable[..., Path]) -> None:
    path = npz(X=FRAMES[:, 0], y=LABELS, lengths=LENGTHS)
    assert load_arrays(path).example_shape == (None, 1)
    np.testing.assert_array_equal(read_examples(path)[2], SERIES[2, : LENGTHS[2], :1])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"lengths": LENGTHS + 1}, "lengths: expected lengths that add up to the 60 frames of X"),
        ({"lengths": LENGTHS - 1}, "lengths: expected whole numbers of 1 and more"),
        ({"lengths": LENGTHS / 1}, "lengths: expected whole numbers of 1 and more"),
        ({"split": SPLIT[:-1]}, "split: expected train, validation or test for each of 24 examples, got <U5 [23]"),
        ({"split": LABELS}, "split: expected train, validation or test for each of 24 examples, got int64 [24]"),
        ({"split": np.full(COUNT, "fold1")}, 'split: expected train, validation or test, got "fold1"'),
        ({"split": np.full(COUNT, "test")}, "split: expected training examples, got test alone"),
    ],
)
def test_lengths_and_splits_that_do_not_fit_are_refused(
    change: dict[str, NDArray[Any]], reason: str, npz: Callable[..., Path], complaint: Complaint
) -> None:
    path = npz(**{"X": FRAMES, "y": LABELS, "lengths": LENGTHS, **change})
    assert complaint(lambda: load_arrays(path)).startswith(f"{path}: {reason}")


def test_a_frame_that_is_infinite_names_its_example(npz: Callable[..., Path], complaint: Complaint) -> None:
    frames = FRAMES.copy()
    frames[LENGTHS[:5].sum(), 1] = np.inf
    path = npz(X=frames, y=LABELS, lengths=LENGTHS)
    assert "got infinity in example 5." in complaint(lambda: load_arrays(path))


@pytest.mark.parametrize("name", ["labels", "classes", "class_names", "target_names"])
def test_classes_are_named_by_an_array(name: str, npz: Callable[..., Path]) -> None:
    arrays: dict[str, NDArray[Any]] = {name: np.array(["walk", "run", "sit"]), "channels": np.array([b"ax", b"ay"])}
    path = npz(X=SERIES, y=LABELS, subject=LABELS // 2, **arrays)
    data = load_arrays(path)
    assert data.classes == ("walk", "run", "sit")
    assert "channels: ax, ay" in notes(data)
    assert "arrays not read: subject int64 [24]" in notes(data)
    test = load_test_examples(path, ("sit", "run", "walk"))
    assert test.targets.tolist() == (2 - LABELS).tolist()


def test_names_of_classes_that_do_not_fit_are_refused(npz: Callable[..., Path], complaint: Complaint) -> None:
    path = npz(X=SERIES, y=LABELS + 1, classes=np.array(["walk", "run", "sit"]))
    assert complaint(lambda: load_arrays(path)) == (
        f"{path}: y: expected the names of the 3 classes walk, run, sit, or their indices from 0 to 2, got 3. "
        "Correct the labels, or leave the names out."
    )
    path = npz(X=SERIES, y=LABELS, classes=np.array([2, 1, 0]))
    assert "cannot tell if 0 is the name of a class or its index among 2, 1, 0" in complaint(lambda: load_arrays(path))


def test_fractions_are_numbers_to_predict(npz: Callable[..., Path]) -> None:
    values = LABELS + 0.25
    path = npz(X=SERIES, target=values, split=SPLIT)
    data = load_arrays(path)
    assert (data.target_kind, data.classes) == ("numbers", ("target",))
    np.testing.assert_array_equal(data.test.targets[:, 0], values[SPLIT == "test"])
    np.testing.assert_array_equal(load_test_examples(path, ("y",), NUMBERS).targets, data.test.targets)
    assert load_arrays(npz(X=SERIES, y=LABELS / 1)).classes == ("0", "1", "2")
    assert load_arrays(npz(X=SERIES, y=LABELS), target_kind=NUMBERS).target_kind == "numbers"
    assert load_arrays(npz(X=SERIES, y=SERIES[:, 0])).classes == ("y 1", "y 2")


def test_an_experiment_is_chosen_for_arrays(npz: Callable[..., Path]) -> None:
    kinds: dict[str, dict[str, Any]] = {"classify": {"y": LABELS}, "regress": {"y": SERIES[:, 0, 0]}}
    for task, arrays in kinds.items():
        found = start(npz(X=FRAMES, lengths=LENGTHS, split=SPLIT, **arrays)).settings
        assert (found["task"], found["training"]["validation"]) == (task, "given")
        config, prepared = prepare(ExperimentConfig.load(dict(found)))
        assert build_model(config, prepared).count_params() > 0


def test_the_examples_to_predict_are_all_in_their_order(npz: Callable[..., Path]) -> None:
    examples = read_examples(npz(X=FRAMES, lengths=LENGTHS, split=SPLIT))
    assert [len(series) for series in examples] == LENGTHS.tolist()


GROUPS = np.array([f"subject {number // 4}" for number in range(COUNT)])


def groups_of(split: Split, series: NDArray[Any] = SERIES) -> set[str]:
    """Return the groups of the examples of a part, known by their first values."""
    first = {float(one[0, 0]): str(group) for one, group in zip(series, GROUPS, strict=True)}
    return {first[float(one[0, 0])] for one in split.inputs}


def test_a_group_is_in_one_part_alone(npz: Callable[..., Path]) -> None:
    path = npz(X=SERIES, y=LABELS, subject=GROUPS)
    config = {
        "data": {"file": str(path), "split": {"by": "subject"}},
        "network": [{"GRU": {"units": 2}}],
        "training": {"validation": 0.2},
    }
    task = load_task(ExperimentConfig.load(config))
    train, validation = task.split()
    assert validation is not None
    parts = [groups_of(part) for part in (train, validation, task.data.test)]
    assert [len(part) for part in parts] == [4, 1, 1]
    assert len(set.union(*parts)) == 6
    assert "groups: subject <U9 [24]" in notes(task.data)


@pytest.mark.parametrize("by", ["subject", "subject_train"])
def test_training_examples_of_their_own_have_groups(by: str, npz: Callable[..., Path]) -> None:
    path = npz(X_train=SERIES, y_train=LABELS, X_test=SERIES, y_test=LABELS, subject_train=GROUPS)
    data = load_arrays(path, by=by)
    assert data.division is not None
    assert data.division.values.tolist() == [number // 4 for number in range(COUNT)]


def test_groups_of_a_split_are_those_of_its_training_examples(npz: Callable[..., Path]) -> None:
    data = load_arrays(npz(X=SERIES, y=LABELS, split=SPLIT, patient=GROUPS), by="patient")
    assert data.division is not None
    assert data.division.values.tolist() == [number // 4 for number in range(COUNT) if SPLIT[number] == "train"]


def test_an_experiment_divides_by_the_subjects_of_arrays(npz: Callable[..., Path]) -> None:
    assert start(npz(X=SERIES, y=LABELS, subject_id=GROUPS)).settings["data"]["split"] == {"by": "subject_id"}
    assert "split" not in start(npz(X=SERIES, y=LABELS, colour=GROUPS)).settings["data"]
    assert "split" not in start(npz(X=SERIES, y=LABELS, subject=GROUPS, group=GROUPS)).settings["data"]


@pytest.mark.parametrize(
    ("by", "more", "words"),
    [
        ("patient", {}, "data.split.by: no array patient. Arrays: X float32"),
        ("y", {"subject": GROUPS[:3]}, None),
        ("subject", {"subject": GROUPS[:3]}, "expected the group of each of 24 training examples"),
        ("subject", {"subject": np.zeros(COUNT, int)}, "expected two groups or more"),
        ("subject", {"subject": np.where(np.arange(COUNT) == 5, "", GROUPS)}, "got an empty text in example 5"),
    ],
)
def test_groups_that_do_not_fit_are_refused(
    by: str, more: dict[str, Any], words: str | None, npz: Callable[..., Path], complaint: Complaint
) -> None:
    path = npz(X=SERIES, y=LABELS, **more)
    if words is None:
        assert load_arrays(path, by=by).division is not None
    else:
        assert words in complaint(lambda: load_arrays(path, by=by))


def test_times_do_not_divide_arrays(npz: Callable[..., Path], complaint: Complaint) -> None:
    path = str(npz(X=SERIES, y=LABELS, subject=GROUPS))
    assert "arrays have no times" in complaint(lambda: load_config_data(file=path, split={"time": 3.0}))


STEPS = SERIES.sum(axis=2) / 3


def test_an_experiment_for_a_number_at_each_step(npz: Callable[..., Path]) -> None:
    more: list[dict[str, Any]] = [{}, {"lengths": LENGTHS}, {"subject": GROUPS}]
    for arrays in more:
        found = start(npz(X=SERIES, y=STEPS, **arrays)).settings
        assert (found["task"], found["data"]["per"]) == ("regress", "step")
        assert ("split" in found["data"]) == ("subject" in arrays)
    assert "per" not in start(npz(X=SERIES, y=STEPS[:, :3])).settings["data"]


@pytest.mark.parametrize("more", [{"lengths": LENGTHS}, {"y": np.where(STEPS > 1, np.nan, STEPS)}])
def test_numbers_of_steps_are_not_taken_for_those_of_examples(
    more: dict[str, Any], npz: Callable[..., Path], complaint: Complaint
) -> None:
    path = npz(**{"X": SERIES, "y": STEPS, **more})
    assert "a number for each step. To predict a number at each step set task: regress and data: {per: step}" in (
        complaint(lambda: load_arrays(path))
    )
