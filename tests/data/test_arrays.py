"""NPZ files and IDX pairs become data sets, or are refused with the reason."""

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import unrolled
from unrolled.data.arrays import is_array_file, load_arrays, load_test_examples, read_examples
from unrolled.data.registry import NAMES
from unrolled.errors import DataError

import numpy as np
import pytest
from numpy.typing import NDArray

WriteIdx = Callable[[Path, NDArray[Any]], Path]
Complaint = Callable[[Callable[[], object]], str]

IMAGES = np.random.default_rng(0).integers(0, 256, (24, 5, 4), dtype=np.uint8)
LABELS = np.arange(24) % 3
SAVE = "numpy.savez(path, X=..., y=...)"


@pytest.fixture
def npz(tmp_path: Path) -> Callable[..., Path]:
    """Saves arrays by name in digits.npz."""

    def save(**arrays: Any) -> Path:
        path = tmp_path / "digits.npz"
        np.savez(path, **arrays)
        return path

    return save


# What becomes a data set


def test_an_npz_file_is_a_data_set(npz: Callable[..., Path]) -> None:
    data = load_arrays(npz(x_train=IMAGES, y_train=LABELS, x_test=IMAGES[:7], y_test=LABELS[:7]))
    assert (data.name, data.classes, data.source) == ("digits.npz", ("0", "1", "2"), "")
    assert data.train.inputs.dtype == np.uint8
    assert data.train.targets.dtype == np.int64
    np.testing.assert_array_equal(data.train.inputs, IMAGES)
    np.testing.assert_array_equal(data.train.targets, LABELS)
    np.testing.assert_array_equal(data.test.inputs, IMAGES[:7])
    np.testing.assert_array_equal(data.test.targets, LABELS[:7])


def test_a_file_is_loaded_by_its_path(npz: Callable[..., Path]) -> None:
    path = npz(x_train=IMAGES, y_train=LABELS)
    assert unrolled.load(path).name == unrolled.load(str(path)).name == "digits.npz"


def test_a_sixth_of_each_class_is_held_out_where_there_is_no_test(npz: Callable[..., Path]) -> None:
    path = npz(x_train=IMAGES, y_train=LABELS)
    data, again = load_arrays(path), load_arrays(path)
    assert np.bincount(data.test.targets).tolist() == [1, 1, 1]
    assert np.bincount(data.train.targets).tolist() == [7, 7, 7]
    together = np.concatenate([data.train.inputs, data.test.inputs])
    assert sorted(image.tobytes() for image in together) == sorted(image.tobytes() for image in IMAGES)
    np.testing.assert_array_equal(data.test.inputs, again.test.inputs)


def test_a_file_of_few_examples_still_has_test_examples(npz: Callable[..., Path]) -> None:
    data = load_arrays(npz(x_train=IMAGES[:9], y_train=LABELS[:9]))
    assert data.test.size > 0
    assert data.train.size > 0


def test_text_labels_name_the_classes(npz: Callable[..., Path]) -> None:
    names = np.array(["cat", "dog", "ant"])[LABELS]
    data = load_arrays(npz(x_train=IMAGES, y_train=names, x_test=IMAGES, y_test=names))
    assert data.classes == ("ant", "cat", "dog")
    assert [data.classes[target] for target in data.train.targets] == names.tolist()


def test_labels_of_bytes_name_the_classes_as_text(npz: Callable[..., Path]) -> None:
    assert load_arrays(npz(x_train=IMAGES, y_train=np.array([b"cat", b"dog", b"ant"])[LABELS])).classes == (
        "ant",
        "cat",
        "dog",
    )


def test_integer_labels_count_from_0_and_negative_ones_are_names(npz: Callable[..., Path]) -> None:
    assert load_arrays(npz(x_train=IMAGES, y_train=LABELS * 2)).classes == ("0", "1", "2", "3", "4")
    assert load_arrays(npz(x_train=IMAGES, y_train=LABELS - 1)).classes == ("-1", "0", "1")
    assert load_arrays(npz(x_train=IMAGES, y_train=LABELS * 20_000)).classes == ("0", "20000", "40000")


