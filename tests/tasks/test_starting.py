"""Experiments that are chosen for a file: the task, the columns, the network and its training."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.conftest import Command
from unrolled.config.document import parse_yaml
from unrolled.config.experiment import ExperimentConfig
from unrolled.errors import DataError, InvalidSetting, UnrolledError, WriteError
from unrolled.model.build import build_model, prepare
from unrolled.tasks.starting import start, write_start

import numpy as np
import polars as pl
import pytest

COUNT = 120
_RANDOM = np.random.default_rng(1)
WORDS = _RANDOM.choice(["good", "bad", "fine", "poor", "plot", "cast"], (COUNT, 8))
TEXTS = [" ".join(row) for row in WORDS]
DAYS_OF_2024 = pl.date_range(pl.date(2024, 1, 1), pl.date(2024, 4, 29), "1d", eager=True)


def written(folder: Path, name: str = "rows.csv", **columns: Any) -> Path:
    frame = pl.DataFrame(columns)
    if name.endswith(".jsonl"):
        frame.write_ndjson(folder / name)
    else:
        frame.write_csv(folder / name)
    return folder / name


CLASSES = ["ab"[n % 2] for n in range(COUNT)]
SALES = (_RANDOM.random(2 * COUNT) * 100).round(1)
FILES: dict[str, tuple[str, dict[str, Any], str | None]] = {
    "texts with classes": ("classify", {"text": TEXTS, "label": CLASSES}, None),
    "names": ("classify", {"surname": [f"{row[0]}{row[1]}" for row in WORDS], "language": CLASSES}, "language"),
    "texts with ratings": ("regress", {"text": TEXTS, "stars": (_RANDOM.random(COUNT) * 5).round(2)}, "stars"),
    "features": ("classify", {"age": SALES[:COUNT], "city": CLASSES, "label": [*CLASSES[1:], "a"]}, None),
    "labels": ("classes", {"text": TEXTS, "tags": [("x|y", "y", "", "z|x")[n % 4] for n in range(COUNT)]}, None),
    "words": ("label", {"tokens": TEXTS, "tags": [" ".join("AB"[len(w) % 2] for w in row) for row in WORDS]}, None),
    "ratings with a comma": (
        "regress",
        {"text": TEXTS, "price": [f"{value:.2f}".replace(".", ",") for value in _RANDOM.random(COUNT) * 90]},
        "price",
    ),
    "dated classes": (
        "classify",
        {"date": DAYS_OF_2024, "temp": SALES[:COUNT], "label": CLASSES},
        None,
    ),
    "classes of series": (
        "classify",
        {
            "unique_id": [n // 6 for n in range(COUNT)],
            "time": [n % 6 for n in range(COUNT)],
            "x": SALES[:COUNT],
            "label": ["ab"[n // 6 % 2] for n in range(COUNT)],
        },
        None,
    ),
    "genres": (
        "classes",
        {"text": TEXTS, "genres": [("drama, comedy", "drama", "war")[n % 3] for n in range(COUNT)]},
        None,
    ),
    "one series": (
        "forecast",
        {"date": pl.date_range(pl.date(2024, 1, 1), pl.date(2024, 4, 29), "1d", eager=True), "sales": SALES[:COUNT]},
        None,
    ),
    "several series": (
        "forecast",
        {
            "shop": ["one"] * COUNT + ["two"] * COUNT,
            "date": [*pl.date_range(pl.date(2024, 1, 1), pl.date(2024, 4, 29), "1d", eager=True)] * 2,
            "sales": [size * (10 + day % 7) + SALES[day] / 100 for size in (1, 8) for day in range(COUNT)],
        },
        "sales",
    ),
    "shops by number": (
        "forecast",
        {
            "day": [day for day in DAYS_OF_2024 for _ in range(4)],
            "shop": [*range(1, 5)] * COUNT,
            "price": [(1, 2, 2, 3)[row % 4] for row in range(4 * COUNT)],
            "sales": [10 + row % 7 + row % 4 for row in range(4 * COUNT)],
        },
        "sales",
    ),
    "numbers of series": (
        "regress",
        {
            "machine": [f"m{n // 6}" for n in range(COUNT)],
            "time": [f"2024-01-{n // 6 + 1:02d} 0{n % 6}:00" for n in range(COUNT)],
            "heat": SALES[:COUNT],
            "wear": [SALES[n // 6] for n in range(COUNT)],
        },
        "wear",
    ),
    "words in rows": (
        "label",
        {
            "sentence_id": [n // 6 for n in range(COUNT)],
            "word": [row[0] for row in WORDS],
            "tag": [row[0][0].upper() for row in WORDS],
        },
        "tag",
    ),
    "a label of 0 and 1 at each time": (
        "detect",
        {"time": [*DAYS_OF_2024], "load": SALES[:COUNT], "label": [int(day % 40 == 3) for day in range(COUNT)]},
        None,
    ),
    "sales beside prices": (
        "forecast",
        {"date": [*DAYS_OF_2024], "sales": SALES[:COUNT], "price": SALES[COUNT:]},
        None,
    ),
    "anomalies": (
        "detect",
        {"date": [*DAYS_OF_2024], "load": SALES[:COUNT], "is_anomaly": [int(day == 30) for day in range(COUNT)]},
        None,
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_gets_the_task_that_suits_it(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task, columns, target = FILES[name]
    write_start(written(tmp_path, **columns), tmp_path / "rows.yaml", target=target)
    text = (tmp_path / "rows.yaml").read_text(encoding="utf-8")
    settings = parse_yaml(text, "rows.yaml")
    assert settings["task"] == task
    assert settings["data"]["file"] == "rows.csv"
    config, found = prepare(ExperimentConfig.load(tmp_path / "rows.yaml"))
    assert build_model(config, found).count_params() > 0
    assert text.count("#") >= 4
    if name == "names":
        assert settings["text"] == {"tokenizer": "characters"}
    if name == "several series":
        assert settings["data"]["series"] == "shop"
        assert settings["forecast"] == {
            "window": 23,
            "horizon": 14,
            "season": 7,
            "scale": "window_mean",
            "quantiles": [0.1, 0.5, 0.9],
            "test_steps": 28,
        }
    if name == "shops by number":
        assert settings["data"]["series"] == "shop"
    if name == "anomalies":
        assert settings["detect"] == {"window": 15, "smooth": 3, "season": 7}
        assert settings["data"] == {"file": "rows.csv", "target": "is_anomaly", "time": "date"}


HALF_HOURS = pl.datetime_range(pl.datetime(2024, 1, 1), pl.datetime(2024, 1, 20, 23, 30), "30m", eager=True)


def parking() -> dict[str, Any]:
    """Two car parks, read about every half hour from 8 to 12 o'clock, some of the rows twice."""
    times = HALF_HOURS.filter(HALF_HOURS.dt.hour().is_between(8, 12))
    jitter = pl.Series(_RANDOM.integers(-300, 300, len(times)) * 1_000_000).cast(pl.Duration("us"))
    at = (times + jitter).to_list()
    rows = [(name, moment, size, size * n % 97) for name, size in (("a", 60), ("b", 90)) for n, moment in enumerate(at)]
    rows += rows[5:9]
    return {
        name: list(column)
        for name, column in zip(("park", "updated", "size", "cars"), zip(*rows, strict=True), strict=True)
    }


