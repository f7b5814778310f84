"""File formats: what a file is, and the functions that load, evaluate, predict and preview it.

Training, evaluation, prediction and ``unrolled show`` all go through ``FORMATS``. A new format is one ``FileFormat``
with the functions that it offers, and one entry in ``FORMATS``.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from unrolled.data.anomalies import load_anomalies
from unrolled.data.array_steps import load_array_steps, read_array_steps
from unrolled.data.arrays import is_array_file, load_arrays, load_test_examples, read_examples
from unrolled.data.audio import SOUNDS, read_sounds
from unrolled.data.dataset import Dataset, Split
from unrolled.data.decoding import read_text
from unrolled.data.examples import load_folder, load_labeled_table, load_text
from unrolled.data.folders import TEXTS, FolderSettings, read_folder
from unrolled.data.forecasting import load_series
from unrolled.data.frames import Source, is_frame, read_source
from unrolled.data.images import PICTURES, format_size, is_picture, read_image
from unrolled.data.joined_times import without_joined_times
from unrolled.data.labeled import LabeledExamples, Selection, assemble, of_known_classes, split_of
from unrolled.data.labeled_steps import assemble_steps, split_of_steps
from unrolled.data.rows import RowIndices, extract_examples, labeled_examples
from unrolled.data.schema import TableSchema
from unrolled.data.steps import labeled_steps, step_inputs
from unrolled.data.table import Table, format_list
from unrolled.data.tables import SUFFIXES, ReadOptions, read_preview
from unrolled.data.targets import CLASS, KINDS, LABEL_SETS, NUMBERS, TargetKind
from unrolled.data.treebanks import TAGGED, TREEBANKS, read_tagged, read_words
from unrolled.data.ts import read_ts
from unrolled.errors import DataError, InvalidInput
from unrolled.storage import cannot_read

import numpy as np

_ROWS = ("columns", "categories", "missing", "fill", "split", "inputs")
_COLUMNS = ("input", "target", "series", "time", "ignore")
_LABELED_STEPS = ("categories", "missing", "fill", "split")
_TIMES = ("every", "irregular", "hours")
_COVARIATES = ("known", "past", "calendar", "categories")
READ_OPTIONS = tuple(ReadOptions.__annotations__)
"""The settings with which a table is read."""
SELECTION = ("min_class_count", "rare_classes", "deduplicate")
"""The settings that decide which labeled examples are used."""
_MOST_SUFFIXES, _MOST_LINES = 9, 10


@dataclass(frozen=True)
class LoadOptions:
    """Settings of a data set beside its file.

    Attributes:
        test: The file of the test examples.
        labels: The labels of an IDX or NPY pair.
        folder: The settings with which the pictures or sounds of a folder are read.
        test_steps: The number of steps at the end of a series for the test.
        columns: The ``input``, ``target``, ``series``, ``time``, ``ignore``, ``known`` and ``past`` columns of a table
            that the user names, the channels of its ``calendar``, the step between its rows (``every``), and what
            becomes of ``irregular`` times and of ``missing`` cells, or ``fill`` instead of them.
        selection: ``min_class_count``, ``rare_classes`` and ``deduplicate`` as of ``Selection``.
        split: ``by`` or ``time``: what the examples of a table are divided by.
        read_options: The ``delimiter``, ``encoding``, ``header``, ``decimal`` and ``time_format`` that the user sets.
    """

    test: Path | None = None
    labels: Path | None = None
    folder: FolderSettings = field(default_factory=FolderSettings)
    test_steps: int = 0
    columns: Mapping[str, Any] = field(default_factory=dict)
    selection: Mapping[str, Any] = field(default_factory=dict)
    split: Mapping[str, Any] | None = None
    read_options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def named(self) -> list[str]:
        """The names of the settings that the user sets; a file of test examples is looked at by the formats."""
        labels = ["labels"] if self.labels is not None else []
        split = ["split"] if self.split else []
        return [*labels, *self.folder.named, *self.columns, *self.selection, *split, *self.read_options]


@dataclass(frozen=True)
class ReadContext:
    """Facts about the training data of a run, to read other files the same way.

    Attributes:
        kind: The type of an input: ``arrays``, ``series`` or ``text``, or ``columns`` if there are several.
        classes: The name of each class, by index.
        example_shape: The shape of one input.
        schema: The columns of a table, if the run was trained on one.
        target: The tags that a file of tagged words was read for, if the user named them.
        target_kind: What an example has, as of ``TargetKind``.
        per: What has it, each ``sequence`` or each ``step``, as the experiment says.
        rare_classes: What became of the examples of rare classes: ``drop`` or ``other``; None if there are none.
        folder: The settings with which the pictures or sounds of a folder were read, if the run was trained on a
            folder; without it pictures are brought to MNIST's form.
        notes: Remarks for the user, added while labeled examples are read.
    """

    kind: str
    classes: tuple[str, ...] = ()
    example_shape: tuple[int | None, ...] = ()
    schema: TableSchema | None = None
    target: str | None = None
    target_kind: str = CLASS.name
    per: str = "sequence"
    rare_classes: str | None = None
    folder: FolderSettings | None = None
    notes: list[str] = field(default_factory=list)

    def split_of(self, labeled: LabeledExamples) -> Split:
        """Return labeled examples with the index of each label among the network's classes.

        Raises:
            DataError: A label is not one of the classes.
        """
        if self.rare_classes:
            labeled = of_known_classes(labeled, self.classes, self.rare_classes)
        return split_of(labeled, self.classes)


@dataclass(frozen=True)
class Inputs:
    """Examples to predict, read from one file.

    Attributes:
        examples: [B] arrays, series, texts, or lists of words.
        is_batch: True if the file can hold several examples; predictions then have their index.
        table: The table that the examples are read from, if it is one.
        rows: The indices of the table's rows of each example.
        notes: Remarks for the user.
        lacking: That of them which counts the rows without an input; empty if there are none.
    """

    examples: Any
    is_batch: bool = False
    table: Table | None = None
    rows: RowIndices = ()
    notes: tuple[str, ...] = ()
    lacking: str = ""


@dataclass(frozen=True)
class Loader:
    """A function that loads a file for training.

    Attributes:
        load: The function.
        options: The settings beside the file that it uses; another one is refused.
    """

    load: Callable[[Path, LoadOptions], Dataset]
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class FileFormat:
    """A kind of file with the functions that read it; a function that is missing is refused with a message.

    Attributes:
        name: A plural noun for messages.
        suffixes: The suffixes of file names, in lower case.
        kinds: The types of inputs that a file can hold: ``arrays``, ``series``, ``text``.
        loaders: By purpose (``examples``, ``text``, ``series``), how a file is loaded; the first by default.
        read_labeled: Reads examples with classes, to evaluate a network.
        read_inputs: Reads examples without classes, to predict.
        preview: Reads a table for display.
        is_match: Decides if a path has this format; without it the suffix of its name does.
    """

    name: str
    suffixes: tuple[str, ...]
    kinds: tuple[str, ...]
    loaders: Mapping[str, Loader] = field(default_factory=dict)
    read_labeled: Callable[[Path, ReadContext], Split] | None = None
    read_inputs: Callable[[Path, ReadContext], Inputs] | None = None
    preview: Callable[[Path], Table] | None = None
    is_match: Callable[[Path], bool] | None = None

    def __str__(self) -> str:
        return f"{self.name} ({format_list(self.suffixes, _MOST_SUFFIXES)})" if self.suffixes else self.name

    def matches(self, path: Path) -> bool:
        """Return True if the path has this format."""
        return self.is_match(path) if self.is_match else path.suffix.lower() in self.suffixes


def load_file(
    path: Source, options: LoadOptions, purpose: str | None = None, file_format: FileFormat | None = None
) -> Dataset:
    """Load a file or folder as a data set for training.

    Args:
        path: The file, folder or data frame.
        options: Settings beside the file.
        purpose: ``examples``, ``text`` or ``series``. Without it, and for one that the format does not serve, the first
            of the format: the task itself then refuses the data.
        file_format: The format, where it is known.

    Raises:
        DataError: The format is unknown, not for training or without one of the settings, or the file is missing,
            damaged or malformed.
    """
    file_format = file_format or (ARRAYS if options.labels else format_of(path))
    if not file_format.loaders:
        suitable = [other for other in FORMATS if other.loaders]
        raise DataError(f"{path}: {file_format.name} cannot be used for training. Use {_format_choice(suitable)}.")
    loader = file_format.loaders.get(purpose or "") or next(iter(file_format.loaders.values()))
    for name in (name for name in options.named if name not in loader.options):
        known = f"Its settings: {', '.join(loader.options)}" if loader.options else "Leave it out"
        section = "" if name == "inputs" else "data."
        raise DataError(f"{path}: {section}{name} is no setting of {file_format.name}. {known}.")
    return loader.load(path, options)


def read_labeled(path: Source, context: ReadContext) -> Split:
    """Read the examples of a file, a folder or a data frame with their classes, to evaluate a network.

    A test part of its own is preferred to the rest of the file.

    Raises:
        DataError: The format is unknown or has no classes, the file is missing, damaged or malformed, or a label is not
            one of the network's classes.
    """
    file_format = format_of(path)
    if file_format.read_labeled is None:
        suitable = [other for other in FORMATS if other.read_labeled]
        raise DataError(f"{path}: {file_format.name} have no classes to evaluate on. Use {_format_choice(suitable)}.")
    return file_format.read_labeled(path, context)


def read_inputs(path: Source, context: ReadContext) -> Inputs:
    """Read the examples of a file or a data frame to predict.

    Raises:
        DataError: The format is unknown, or the file is missing, damaged or malformed.
        InvalidInput: The network reads another type of input.
    """
    file_format = format_of(path)
    if file_format.read_inputs is None or context.kind not in file_format.kinds:
        suitable = [other for other in FORMATS if other.read_inputs and context.kind in other.kinds]
        raise InvalidInput(
            f"{path}: expected {_format_choice(suitable)} for a network that reads {context.kind}, "
            f"got {file_format.name}."
        )
    return file_format.read_inputs(path, context)


def preview_table(path: Path) -> Table | None:
    """Read a table for display; None for files of other formats and for names of data sets.

    Raises:
        DataError: The file is missing, damaged or malformed.
    """
    file_format = next((one for one in FORMATS if one.preview and one.matches(path)), None)
    return file_format.preview(path) if file_format and file_format.preview else None


def format_of(path: Source) -> FileFormat:
    """Return the format of a file or folder; a data frame is a table.

    Raises:
        DataError: The format is unknown, or there is no such file.
    """
    if is_frame(path):
        return TABLES
    for file_format in FORMATS:
        if file_format.matches(path):
            return file_format
    if not os.path.exists(path):  # noqa: PTH110 - False for a name that is too long, where Path.exists raises
        raise cannot_read(path, FileNotFoundError())
    raise DataError(f"{path}: unknown file format. Convert it to one of: {', '.join(map(str, FORMATS))}.")


def names_a_file(name: str) -> bool:
    """Return True if a word or text is the name of a file: a file exists, or its suffix is that of a format.

    A sentence that ends in such a suffix is a sentence.
    """
    if os.path.isfile(name):  # noqa: PTH113 - False for a name that is too long, where Path.is_file raises
        return True
    is_sentence = " " in name and os.sep not in name
    suffix = Path(name).suffix.lower()
    return not is_sentence and any(suffix in file_format.suffixes for file_format in FORMATS)


def _format_choice(formats: Sequence[FileFormat]) -> str:
    *first, last = map(str, formats)
    return f"{', '.join(first)} or {last}" if first else last


def _check_no_test_file(path: Path, options: LoadOptions, remedy: str = "Leave test out.") -> None:
    if options.test is not None:
        raise DataError(
            f"{options.test}: expected no test file, because the test examples are held out from {path.name}. {remedy}"
        )


# Tables: CSV, TSV, JSON, Parquet, Arrow, Excel, Orange's .tab.


def _load_labeled_table(path: Source, options: LoadOptions, target_kind: TargetKind = CLASS) -> Dataset:
    return load_labeled_table(
        path,
        options.test,
        columns=options.columns,
        selection=options.selection,
        split=options.split,
        read_options=options.read_options,
        target_kind=target_kind,
    )


def _load_series(path: Source, options: LoadOptions) -> Dataset:
    _check_no_test_file(path, options)
    return load_series(path, test_steps=options.test_steps, columns=options.columns, read_options=options.read_options)


def _load_labeled_steps(path: Source, options: LoadOptions, target_kind: TargetKind = CLASS) -> Dataset:
    return load_labeled_table(
        path,
        options.test,
        columns=options.columns,
        split=options.split,
        read_options=options.read_options,
        per="step",
        target_kind=target_kind,
    )


def _load_anomalies(path: Source, options: LoadOptions) -> Dataset:
    return load_anomalies(
        path,
        options.test,
        test_steps=options.test_steps,
        columns=options.columns,
        read_options=options.read_options,
    )


_SERIES_LOADER = Loader(_load_series, (*_COLUMNS, *_COVARIATES, *_TIMES, *READ_OPTIONS))


def _read_labeled_table(path: Source, context: ReadContext) -> Split:
    schema = context.schema or TableSchema.decide(read_source(path))
    table, _ = schema.usable(schema.read(path))
    if table.note:
        context.notes.append(table.note)
    if schema.per == "step":
        return split_of_steps(labeled_steps(table, schema), context.classes)
    return context.split_of(labeled_examples(table, schema))


def _read_table_inputs(path: Source, context: ReadContext) -> Inputs:
    table = context.schema.read(path) if context.schema else read_source(path)
    schema = context.schema or TableSchema.decide(table, has_target=False)
    # A series without one of its rows would be another one.
    missing = schema.missing if schema.series or schema.has_row_per_step else "drop"
    kept, lines = replace(schema, targets=(), missing=missing).usable(table)
    if not kept.size:
        raise DataError(f"{table.path}: expected rows to predict, got none with all that an input needs. Add them.")
    examples, rows = (step_inputs if schema.per == "step" else extract_examples)(kept, schema)
    if lines:
        positions = {line: row for row, line in enumerate(table.lines)}
        places = np.array([*(positions[line] for line in kept.lines), -1])
        rows = [places[some] for some in rows]
    named = format_list([str(line) for line in lines], _MOST_LINES)
    counted = f"{table.path.name}: {len(lines):,} of {table.size:,} rows lack an input and get no prediction"
    lacking = f"{counted}: lines {named}" if lines else ""
    return Inputs(
        examples,
        is_batch=True,
        table=without_joined_times(table),
        rows=rows,
        notes=tuple(note for note in (table.note, lacking) if note),
        lacking=lacking,
    )


TABLES = FileFormat(
    name="tables",
    suffixes=SUFFIXES,
    kinds=("text", "series", "tokens", "columns"),
    loaders={
        "examples": Loader(_load_labeled_table, (*_COLUMNS, *_ROWS, *_TIMES, *SELECTION, *READ_OPTIONS)),
        "numbers": Loader(
            partial(_load_labeled_table, target_kind=NUMBERS),
            (*_COLUMNS, *_ROWS, *_TIMES, "deduplicate", *READ_OPTIONS),
        ),
        "label sets": Loader(
            partial(_load_labeled_table, target_kind=LABEL_SETS),
            (*_COLUMNS, *_ROWS, *_TIMES, "deduplicate", *READ_OPTIONS),
        ),
        "series": _SERIES_LOADER,
        "anomalies": Loader(_load_anomalies, (*_COLUMNS, *_TIMES, *READ_OPTIONS)),
        "labels": Loader(_load_labeled_steps, (*_COLUMNS, *_LABELED_STEPS, *_TIMES, *READ_OPTIONS)),
        "step numbers": Loader(
            partial(_load_labeled_steps, target_kind=NUMBERS), (*_COLUMNS, *_LABELED_STEPS, *_TIMES, *READ_OPTIONS)
        ),
    },
    read_labeled=_read_labeled_table,
    read_inputs=_read_table_inputs,
    preview=read_preview,
)


# Words with their tags.


def _load_tagged(path: Path, options: LoadOptions) -> Dataset:
    target, encoding = options.columns.get("target"), options.read_options.get("encoding")
    parts = {"train": path} | ({} if options.test is None else {"test": options.test})
    return assemble_steps(path.name, {part: read_tagged(file, target, encoding) for part, file in parts.items()})


TAGGED_WORDS = FileFormat(
    name="tagged words",
    suffixes=(*TREEBANKS, *TAGGED),
    kinds=("tokens",),
    loaders={"labels": Loader(_load_tagged, ("target", "encoding"))},
    read_labeled=lambda path, context: split_of_steps(read_tagged(path, context.target), context.classes),
    read_inputs=lambda path, context: Inputs(read_words(path), is_batch=True),
)


# Series of the UEA and UCR archives.


def _load_ts(path: Path, options: LoadOptions) -> Dataset:
    parts = {"train": path} | ({} if options.test is None else {"test": options.test})
    examples = {part: read_ts(file) for part, file in parts.items()}
    return assemble(path.name, examples, selection=Selection(**options.selection))


TS_FILES = FileFormat(
    name="series",
    suffixes=(".ts",),
    kinds=("series",),
    loaders={"examples": Loader(_load_ts, SELECTION)},
    read_labeled=lambda path, context: context.split_of(read_ts(path)),
    read_inputs=lambda path, context: Inputs(read_ts(path).inputs, is_batch=True),
)


# One text.


def _load_text(path: Path, options: LoadOptions) -> Dataset:
    _check_no_test_file(path, options)
    return load_text(path, options.read_options.get("encoding"))


TEXT_FILES = FileFormat(
    name="texts",
    suffixes=TEXTS,
    kinds=("text",),
    # A file of numbers, a step per line, may be called .txt.
    loaders={"text": Loader(_load_text, ("encoding",)), "series": _SERIES_LOADER},
    read_inputs=lambda path, context: Inputs([read_text(path)[0].strip()]),
)


# Many arrays in one file, or in a pair of files.


def _load_arrays(path: Path, options: LoadOptions, load: Callable[..., Dataset] = load_arrays) -> Dataset:
    _check_no_test_file(path, options, "Leave test out, or save x_test and y_test in the same file.")
    split = options.split or {}
    if split.get("time") is not None:
        raise DataError(f"{path}: data.split.time: arrays have no times. Divide by an array: split: {{by: subject}}")
    return load(path, options.labels, by=split.get("by"))


def _read_labeled_arrays(path: Path, context: ReadContext) -> Split:
    if context.per == "step":
        return read_array_steps(path, context.classes)
    return load_test_examples(path, context.classes, KINDS[context.target_kind])


ARRAYS = FileFormat(
    name="arrays",
    suffixes=(".npz", ".npy", ".idx"),
    kinds=("arrays", "series"),
    loaders={
        "examples": Loader(_load_arrays, ("labels", "split")),
        "numbers": Loader(partial(_load_arrays, load=partial(load_arrays, target_kind=NUMBERS)), ("labels", "split")),
        "step numbers": Loader(partial(_load_arrays, load=load_array_steps), ("labels", "split")),
    },
    read_labeled=_read_labeled_arrays,
    read_inputs=lambda path, context: Inputs(list(read_examples(path)), is_batch=True),
    is_match=is_array_file,
)


# One picture.


def _read_picture_input(path: Path, context: ReadContext) -> Inputs:
    if context.folder is not None:
        picture = read_image(path, context.folder.channels, context.folder.side)
        if picture.shape != context.example_shape:
            raise DataError(
                f"{path}: expected {format_size(context.example_shape)} pixels, the size that the network reads, got "
                f"{format_size(picture.shape)}. Resize the picture."
            )
        return Inputs([picture])
    from unrolled.data.pictures import SIDE, read_picture  # SciPy takes longer to import than the rest together

    if context.example_shape != (SIDE, SIDE):
        raise InvalidInput(
            f"{path}: expected an array of {format_size(context.example_shape)}, the size that the network reads, got "
            "a picture. Name an NPZ file of examples in that size."
        )
    return Inputs([read_picture(path)])


PICTURE_FILES = FileFormat(
    name="pictures",
    suffixes=PICTURES,
    kinds=("arrays",),
    read_inputs=_read_picture_input,
    is_match=is_picture,
)


# One sound.


def _read_sound_input(path: Path, context: ReadContext) -> Inputs:
    if context.folder is None or context.folder.rate is None:
        raise InvalidInput(f"{path}: the network was not trained on sounds. Name series like those of its training.")
    return Inputs(read_sounds([path], context.folder.rate)[0])


SOUND_FILES = FileFormat(name="sounds", suffixes=SOUNDS, kinds=("series",), read_inputs=_read_sound_input)


# A folder for each class.


def _load_folder(path: Path, options: LoadOptions) -> Dataset:
    _check_no_test_file(path, options, "Leave test out, or add a folder test.")
    return load_folder(path, options.folder, Selection(**options.selection))


def _read_labeled_folder(path: Path, context: ReadContext) -> Split:
    parts = read_folder(path, context.folder)
    return context.split_of(parts.get("test") or parts["train"])


FOLDERS = FileFormat(
    name="a folder with a folder for each class",
    suffixes=(),
    kinds=("arrays", "series", "text"),
    loaders={"examples": Loader(_load_folder, ("side", "channels", "rate", *SELECTION))},
    read_labeled=_read_labeled_folder,
    is_match=os.path.isdir,
)


FORMATS = (FOLDERS, TABLES, TAGGED_WORDS, TS_FILES, TEXT_FILES, ARRAYS, SOUND_FILES, PICTURE_FILES)
"""Every format; of several that match a path, the first."""