def test_a_class_may_be_absent_from_training(npz: Callable[..., Path]) -> None:
    data = load_arrays(npz(x_train=IMAGES, y_train=LABELS, x_test=IMAGES, y_test=LABELS + 1))
    assert data.classes == ("0", "1", "2", "3")
    assert set(data.test.targets.tolist()) == {1, 2, 3}


def test_labels_of_two_integer_types_are_the_same_labels(npz: Callable[..., Path]) -> None:
    data = load_arrays(npz(x_train=IMAGES, y_train=LABELS, x_test=IMAGES, y_test=LABELS.astype(np.uint64)))
    assert data.classes == ("0", "1", "2")


def test_a_last_axis_of_one_channel_is_dropped(npz: Callable[..., Path]) -> None:
    data = load_arrays(npz(x_train=IMAGES[..., None], y_train=LABELS, x_test=IMAGES, y_test=LABELS))
    np.testing.assert_array_equal(data.train.inputs, IMAGES)


@pytest.mark.parametrize("kind", [np.float64, np.float16, np.int32, np.bool_])
def test_numbers_that_are_not_bytes_become_float32(kind: type, npz: Callable[..., Path]) -> None:
    images: NDArray[Any] = (IMAGES % 2).astype(kind)
    data = load_arrays(npz(x_train=images, y_train=LABELS, x_test=images, y_test=LABELS))
    assert data.train.inputs.dtype == data.test.inputs.dtype == np.float32
    np.testing.assert_array_equal(data.train.inputs, IMAGES % 2)


def test_the_labels_of_an_idx_file_are_found_beside_it(tmp_path: Path, write_idx: WriteIdx) -> None:
    path = write_idx(tmp_path / "my-images-idx3-ubyte", IMAGES)
    write_idx(tmp_path / "my-labels-idx1-ubyte", LABELS)
    data = load_arrays(path)
    assert (data.name, data.train.size, data.test.size) == ("my-images-idx3-ubyte", 21, 3)


@pytest.mark.parametrize("other", ["t10k", "test"])
def test_the_test_pair_is_found_beside_the_training_pair(other: str, tmp_path: Path, write_idx: WriteIdx) -> None:
    for part, count in (("train", 24), (other, 7)):
        write_idx(tmp_path / f"{part}-images-idx3-ubyte", IMAGES[:count])
        write_idx(tmp_path / f"{part}-labels-idx1-ubyte", LABELS[:count])
    data = load_arrays(tmp_path / "train-images-idx3-ubyte")
    np.testing.assert_array_equal(data.train.inputs, IMAGES)
    np.testing.assert_array_equal(data.test.inputs, IMAGES[:7])
    np.testing.assert_array_equal(data.test.targets, LABELS[:7])


def test_labels_may_be_named_otherwise(tmp_path: Path, write_idx: WriteIdx) -> None:
    images, labels = write_idx(tmp_path / "pictures", IMAGES), write_idx(tmp_path / "truth", LABELS)
    assert load_arrays(images, labels).train.size == 21


# What is refused


def test_a_missing_file_names_itself(tmp_path: Path, complaint: Complaint) -> None:
    path = tmp_path / "digits.npz"
    expected = f"{path}: no such file. Check the path."
    assert complaint(lambda: load_arrays(path)) == expected
    assert complaint(lambda: read_examples(path)) == expected


@pytest.mark.parametrize("name", ["x" * 300, "x" * 300 + ".npz"])
def test_a_name_too_long_for_a_file_is_refused(name: str, complaint: Complaint) -> None:
    assert name in complaint(lambda: unrolled.load(name))


def test_an_unknown_name_is_refused_with_the_known_ones(complaint: Complaint) -> None:
    known = f"data: expected {', '.join(NAMES)} or a file, got "
    assert complaint(lambda: unrolled.load("fashon-mnist")) == f'{known}"fashon-mnist". Did you mean "fashion-mnist"?'
    assert complaint(lambda: unrolled.load("zebra")) == (
        f'{known}"zebra". Check the spelling, or name a file: digits.npz'
    )
    assert "mnist, fashion-mnist, kmnist, movie-reviews" in known