def parts_of_times() -> dict[str, Any]:
    """Hours in four columns, with covariates and a value that is missing."""
    at = pl.datetime_range(pl.datetime(2024, 1, 1), pl.datetime(2024, 1, 20, 23), "1h", eager=True)
    parts = {part: getattr(at.dt, part)().to_list() for part in ("year", "month", "day", "hour")}
    values = {"wind": [("N", "S", "E")[n % 3] for n in range(len(at))], "temp": [n % 24 / 2 for n in range(len(at))]}
    target = [None if n == 50 else n % 25 for n in range(len(at))]
    return {"No": list(range(1, len(at) + 1)), **parts, "pm": target, **values}


SERIES: dict[str, tuple[dict[str, Any], str | None, dict[str, Any], dict[str, int]]] = {
    "times that are not exact": (
        parking(),
        None,
        {
            "target": "cars",
            "time": "updated",
            "series": "park",
            "past": ["size"],
            "every": "30m",
            "irregular": "resample",
            "hours": ["08:00", "12:30"],
            "calendar": ["hour", "weekday"],
        },
        {"window": 20, "horizon": 10, "season": 10, "test_steps": 20},
    ),
    "times in parts": (
        parts_of_times(),
        "pm",
        {
            "target": "pm",
            "time": ["year", "month", "day", "hour"],
            "past": ["wind", "temp"],
            "calendar": ["hour", "weekday"],
        },
        {"window": 48, "horizon": 24, "season": 24, "test_steps": 48},
    ),
    "one column": (
        {"visitors": SALES[:COUNT]},
        None,
        {"target": "visitors"},
        {"window": 16, "horizon": 8, "season": 1, "test_steps": 16},
    ),
    "one column with a usual name": (
        {"value": SALES[:COUNT]},
        None,
        {"target": "value"},
        {"window": 16, "horizon": 8, "season": 1, "test_steps": 16},
    ),
    "irregular": (
        {
            "at": (pl.Series(np.cumsum(np.random.default_rng(3).exponential(5e9, COUNT)).astype(int)) + int(1.7e15))
            .cast(pl.Datetime("us"))
            .to_list(),
            "load": SALES[:COUNT],
        },
        None,
        {"target": "load", "time": "at", "irregular": "delta"},
        {"window": 16, "horizon": 8, "season": 1, "test_steps": 16},
    ),
}


@pytest.mark.parametrize("name", SERIES)
def test_a_series_is_forecast_with_what_the_table_has(name: str, tmp_path: Path) -> None:
    columns, target, data, forecast = SERIES[name]
    write_start(written(tmp_path, **columns), tmp_path / "rows.yaml", target=target)
    text = (tmp_path / "rows.yaml").read_text(encoding="utf-8")
    settings = parse_yaml(text, "rows.yaml")
    assert settings["task"] == "forecast"
    assert settings["data"] == {"file": "rows.csv", **data}
    assert settings["forecast"] == {**forecast, "quantiles": [0.1, 0.5, 0.9]}
    is_known_ahead = "known" in data or "calendar" in data
    assert layers_of(settings) == (["GRU", "LastSteps"] if is_known_ahead else ["GRU"])
    config, found = prepare(ExperimentConfig.load(tmp_path / "rows.yaml"))
    assert build_model(config, found).count_params() > 0
    assert found.train.size > 0
    if "every" in data:
        assert "4 rows have the time of another one" in " ".join(text.split("\n# "))
        assert "a day, the season, has 10" in text


@pytest.mark.parametrize("form", ["%Y%m%d", "%Y%m"])
def test_dates_in_digits_under_any_name_order_a_forecast(form: str, tmp_path: Path, unrolled_command: Command) -> None:
    step = "1d" if form == "%Y%m%d" else "1mo"
    dates = pl.date_range(pl.date(2015, 1, 1), pl.date(2024, 12, 1), step, eager=True)[:COUNT].dt.strftime(form)
    path = written(tmp_path, stamp=dates.cast(int), sales=SALES[:COUNT])
    found = start(path).settings
    assert (found["task"], found["data"]["time"], found["data"]["target"]) == ("forecast", "stamp", "sales")
    shown = unrolled_command("show", "rows.csv", "--input", "sales", "--time", "stamp").stdout
    assert next(line for line in shown.splitlines() if line.startswith("stamp")).split()[:3] == [
        "stamp",
        "time",
        "time,",
    ]
    columns: dict[str, Any] = {"stamp": dates.cast(int), "x": SALES[:COUNT], "label": CLASSES}
    examples = start(written(tmp_path, "examples.csv", **columns))
    assert examples.reasons["data"] == "stamp is not read: each row is an example, no step of a series"