def test_another_kind_of_file_is_refused_with_the_known_ones(tmp_path: Path, complaint: Complaint) -> None:
    path = tmp_path / "digits.docx"
    path.write_text("1,2,3")
    assert complaint(lambda: unrolled.load(path)) == (
        f"{path}: unknown file format. Convert it to one of: a folder with a folder for each class, "
        "tables (.csv, .tsv, .tab, .json, .jsonl, .ndjson, .parquet, .xlsx, .ods and 5 more), "
        "tagged words (.conllu, .conll, .iob, .iob2, .bio), series (.ts), texts (.txt, .text, .md), "
        "arrays (.npz, .npy, .idx), sounds (.wav, .wave), "
        "pictures (.png, .jpg, .jpeg, .bmp, .gif, .webp, .tif, .tiff, .pgm)."
    )


def test_a_folder_without_classes_is_refused(tmp_path: Path, complaint: Complaint) -> None:
    path = tmp_path / "folder"
    path.mkdir()
    assert complaint(lambda: unrolled.load(path)) == (
        f"{path}: expected a folder for each of two classes or more with files in it, got 0 folders and 0 files. "
        "Sort the files into folders."
    )


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["x_train"], "cannot tell which array holds what each example has, among the arrays x_train int64 [24]"),
        (["x_train", "y_train", "x_test"], "cannot tell which array holds what each example has, among the arrays "),
        (["x_train", "y_train", "y_test"], "no examples for y_test, among the arrays "),
        (["first", "second"], "cannot tell which array holds the examples, among the arrays first int64 [24], second "),
        (["X", "x", "y"], "X and x mean the same, among the arrays "),
        (["x", "y", "target"], "cannot tell which of y, target is what each example has, among the arrays "),
        (["x_train", "y_train", "lengths"], "cannot tell what lengths is beside x_train, among the arrays "),
        ([], "expected an NPZ file of plain arrays, got none"),
    ],
)
def test_arrays_that_cannot_be_told_apart_are_refused_with_their_shapes(
    names: list[str], reason: str, npz: Callable[..., Path], complaint: Complaint
) -> None:
    path = npz(**dict.fromkeys(names, LABELS))
    message = complaint(lambda: load_arrays(path))
    assert message.startswith(f"{path}: {reason}")
    assert message.endswith(SAVE)


@pytest.mark.parametrize("part", ["train", "test"])
def test_labels_of_another_length_name_their_array(part: str, npz: Callable[..., Path], complaint: Complaint) -> None:
    arrays = {"x_train": IMAGES, "y_train": LABELS, "x_test": IMAGES, "y_test": LABELS} | {f"y_{part}": LABELS[:-1]}
    path = npz(**arrays)
    assert complaint(lambda: load_arrays(path)) == (
        f"{path}: y_{part}: expected one label for each of 24 examples, got the shape [23]. "
        "Save as many labels as examples."
    )


@pytest.mark.parametrize(
    ("labels", "remedy"),
    [
        (np.eye(3)[LABELS], "Give each class' index: y.argmax(axis=1)."),
        (LABELS[:, None], "Leave the second axis out: y[:, 0]"),
        (np.int64(3), "Save as many labels as examples."),
    ],
)
def test_labels_of_another_shape_are_refused(
    labels: NDArray[Any], remedy: str, npz: Callable[..., Path], complaint: Complaint
) -> None:
    path = npz(x_train=IMAGES, y_train=labels)
    assert complaint(lambda: load_arrays(path)) == (
        f"{path}: y_train: expected one label for each of 24 examples, got the shape {list(np.shape(labels))}. {remedy}"
    )


def test_a_single_number_for_examples_is_refused(npz: Callable[..., Path], complaint: Complaint) -> None:
    path = npz(x_train=np.float64(3), y_train=LABELS)
    assert complaint(lambda: load_arrays(path)).startswith(f"{path}: ")


def test_no_examples_are_refused(npz: Callable[..., Path], complaint: Complaint) -> None:
    path = npz(x_train=IMAGES[:0], y_train=LABELS[:0])
    assert complaint(lambda: load_arrays(path)) == (
        f"{path}: y_train: expected one label for each of 0 examples, got the shape [0]. "
        "Save as many labels as examples."
    )


def test_images_without_pixels_are_refused(npz: Callable[..., Path], complaint: Complaint) -> None:
    path = npz(x_train=IMAGES[:, :0], y_train=LABELS)
    assert complaint(lambda: load_arrays(path)).startswith(f"{path}: expected ")