def test_a_forecast_goes_on_from_few_dates_in_digits(tmp_path: Path, unrolled_command: Command) -> None:
    dates = pl.date_range(pl.date(2015, 1, 1), pl.date(2024, 12, 1), "1mo", eager=True).dt.strftime("%Y%m").cast(int)
    written(tmp_path, stamp=dates, sales=SALES[:COUNT])
    short = ("--set", "training.epochs=1", "--set", "forecast.window=2", "--set", "forecast.season=1")
    trained = unrolled_command("train", "--data", "rows.csv", "--quiet", *short)
    assert trained.returncode == 0, trained.stderr
    written(tmp_path, "new.csv", stamp=dates[-3:], sales=SALES[:3])
    made = unrolled_command("forecast", "latest", "new.csv", "--steps", "2", "--output", "next.csv")
    assert made.returncode == 0, made.stderr
    assert pl.read_csv(tmp_path / "next.csv")["stamp"].to_list() == ["2025-01", "2025-02"]


def test_which_numbers_are_forecast_is_asked_for(tmp_path: Path) -> None:
    path = written(tmp_path, date=DAYS_OF_2024, one=SALES[:COUNT], two=SALES[COUNT:])
    with pytest.raises(DataError, match=r"cannot tell which column is to be forecast: one, two. Name it with --target"):
        start(path)
    data = start(path, target="two").settings["data"]
    assert (data["target"], data["past"]) == ("two", ["one"])


def test_a_column_that_cannot_be_read_is_left_out_of_the_covariates(tmp_path: Path) -> None:
    current = ["broken" if n == 7 else str(value) for n, value in enumerate(SALES[:COUNT])]
    found = start(written(tmp_path, date=DAYS_OF_2024, current=current, sales=SALES[COUNT:]), target="sales")
    assert "past" not in found.settings["data"]
    assert 'current is not read, because of line 9: current: expected a number, got "broken"' in found.reasons["data"]


def test_rows_that_share_their_times_are_examples(tmp_path: Path) -> None:
    days = [*DAYS_OF_2024[:40]] * 3
    found = start(written(tmp_path, date=days, size=SALES[:COUNT], price=SALES[COUNT:]), target="price").settings
    assert (found["task"], found["data"]["target"]) == ("regress", "price")


def test_a_year_is_a_number_and_the_longest_text_its_input(tmp_path: Path) -> None:
    titles = [text.replace(" ", "") + f" {n}" for n, text in enumerate(TEXTS)]
    years = [1990 + n % 20 for n in range(COUNT)]
    found = start(written(tmp_path, title=titles, medium=TEXTS, year=years), target="year")
    assert (found.settings["task"], found.settings["data"]["input"]) == ("regress", "medium")
    assert "not read: title" in found.reasons["data"]


def test_more_examples_are_read_less_often(tmp_path: Path) -> None:
    few = start(written(tmp_path, text=TEXTS, label=CLASSES)).settings["training"]
    many = start(written(tmp_path, text=TEXTS * 240, label=CLASSES * 240)).settings["training"]
    assert few["epochs"] > many["epochs"] >= 3
    assert few["keep"] == "best"


@pytest.mark.parametrize("people, kept", [(7, "none"), (40, 0.1)])
def test_one_of_few_groups_chooses_no_epoch(people: int, kept: object, tmp_path: Path) -> None:
    series, classes = _RANDOM.normal(size=(COUNT, 60, 6)), np.arange(COUNT) % 2
    np.savez(tmp_path / "watch.npz", X=series, y=classes, subject=np.arange(COUNT) % people)
    found = start(tmp_path / "watch.npz")
    training = found.settings["training"]
    assert (training["validation"], training.get("keep")) == (kept, None if kept == "none" else "best")
    assert ("groups are trained on" in found.reasons["training"]) == (kept == "none")


def layers_of(settings: Mapping[str, Any]) -> list[str]:
    return [name for layer in settings["network"] for name in layer]


def test_the_network_suits_the_input(tmp_path: Path) -> None:
    words = start(written(tmp_path, text=TEXTS, label=CLASSES)).settings
    assert layers_of(words) == ["Embedding", "Dropout", "Dropout", "Bidirectional", "GlobalMaxPooling1D", "Dropout"]
    assert words["network"][1]["Dropout"]["noise_shape"] == [None, None, 1]  # whole words
    assert words["text"] == {"min_count": 2}
    names = start(written(tmp_path, surname=[row[0] + row[1] for row in WORDS], label=CLASSES)).settings
    assert layers_of(names) == ["Embedding", "Dropout", "Bidirectional", "GlobalAveragePooling1D", "Dropout"]
    assert names["network"][1]["Dropout"]["rate"] < words["network"][2]["Dropout"]["rate"]
    assert names["training"]["epochs"] > words["training"]["epochs"]
    series = start(written(tmp_path, **FILES["classes of series"][1])).settings
    assert layers_of(series) == ["GaussianNoise", "Bidirectional", "Dropout"]
    assert series["network"][0]["GaussianNoise"]["stddev"] == 0.1  # of a single channel
    np.savez(tmp_path / "sounds.npz", X=_RANDOM.normal(size=(COUNT, 60, 6)), y=[n % 2 for n in range(COUNT)])
    series = start(tmp_path / "sounds.npz").settings
    assert layers_of(series) == ["GaussianNoise", "Bidirectional", "GlobalAveragePooling1D", "Dropout"]
    assert series["network"][0]["GaussianNoise"]["stddev"] == 0.3
    features = start(written(tmp_path, **FILES["features"][1])).settings
    assert layers_of(features) == ["Bidirectional", "Dropout"]
    tagged = start(written(tmp_path, **FILES["words"][1])).settings
    assert layers_of(tagged) == ["Embedding", "Dropout", "Bidirectional", "Dropout"]
    assert tagged["network"][2]["Bidirectional"]["layer"]["LSTM"]["return_sequences"]