def test_labels_that_are_no_numbers_and_no_text_are_refused(npz: Callable[..., Path], complaint: Complaint) -> None:
    path = npz(x_train=IMAGES, y_train=LABELS.astype(complex))
    assert complaint(lambda: load_arrays(path)) == (
        f"{path}: y_train: expected numbers or text, got complex128. Convert them: y.astype(int)"
    )


def test_a_single_class_is_refused(npz: Callable[..., Path], complaint: Complaint) -> None:
    path = npz(x_train=IMAGES, y_train=LABELS * 0)
    assert complaint(lambda: load_arrays(path)) == (
        f"{path}: expected two classes or more, got 1. Add examples of another class."
    )


CONVERT = "Convert pictures to grey levels, or to red, green and blue in the last axis."


@pytest.mark.parametrize(
    ("images", "got", "remedy"),
    [
        (
            np.zeros((24, 20)),
            "float64 [24, 20]",
            "Add an axis of one channel, x[..., None], or an array lengths of frames that stand end to end.",
        ),
        (np.zeros((24, 5, 4, 2)), "float64 [24, 5, 4, 2]", CONVERT),
        (np.full((24, 5, 4), "a"), "<U1 [24, 5, 4]", CONVERT),
        (np.zeros((24, 5, 4), complex), "complex128 [24, 5, 4]", CONVERT),
        (
            np.zeros((24, 3, 5, 4)),
            "float64 [24, 3, 5, 4]",
            "Move the channels to the last axis: x.transpose(0, 2, 3, 1)",
        ),
        (np.zeros((24, 5, 4, 4)), "float64 [24, 5, 4, 4]", "Leave the transparency out: x[..., :3]"),
    ],
)
def test_what_is_not_images_is_refused(
    images: NDArray[Any], got: str, remedy: str, npz: Callable[..., Path], complaint: Complaint
) -> None:
    path = npz(x_train=images, y_train=LABELS)
    assert complaint(lambda: load_arrays(path)) == (
        f"{path}: expected numbers [examples, rows, columns] or [examples, rows, columns, 3], got {got}. {remedy}"
    )