def test_long_rows_are_read_in_another_way(tmp_path: Path) -> None:
    codes = start(written(tmp_path, dna=["ACGT" * 6 + row for row in "ACGT" * (COUNT // 4)], label=CLASSES)).settings
    assert layers_of(codes)[-2:] == ["GlobalMaxPooling1D", "Dropout"]
    random = np.random.default_rng(3)
    even, uneven = [(100 + add * np.arange(COUNT)).tolist() for add in (0, 1)]
    for lengths in (even, uneven):
        series = random.normal(size=(COUNT, max(lengths), 2)).astype(np.float32)
        np.savez(tmp_path / "long.npz", X=series, y=np.arange(COUNT) % 2, lengths=lengths)
        assert ("Conv1D" in layers_of(start(tmp_path / "long.npz").settings)) == (lengths is even)


def test_grey_levels_are_scaled(tmp_path: Path) -> None:
    images = np.random.default_rng(2).integers(0, 256, (COUNT, 4, 4)).astype(np.uint8)
    np.savez(tmp_path / "digits.npz", x_train=images, y_train=np.arange(COUNT) % 2)
    assert layers_of(start(tmp_path / "digits.npz").settings)[:2] == ["Rescaling", "Bidirectional"]


def test_a_test_file_is_named(tmp_path: Path) -> None:
    columns: dict[str, Any] = {"text": TEXTS, "label": CLASSES}
    test = written(tmp_path, "held_out.csv", **columns)
    settings = start(written(tmp_path, **columns), test).settings
    assert settings["data"] == {"train": str(tmp_path / "rows.csv"), "test": str(test), "target": "label"}


def test_an_experiment_is_never_overwritten(tmp_path: Path) -> None:
    path = written(tmp_path, text=TEXTS, label=CLASSES)
    (tmp_path / "rows.yaml").write_text("mine")
    with pytest.raises(WriteError, match="already exists"):
        write_start(path, tmp_path / "rows.yaml")
    assert (tmp_path / "rows.yaml").read_text() == "mine"


def test_what_is_to_be_predicted_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot tell which column is to be predicted.*Name it with --target"):
        start(written(tmp_path, one=SALES[:COUNT], two=SALES[COUNT:]))


def test_both_commands_choose_an_experiment(tmp_path: Path, unrolled_command: Command) -> None:
    written(tmp_path, text=TEXTS, label=CLASSES)
    made = unrolled_command("init", "--data", "rows.csv", "-o", "mine.yaml")
    assert (made.returncode, made.stdout) == (0, "mine.yaml\n")
    trained = unrolled_command("train", "--data", "rows.csv", "--set", "training.epochs=1", "--quiet")
    assert trained.returncode == 0, trained.stderr
    assert (tmp_path / "rows.yaml").exists()
    again = unrolled_command("train", "--data", "rows.csv")
    assert again.stderr.startswith("rows.yaml already exists. Train it with: unrolled train rows.yaml")
    for command in ("init", "train"):
        assert "belong to --data FILE" in unrolled_command(command, "--target", "label").stderr
        assert "Leave mnist-gru out" in unrolled_command(command, "mnist-gru", "--data", "rows.csv").stderr


LOAD: dict[str, Any] = {"date": DAYS_OF_2024, "load": SALES[:COUNT], "heat": SALES[COUNT:]}


@pytest.mark.parametrize(
    ("task", "columns", "target", "data"),
    [
        ("detect", LOAD, None, {"time": "date"}),
        ("detect", {"load": SALES[:COUNT], "heat": SALES[COUNT:]}, None, {}),
        ("detect", {**LOAD, "odd": ["no", "yes", *["no"] * (COUNT - 2)]}, "odd", {"time": "date", "target": "odd"}),
        ("forecast", {**LOAD, "is_anomaly": [0] * COUNT}, "load", {"time": "date", "target": "load"}),
        ("regress", {"text": TEXTS, "stars": [n % 5 for n in range(COUNT)]}, "stars", {"target": "stars"}),
        ("classify", {"text": TEXTS, "price": [n % 40 * 2.5 for n in range(COUNT)]}, "price", {"target": "price"}),
    ],
)
def test_a_task_that_is_named_is_chosen_where_the_columns_leave_a_choice(
    task: str, columns: dict[str, Any], target: str | None, data: dict[str, Any], tmp_path: Path
) -> None:
    file = written(tmp_path, **columns)
    write_start(file, tmp_path / "rows.yaml", target=target, task=task)
    config, found = prepare(ExperimentConfig.load(tmp_path / "rows.yaml"))
    assert config.task == task
    settings = parse_yaml((tmp_path / "rows.yaml").read_text(encoding="utf-8"), "rows.yaml")["data"]
    assert {name: settings.get(name) for name in ("time", "target")} == {"time": None, "target": None, **data}
    assert build_model(config, found).count_params() > 0


@pytest.mark.parametrize(
    ("task", "name", "message"),
    [
        ("detct", "features", r'--task: unknown task "detct"\. Did you mean "detect"\?'),
        (
            "detect",
            "texts with classes",
            "expected data for the task detect, got data for classify: label holds 2 classes",
        ),
        ("forecast", "words", "expected data for the task forecast, got data for label: each word has a label in tags"),
        ("label", "features", "expected data for the task label, got data for classify"),
        ("regress", "features", r"rows\.csv:2: label: .*"),
    ],
)
def test_a_task_that_does_not_suit_the_file_is_refused(task: str, name: str, message: str, tmp_path: Path) -> None:
    _, columns, target = FILES[name]
    with pytest.raises(UnrolledError, match=message) as caught:
        start(written(tmp_path, **columns), target=target, task=task)
    assert "\n" not in str(caught.value)


def test_a_task_is_named_on_the_command_line(tmp_path: Path, unrolled_command: Command) -> None:
    written(tmp_path, **LOAD)
    assert unrolled_command("init", "--data", "rows.csv", "--task", "detect").returncode == 0
    assert "nobody knows which steps are anomalies; watched: load, heat" in (tmp_path / "rows.yaml").read_text()
    refused = unrolled_command("init", "--task", "detect")
    assert (refused.returncode, "--task belong to --data FILE" in refused.stderr) == (2, True)


def test_lists_of_numbers_beside_lists_are_numbers_of_steps(tmp_path: Path) -> None:
    path = tmp_path / "tracks.jsonl"
    steps = range(4)
    rows = [{"x": [[0.5 * row, step] for step in steps], "y": [row + step / 2 for step in steps]} for row in range(30)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = start(path).settings
    assert found["task"] == "regress"
    assert found["data"] == {"file": str(path), "target": "y", "per": "step"}


def test_lists_of_numbers_beside_no_lists_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "curves.jsonl"
    path.write_text("".join(json.dumps({"size": row, "y": [0.5, row]}) + "\n" for row in range(30)))
    with pytest.raises(DataError, match="y: expected a number or a class, got a list of numbers"):
        start(path)


def tracks(path: Path, *, uneven: bool = False, nested: bool = False) -> Path:
    """Rows with lists x and y of equal lengths, one of another length or none, a class, and a number at each step."""
    with path.open("w") as file:
        for row in range(30):
            steps = range(4 + row % 3)
            x, y = [row + step / 2 for step in steps], [step - row / 4 for step in steps]
            lists: dict[str, Any] = {"sensor": {"x": x, "y": y}} if nested else {"x": x, "y": y}
            lists |= {"z": [0.5, *x]} if uneven else {}
            file.write(json.dumps(lists | {"label": "ab"[row % 2], "wear": [row - step / 3 for step in steps]}) + "\n")
    return path


@pytest.mark.parametrize("target", ["label", "wear"])
@pytest.mark.parametrize("nested", [False, True])
def test_lists_of_equal_lengths_are_channels(target: str, nested: bool, tmp_path: Path) -> None:
    path = tracks(tmp_path / "tracks.jsonl", nested=nested)
    ignored = "wear" if target == "label" else "label"
    found = start(path, target=target, overrides=[f"data.ignore={ignored}"])
    names = "sensor.x, sensor.y" if nested else "x, y"
    assert found.reasons["data"] == f"{names} are the channels of one sequence"
    _, task = prepare(ExperimentConfig.load(found.settings))
    assert task.data.example_shape[-1] == 2
    named = start(path, target=target, overrides=[f"data.ignore={ignored}", f"data.input=[{names}]"])
    assert prepare(ExperimentConfig.load(named.settings))[1].data.example_shape[-1] == 2


def test_lists_that_are_no_channels_are_named(tmp_path: Path) -> None:
    path = tracks(tmp_path / "tracks.jsonl", uneven=True)
    found = start(path, target="wear", overrides=["data.ignore=label"])
    assert found.settings["data"]["input"] == ["x", "y"]
    assert found.reasons["data"].startswith("x, y are the channels of one sequence; not read: z; ")


def test_rows_with_an_empty_cell_are_left_out_and_counted(tmp_path: Path) -> None:
    path = written(tmp_path, text=["", *TEXTS[1:]], label=[*CLASSES[:-2], "", "a"])
    found = start(path)
    assert found.settings["data"]["missing"] == "drop"
    assert "rows.csv: 2 of 120 rows with an empty cell are left out: lines 2, 120" in found.reasons["data"]


def test_the_longest_of_texts_and_sequences_is_the_input(tmp_path: Path) -> None:
    points = [f"{row}.5,2 3,4 {row},{row} 1,1" for row in range(COUNT)]
    found = start(
        written(tmp_path, who=[f"{row[0]} {row[1]} {n}" for n, row in enumerate(WORDS)], points=points, label=CLASSES)
    )
    assert found.settings["data"]["input"] == "points"
    assert found.reasons["data"] == (
        "points is the longest; not read: who; with inputs each column has layers of its own"
    )


def test_a_price_beside_other_numbers_is_not_forecast_unasked(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot tell which column is to be forecast: visits, price"):
        start(written(tmp_path, date=[*DAYS_OF_2024], visits=SALES[:COUNT], price=SALES[COUNT:]))


def test_series_whose_times_are_far_apart_are_found(tmp_path: Path) -> None:
    times = [f"2024-01-{n // 12 + 1:02d} {n % 12:02d}:00" for n in range(COUNT)]
    path = written(tmp_path, engine=[f"e{n // 12}" for n in range(COUNT)], time=times, load=SALES[:COUNT])
    assert start(path, target="load").settings["data"]["series"] == "engine"
    phases = ["low" if n < COUNT // 2 else "high" for n in range(COUNT)]
    path = written(tmp_path, "phases.csv", phase=phases, date=[*DAYS_OF_2024], load=SALES[:COUNT])
    assert "series" not in start(path, target="load").settings["data"]


@pytest.mark.parametrize(
    ("overrides", "section", "expected"),
    [
        (["data.input=title"], "data", {"input": "title"}),
        (["data.missing=refuse", "data.fill={text: none}"], "data", {"missing": "refuse", "fill": {"text": "none"}}),
        (["training.epochs=2"], "training", {"epochs": 2, "keep": "best"}),
        (["data.target=mark", "task=regress"], "data", {"target": "mark"}),
    ],
)
def test_settings_that_are_given_are_not_chosen(
    overrides: list[str], section: str, expected: dict[str, Any], tmp_path: Path
) -> None:
    titles, marks = [f"{row[0]} {row[1]} {n}" for n, row in enumerate(WORDS)], [n % 5 for n in range(COUNT)]
    path = written(tmp_path, text=TEXTS, title=titles, label=CLASSES, mark=marks)
    found = start(path, overrides=overrides).settings[section]
    assert {name: found[name] for name in expected} == expected
    assert ("input" in start(path).settings["data"], "input" in start(path, overrides=overrides).settings["data"]) == (
        False,
        "data.input=title" in overrides,
    )


def test_settings_that_say_how_a_file_is_read_are_given(tmp_path: Path, unrolled_command: Command) -> None:
    rows = "".join(f'"{text}","{1 + row % 9},{200 + row}"\n' for row, text in enumerate(TEXTS))
    (tmp_path / "flats.csv").write_text("text,price\n" + rows)
    command = ("--data", "flats.csv", "--target", "price", "--set")
    refused = unrolled_command("init", *command, "training.epochs=1")
    assert "decimal" in refused.stderr
    made = unrolled_command("init", *command, "data.decimal='.'")
    assert made.returncode == 0, made.stderr
    assert parse_yaml((tmp_path / "flats.yaml").read_text(), "")["data"]["decimal"] == "."
    (tmp_path / "flats.yaml").unlink()
    trained = unrolled_command("train", *command, "data.decimal=','", "--set", "training.epochs=1")
    assert trained.returncode == 0, trained.stderr
    assert parse_yaml((tmp_path / "flats.yaml").read_text(), "")["training"]["epochs"] == 1
    assert "belongs to --data FILE" in unrolled_command("init", "--set", "training.epochs=1").stderr


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data=mnist", "--data and --test name the files"),
        ("data.file=other.csv", "--data and --test name the files"),
        ("data.time=nope", 'unknown column "nope"'),
        ("data.series=nope", 'unknown column "nope"'),
        ("data.ignore=5", 'unknown column "5"'),
        ("data.missing=nope", "data.missing"),
        ("task=5", 'unknown task "5"'),
        ("task=", "expected the task once, and not empty"),
        ("data.target=[]", "expected the target once, and not empty"),
        ("training.epochs=x", "training.epochs"),
        ("nope=1", "nope"),
    ],
)
def test_impossible_settings_are_refused_and_nothing_is_written(override: str, message: str, tmp_path: Path) -> None:
    path = written(tmp_path, text=TEXTS, label=CLASSES)
    with pytest.raises(UnrolledError, match=re.escape(message)):
        write_start(path, tmp_path / "rows.yaml", overrides=[override])
    assert not (tmp_path / "rows.yaml").exists()


def test_a_target_and_a_task_are_given_once(tmp_path: Path) -> None:
    path = written(tmp_path, text=TEXTS, label=CLASSES)
    with pytest.raises(InvalidSetting, match="expected the target once"):
        start(path, target="text", overrides=["data.target=label"])
    with pytest.raises(InvalidSetting, match="expected the task once"):
        start(path, task="classify", overrides=["task=regress"])


def test_zeros_and_ones_that_are_no_rare_events_are_not_detected(tmp_path: Path) -> None:
    path = written(tmp_path, date=[*DAYS_OF_2024], load=SALES[:COUNT], rain=[day % 2 for day in range(COUNT)])
    assert start(path, target="rain").settings["task"] == "forecast"


def test_sentences_that_are_named_in_their_first_row_alone_are_asked_for(tmp_path: Path) -> None:
    numbers, words = ["s1", *[None] * 5] * 20, [row[0] for row in WORDS]
    path = written(tmp_path, **{"Sentence #": numbers, "Word": words, "Tag": CLASSES})  # type: ignore[arg-type]
    with pytest.raises(DataError, match="expected the sentence of each word, got 100 empty cells"):
        start(path, target="Tag")