def test_images_in_colours_are_kept_and_checked(npz: Callable[..., Path], complaint: Complaint) -> None:
    images = np.stack([IMAGES, IMAGES // 2, IMAGES // 3], axis=-1).astype(np.uint8)
    data = load_arrays(npz(x_train=images, y_train=LABELS, x_test=images[::-1], y_test=LABELS[::-1]))
    assert (data.kind, data.example_shape) == ("arrays", images.shape[1:])
    np.testing.assert_array_equal(data.train.inputs, images)
    np.testing.assert_array_equal(read_examples(npz(x=images)), images)
    grey = load_arrays(npz(x_train=images[..., :1], y_train=LABELS))
    assert grey.example_shape == images.shape[1:3]
    for value, message in ((np.nan, "expected a number in every pixel, got NaN"), (np.inf, "got infinity")):
        damaged = images.astype(np.float32)
        damaged[5, 1, 2, 2] = value
        path = npz(x_train=damaged, y_train=LABELS)
        assert f"{message} in example 5." in complaint(lambda path=path: load_arrays(path))  # type: ignore[misc]


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_numbers_that_are_infinite_name_their_example(
    value: float, npz: Callable[..., Path], complaint: Complaint
) -> None:
    images = IMAGES.astype(np.float32)
    images[17, 3, 2] = value
    path = npz(x_train=images, y_train=LABELS)
    assert complaint(lambda: load_arrays(path)) == (
        f"{path}: expected finite numbers, NaN where one is missing, got infinity in example 17. Remove it."
    )


def test_arrays_with_missing_values_are_series(npz: Callable[..., Path]) -> None:
    values = IMAGES.astype(np.float32)
    values[0, 3:] = np.nan
    values[1, 2, 1] = np.nan
    data = load_arrays(npz(x_train=values, y_train=LABELS, x_test=IMAGES, y_test=LABELS))
    assert (data.kind, data.example_shape) == ("series", (None, 4))
    assert [len(series) for series in data.train.inputs[:2]] == [3, 5]
    np.testing.assert_array_equal(data.train.inputs[1], values[1])
    assert [len(series) for series in data.test.inputs] == [5] * 24


def test_npy_files_find_their_labels_and_their_test_pair_beside_them(tmp_path: Path, complaint: Complaint) -> None:
    arrays: dict[str, NDArray[Any]] = {"x_train": IMAGES, "y_train": LABELS, "x_test": IMAGES[:6], "y_test": LABELS[:6]}
    for name, array in arrays.items():
        np.save(tmp_path / f"{name}.npy", array)
    data = load_arrays(tmp_path / "x_train.npy")
    assert (data.train.size, data.test.size) == (24, 6)
    assert load_arrays(tmp_path / "x_train.npy", tmp_path / "y_train.npy").train.size < 24
    np.testing.assert_array_equal(read_examples(tmp_path / "x_test.npy"), IMAGES[:6])
    (tmp_path / "y_train.npy").write_bytes(b"no array")
    assert complaint(lambda: load_arrays(tmp_path / "x_train.npy")).startswith(
        f"{tmp_path / 'y_train.npy'}: expected an NPY file of a plain array, got a damaged or pickled one"
    )
    (tmp_path / "y_train.npy").unlink()
    assert "y_train.npy do not exist" in complaint(lambda: load_arrays(tmp_path / "x_train.npy"))


def test_test_examples_of_another_shape_are_refused(npz: Callable[..., Path], complaint: Complaint) -> None:
    path = npz(x_train=IMAGES, y_train=LABELS, x_test=IMAGES[:, 1:], y_test=LABELS)
    assert complaint(lambda: load_arrays(path)) == (
        f"{path}: expected test examples of the training examples' shape [5, 4], got [4, 4]. Bring them to one size."
    )


def test_pickled_arrays_are_never_unpickled(npz: Callable[..., Path], complaint: Complaint) -> None:
    path = npz(x_train=np.array([IMAGES, None], dtype=object), y_train=LABELS)
    assert complaint(lambda: load_arrays(path)) == (
        f"{path}: expected an NPZ file of plain arrays, got a damaged or pickled one "
        "(Object arrays cannot be loaded when allow_pickle=False). Save it again with numpy.savez."
    )


@pytest.mark.parametrize("contents", [b"", b"hello", b"PK\x03\x04 hello"])
def test_what_is_not_an_npz_file_is_refused(contents: bytes, tmp_path: Path, complaint: Complaint) -> None:
    path = tmp_path / "digits.npz"
    path.write_bytes(contents)
    message = complaint(lambda: load_arrays(path))
    assert message.startswith(f"{path}: expected an NPZ file of plain arrays, got a damaged or pickled one (")
    assert message.endswith("). Save it again with numpy.savez.")


def test_a_single_array_named_npz_is_refused(tmp_path: Path, complaint: Complaint) -> None:
    path = tmp_path / "digits.npz"
    with path.open("wb") as file:
        np.save(file, IMAGES)
    assert complaint(lambda: load_arrays(path)).startswith(f"{path}: expected ")


def test_a_zip_of_something_else_is_refused(tmp_path: Path, complaint: Complaint) -> None:
    path = tmp_path / "digits.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x_train", "hello")
    assert complaint(lambda: load_arrays(path)).startswith(f"{path}: expected ")
    assert complaint(lambda: read_examples(path)).startswith(f"{path}: expected ")


def test_a_truncated_npz_file_is_refused(npz: Callable[..., Path], complaint: Complaint) -> None:
    path = npz(x_train=IMAGES, y_train=LABELS)
    path.write_bytes(path.read_bytes()[:-100])
    assert complaint(lambda: load_arrays(path)).startswith(f"{path}: expected an NPZ file of plain arrays, got ")


def test_a_damaged_byte_in_a_packed_npz_file_never_does_worse_than_a_message(tmp_path: Path) -> None:
    path = tmp_path / "digits.npz"
    np.savez_compressed(path, x_train=IMAGES, y_train=LABELS)
    whole = path.read_bytes()
    worse = {}
    for position in range(0, len(whole), 3):
        damaged = bytearray(whole)
        damaged[position] ^= 0xFF
        path.write_bytes(damaged)
        try:
            load_arrays(path)
        except DataError as error:
            assert str(error).startswith(f"{path}: ")
        except Exception as error:
            worse[position] = f"{type(error).__name__}: {error}"
    assert worse == {}


def test_images_without_labels_name_the_file_of_the_labels(
    tmp_path: Path, write_idx: WriteIdx, complaint: Complaint
) -> None:
    path = write_idx(tmp_path / "my-images-idx3-ubyte", IMAGES)
    assert complaint(lambda: load_arrays(path)) == (
        f"{path}: its labels {tmp_path / 'my-labels-idx1-ubyte'} do not exist. "
        "Put them there, or name them in the experiment: data: {file: IMAGES, labels: LABELS}"
    )


def test_images_without_the_word_images_in_their_name_ask_for_their_labels(
    tmp_path: Path, write_idx: WriteIdx, complaint: Complaint
) -> None:
    path = write_idx(tmp_path / "digits.idx", IMAGES)
    assert complaint(lambda: load_arrays(path)).endswith(
        "name them in the experiment: data: {file: IMAGES, labels: LABELS}"
    )


def test_idx_labels_of_another_length_name_their_file(
    tmp_path: Path, write_idx: WriteIdx, complaint: Complaint
) -> None:
    path = write_idx(tmp_path / "my-images-idx3-ubyte", IMAGES)
    labels = write_idx(tmp_path / "my-labels-idx1-ubyte", LABELS[:5])
    assert complaint(lambda: load_arrays(path)) == (
        f"{labels}: expected one label for each of 24 examples, got the shape [5]. Save as many labels as examples."
    )


# Evaluation and prediction


def test_a_trained_network_is_evaluated_on_the_test_part(npz: Callable[..., Path]) -> None:
    path = npz(x_train=IMAGES, y_train=LABELS, x_test=IMAGES[:7], y_test=LABELS[:7])
    test = load_test_examples(path, ("2", "1", "0"))
    np.testing.assert_array_equal(test.inputs, IMAGES[:7])
    np.testing.assert_array_equal(test.targets, 2 - LABELS[:7])


def test_without_a_test_part_a_network_is_evaluated_on_everything(npz: Callable[..., Path]) -> None:
    assert load_test_examples(npz(x_train=IMAGES, y_train=LABELS), ("0", "1", "2")).size == 24


def test_labels_that_the_network_does_not_know_are_named(npz: Callable[..., Path], complaint: Complaint) -> None:
    path = npz(x_train=IMAGES, y_train=LABELS)
    assert complaint(lambda: load_test_examples(path, ("0", "cat"))) == (
        f"{path}: expected labels among 0, cat, got 1, 2. Relabel those examples or leave them out."
    )


@pytest.mark.parametrize("name", ["x_test", "x", "images", "anything"])
def test_inputs_are_read_without_labels(name: str, npz: Callable[..., Path]) -> None:
    np.testing.assert_array_equal(read_examples(npz(**{name: IMAGES})), IMAGES)


def test_the_test_examples_are_the_inputs_of_a_data_set(npz: Callable[..., Path]) -> None:
    path = npz(x_train=IMAGES, y_train=LABELS, x_test=IMAGES[:7], y_test=LABELS[:7])
    np.testing.assert_array_equal(read_examples(path), IMAGES[:7])


def test_inputs_are_read_from_an_idx_file(tmp_path: Path, write_idx: WriteIdx) -> None:
    np.testing.assert_array_equal(read_examples(write_idx(tmp_path / "new-idx3", IMAGES)), IMAGES)


def test_an_npz_file_with_idx_in_its_name_is_an_npz_file(tmp_path: Path) -> None:
    np.savez(tmp_path / "new-idx3.npz", x=IMAGES)
    np.testing.assert_array_equal(read_examples(tmp_path / "new-idx3.npz"), IMAGES)


def test_several_arrays_of_which_none_is_the_inputs_are_refused(npz: Callable[..., Path], complaint: Complaint) -> None:
    path = npz(first=IMAGES, second=IMAGES)
    assert complaint(lambda: read_examples(path)) == (
        f"{path}: expected an array X, got first uint8 [24, 5, 4], second uint8 [24, 5, 4]. "
        "Save it as: numpy.savez(path, X=images)"
    )


def test_a_name_says_whether_a_file_holds_many_examples() -> None:
    names = ["a.npz", "t10k-images-idx3-ubyte", "a.idx", "a.png", "npz"]
    assert [is_array_file(Path(name)) for name in names] == [True, True, True, False, False]
