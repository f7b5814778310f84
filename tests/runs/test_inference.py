"""Files to predict and to evaluate on are read like the training data."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import unrolled
from tests.conftest import Command
from tests.data.test_audio import tone, write
from unrolled.data.images import read_image, read_images
from unrolled.errors import DataError, InvalidInput
from unrolled.runs.inference import (
    evaluate,
    predict_files,
    predict_inputs,
    predict_table,
    write_predictions,
    write_table,
)

import numpy as np
import pytest
from PIL import Image

TRAINING = {"epochs": 1, "batch_size": 8}
GRU: list[dict[str, Any]] = [{"GRU": {"units": 4}}]


@pytest.fixture(autouse=True)
def in_its_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def trained(data: dict[str, Any], network: list[dict[str, Any]] = GRU, **settings: Any) -> unrolled.Run:
    return unrolled.train({"data": data, "network": network, "training": TRAINING, **settings}, quiet=True)


def table(header: str, rows: Any, name: str = "t.csv") -> Path:
    path = Path(name)
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n", encoding="utf-8")
    return path


WIDE = [[n % 5, n % 3 - 1, 0.5 * n, "ab"[n % 2]] for n in range(24)]


def test_pictures_are_read_as_those_of_the_folder(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for name in ("bar", "cross"):
        (tmp_path / "pics" / name).mkdir(parents=True)
        for number in range(8):
            pixels = np.full((20, 12), 255, np.uint8)
            pixels[:, 5:7] = random.integers(0, 99)
            pixels[8:10] = 0 if name == "cross" else 255
            Image.fromarray(pixels).save(tmp_path / "pics" / name / f"{number}.png")
    run = trained({"folder": "pics", "side": 16}, [{"Rescaling": {"scale": 0.004}}, *GRU])
    paths = sorted(Path("pics").glob("*/*.png"))
    predictions = predict_files(run, paths, Path("seen.png"))
    squares = np.full((len(paths), 16, 16), 255, np.uint8)
    for square, path in zip(squares, paths, strict=True):
        square[:, 3:13] = np.asarray(Image.open(path).resize((10, 16), Image.Resampling.LANCZOS))
    probabilities = [list(prediction["probabilities"].values()) for prediction in predictions]
    np.testing.assert_allclose(probabilities, run.predict(squares), atol=1e-6)
    assert Path("seen.png").exists()
    assert evaluate(run, "pics").examples == 16


COLOURS = {"blue": (40, 40, 200), "green": (40, 200, 40), "red": (200, 40, 40)}
FAST = {"batch_size": 8, "optimizer": {"Adam": {"learning_rate": 0.01}}}


def paint(path: Path, colour: Any, seed: int) -> Path:
    """Save a picture of any shape in shades of a colour, all colours equally light."""
    random = np.random.default_rng(seed)
    height, width = random.integers(8, 20, 2)
    path.parent.mkdir(parents=True, exist_ok=True)
    noisy = np.clip(np.array(colour) + random.normal(0, 25, (height, width, 3)), 0, 255)
    Image.fromarray(noisy.astype(np.uint8)).save(path)
    return path


@pytest.mark.parametrize("scan", ["rows", "snake"])
def test_pictures_are_classified_by_their_colours(scan: str, unrolled_command: Command) -> None:
    for seed in range(60):
        name = list(COLOURS)[seed % 3]
        paint(Path("photos") / name / f"{seed}.png", COLOURS[name], seed)
    run = unrolled.train(
        {
            "data": {"folder": "photos", "side": 8},
            "scan": scan,
            "network": [{"Rescaling": {"scale": 1 / 255}}, {"GRU": {"units": 8}}],
            "training": {"epochs": 12, "augment": {"shift": 1}, **FAST},
        },
        quiet=True,
    )
    assert run.config.data.channels == "rgb"  # type: ignore[union-attr]
    assert tuple(run.data["example_shape"]) == (8, 8, 3)
    assert run.evaluation.accuracy > 0.95
    assert evaluate(run, "photos").accuracy > 0.95
    new = [paint(Path(f"new {name}.jpg"), colour, 99) for name, colour in COLOURS.items()]
    predictions = predict_files(run, new, Path("seen.png"))
    assert [one["label"] for one in predictions] == list(COLOURS)
    again = unrolled.Run.open(run.path)
    known = predict_files(again, sorted(Path("photos").rglob("*.png")))
    assert predict_files(again, [Path("photos")]) == known
    images = read_images([Path(one["file"]) for one in known], side=8)
    expected = [list(one["probabilities"].values()) for one in known]
    np.testing.assert_allclose(run.predict(images), expected, atol=1e-6)
    grey = Path("grey.png")
    Image.new("L", (9, 9), 90).save(grey)
    assert predict_files(run, [grey])[0]["label"] in COLOURS
    found = unrolled_command("doctor", run.path).stdout
    assert "error" not in found


def test_a_network_of_colours_is_told_to_scale_them(unrolled_command: Command) -> None:
    for seed in range(30):
        paint(Path("photos") / "ab"[seed % 2] / f"{seed}.png", COLOURS["red"], seed)
    Path("raw.yaml").write_text("data: {folder: photos, side: 8}\nnetwork: [{GRU: {units: 4}}]\n")
    found = unrolled_command("doctor", "raw.yaml", "--json").stdout
    (finding,) = (one for one in json.loads(found) if one["code"] == "unscaled-inputs")
    assert finding["fix"].startswith("Put Rescaling: {scale: 0.004")
    described = json.loads(unrolled_command("check", "raw.yaml", "--json").stdout)
    assert (described["input"], described["layers"][0]["shape"]) == ("[B, 8, 8, 3]", "[B, 4]")
    assert described["filled_in"][0] == "data.channels: rgb"
    assert described["parameters"] == 3 * (24 * 4 + 4 * 4 + 2 * 4) + 4 * 2 + 2
    assert "[B, 8, 8, 3] read as" in unrolled_command("check", "raw.yaml").stdout


def test_colours_are_read_in_grey_levels_where_that_is_asked_for() -> None:
    for seed in range(12):
        paint(Path("photos") / "ab"[seed % 2] / f"{seed}.png", list(COLOURS.values())[seed % 2], seed)
    run = trained({"folder": "photos", "side": 8, "channels": "grey"})
    assert tuple(run.data["example_shape"]) == (8, 8)
    path = Path("photos/a/0.png")
    expected = run.predict(read_image(path, "grey", 8)[None])[0]
    assert list(predict_files(run, [path])[0]["probabilities"].values()) == pytest.approx(expected.tolist(), abs=1e-6)


def test_arrays_of_colours_are_classified() -> None:
    random = np.random.default_rng(0)
    y = np.arange(60) % 3
    x = np.clip(np.array(list(COLOURS.values()))[y][:, None, None] + random.normal(0, 20, (60, 6, 5, 3)), 0, 255)
    np.savez("colours.npz", x_train=x.astype(np.uint8), y_train=y)
    network: list[Any] = [{"Rescaling": {"scale": 1 / 255}}, {"GRU": {"units": 8}}]
    run = unrolled.train(
        {"data": "colours.npz", "network": network, "training": {"epochs": 10, **FAST}, "scan": "columns"}, quiet=True
    )
    assert run.evaluation.accuracy > 0.95
    np.savez("new.npz", x=x[:4].astype(np.uint8))
    assert [one["label"] for one in predict_files(run, [Path("new.npz")])] == ["0", "1", "2", "0"]
    assert evaluate(run, "colours.npz").accuracy > 0.95
    with pytest.raises(InvalidInput, match="Convert them to red, green and blue"):
        run.predict(x[..., 0])
    paint(Path("a.png"), COLOURS["red"], 0)
    with pytest.raises(InvalidInput, match="expected an array of 5x6, the size that the network reads, got a picture"):
        predict_files(run, [Path("a.png")])


def hum(path: Path, low: float, high: float, seed: int, rate: int = 16_000, kind: str = "int16") -> Path:
    """Save a noisy tone of a random length and of a random frequency between two."""
    random = np.random.default_rng(seed)
    seconds = random.uniform(0.1, 0.3)
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = tone(random.uniform(low, high), seconds, rate)
    return write(path, samples / 2 + random.normal(0, 0.02, len(samples)), kind, rate)


def test_two_tones_are_told_apart_in_files_of_every_kind(unrolled_command: Command) -> None:
    tones = {"high": (900, 1400), "low": (300, 500)}
    for seed in range(40):
        name = list(tones)[seed % 2]
        hum(Path("sounds") / name / f"{seed}.wav", *tones[name], seed)
    run = unrolled.train(
        {"data": "sounds", "network": [{"GRU": {"units": 8}}], "training": {"epochs": 8, **FAST}}, quiet=True
    )
    assert run.config.data.rate == 16_000  # type: ignore[union-attr]
    assert run.evaluation.accuracy > 0.95
    assert evaluate(run, "sounds").accuracy > 0.95
    known = predict_files(run, sorted(Path("sounds").rglob("*.wav")))
    assert predict_files(run, [Path("sounds")]) == known
    for rate, kind in ((44_100, "int16"), (22_050, "uint8"), (16_000, "int24"), (48_000, "float32")):
        new = [hum(Path(f"{name}.wav"), *band, 99, rate, kind) for name, band in tones.items()]
        assert [one["label"] for one in predict_files(run, new)] == list(tones), (rate, kind)
    stereo = np.stack([tone(1_000), np.zeros(8_000)], axis=1)
    assert predict_files(run, [write(Path("stereo.wav"), stereo)])[0]["label"] == "high"
    shown = unrolled_command("show", "sounds").stdout
    assert "sounds of 0.1" in shown
    assert "seconds at 16,000 Hz" in shown
    assert "at 8,000 Hz" in unrolled_command("show", "sounds", "--rate", "8000").stdout
    printed = unrolled_command("predict", run.path, "stereo.wav").stdout
    assert "high" in printed


def test_sounds_are_refused_by_networks_of_other_series() -> None:
    run = trained({"file": str(table("x,y,z,label", WIDE)), "target": "label"})
    with pytest.raises(InvalidInput, match=r"a\.wav: the network was not trained on sounds\."):
        predict_files(run, [write(Path("a.wav"), tone(440))])


def test_a_wide_table_is_read_by_the_names_of_its_columns() -> None:
    run = trained({"file": str(table("x,y,z,label", WIDE)), "target": "label"})
    assert run.schema is not None
    assert run.schema.columns == ("x", "y", "z")
    turned = [[1000, row[2], row[1], row[0]] for row in WIDE]
    _, predictions, _ = predict_table(run, table("patient,z,y,x", turned, "turned.csv"))
    assert [one["file"] for one in predictions] == ["turned.csv"] * len(turned)
    assert [one["index"] for one in predictions] == list(range(len(turned)))
    again = predict_table(run, Path("t.csv"))[1]
    assert [one["probabilities"] for one in predictions] == [one["probabilities"] for one in again]
    with pytest.raises(DataError, match=r'few.csv: unknown column "z". Columns: x, y.'):
        predict_table(run, table("x,y", [[1, 2]], "few.csv"))
    assert evaluate(run, "t.csv").examples == 24


def test_a_long_table_gives_each_row_the_prediction_of_its_series() -> None:
    rows = [[f"d{n}", step, n % 2 + step, "ab"[n % 2]] for n in range(16) for step in range(2 + n % 3)]
    run = trained({"file": str(table("id,time,value,state", rows)), "series": "id", "target": "state"})
    assert run.schema is not None
    assert (run.schema.columns, run.schema.time) == (("value",), "time")
    read, predictions, _ = predict_table(run, table("id,time,value", [row[:3] for row in rows], "new.csv"))
    assert len(predictions) == read.size == len(rows)
    series = [np.array([row[2:3] for row in rows if row[0] == f"d{n}"], np.float32) for n in range(16)]
    by_series = dict(zip((f"d{n}" for n in range(16)), run.predict(series), strict=True))
    for row, prediction in zip(rows, predictions, strict=True):
        np.testing.assert_allclose(list(prediction["probabilities"].values()), by_series[str(row[0])], atol=1e-6)
    assert evaluate(run, "t.csv").examples == 16


def texts() -> unrolled.Run:
    rows = [[f"{'good' if n % 2 else 'bad'} film {n}", n % 2] for n in range(24)]
    return trained({"file": str(table("text,label", rows))}, [{"Embedding": {"output_dim": 4}}, *GRU])


def test_the_name_of_a_file_is_no_sentence() -> None:
    run = texts()
    Path("one.txt").write_text("good film", encoding="utf-8")
    predictions = predict_inputs(run, ["one.txt", "good film", "x" * 5000])
    assert predictions[0]["probabilities"] == predictions[1]["probabilities"]
    assert (predictions[0]["file"], predictions[1]["text"]) == ("one.txt", "good film")
    assert "text" not in predictions[0]
    with pytest.raises(InvalidInput, match=r"got the table t.csv among others. Name it alone"):
        predict_inputs(run, ["t.csv", "good"])
    with pytest.raises(DataError, match=r"^missing.csv: no such file"):
        predict_inputs(run, ["missing.csv", "good"])
    Path("a.ts").write_text("")
    with pytest.raises(InvalidInput, match=r"^a.ts: expected tables .* for a network that reads text, got series\."):
        predict_inputs(run, ["a.ts"])
    with pytest.raises(InvalidInput, match="expected a network that reads pictures, got one of texts"):
        predict_inputs(run, ["good"], Path("seen.png"))


def test_the_class_is_in_the_column_of_the_training_table() -> None:
    rows = [(f"{'good' if n % 2 else 'bad'} film {n}", n % 2) for n in range(24)]
    run = trained({"file": str(table("text,sentiment", rows))}, [{"Embedding": {"output_dim": 4}}, *GRU])
    contradicted = [(text, truth, 1 - truth) for text, truth in rows]
    again = table("text,sentiment,label", contradicted, "contradicted.csv")
    assert evaluate(run, str(again)) == evaluate(run, "t.csv")


def test_a_table_is_read_with_the_options_of_the_training_table() -> None:
    rows = [f"{'dobrý' if n % 2 else 'zlý'} film {n};{n % 2}" for n in range(24)]
    Path("t.csv").write_bytes("\n".join(rows).encode("iso-8859-2"))
    data = {"file": "t.csv", "encoding": "iso-8859-2", "header": False, "input": "1", "target": "2"}
    run = trained(data, [{"Embedding": {"output_dim": 4}}, *GRU])
    assert evaluate(run, "t.csv").examples == 24
    read, predictions, _ = predict_table(run, Path("t.csv"))
    assert (read.size, len(predictions)) == (24, 24)


def test_orange_tables_are_predicted_like_the_training_table() -> None:
    lines = ["x\ty\tkind", "c\tc\td", "\t\tclass", *(f"{n % 5}\t{n % 3}\t{'ab'[n % 2]}" for n in range(24))]
    Path("t.tab").write_text("\n".join(lines), encoding="utf-8")
    run = trained({"file": "t.tab"})
    assert len(predict_table(run, Path("t.tab"))[1]) == 24
    assert evaluate(run, "t.tab").examples == 24


def test_missing_values_are_refused_where_training_had_none() -> None:
    inputs = np.random.default_rng(0).normal(size=(24, 5, 2)).astype(np.float32)
    np.savez("x.npz", x_train=inputs, y_train=np.arange(24) % 2)
    run = trained({"file": "x.npz"})
    inputs[3, 1, 0] = np.nan
    with pytest.raises(InvalidInput, match="example 3 has missing values"):
        run.predict(inputs)


def test_predicting_a_table_of_predictions_adds_columns_of_other_names() -> None:
    run, path = texts(), Path("t.csv")
    for name in ("once.csv", "twice.csv"):
        with Path(name).open("w", newline="") as to:
            write_table(*predict_table(run, path)[:2], to)
        path = Path(name)
    header = path.read_text().splitlines()[0].split(",")
    assert len(set(header)) == len(header) == 8
    assert "predicted label 2" in header


def test_predictions_are_written_as_csv() -> None:
    run = texts()
    to = io.StringIO()
    write_predictions(predict_inputs(run, ["good", "bad, and long"]), to)
    rows = list(csv.reader(io.StringIO(to.getvalue())))
    assert rows[0] == ["text", "label", "p(0)", "p(1)"]
    assert [row[0] for row in rows[1:]] == ["good", "bad, and long"]
    to = io.StringIO()
    write_table(*predict_table(run, Path("t.csv"))[:2], to)
    rows = list(csv.reader(io.StringIO(to.getvalue())))
    assert rows[0] == ["text", "label", "predicted label", "p(0)", "p(1)"]
    assert len(rows) == 25


def test_the_command_refuses_before_it_writes(unrolled_command: Command, tmp_path: Path) -> None:
    run = texts()
    finished = unrolled_command("predict", run.path, "t.csv", "--json")
    assert len(json.loads(finished.stdout)) == 24
    table("words,label", [["good", 1]], "other.csv")
    refused = unrolled_command("predict", run.path, "other.csv", "--output", "predicted.csv")
    assert refused.stderr == 'other.csv: unknown column "text". Columns: words, label.\n'
    assert not (tmp_path / "predicted.csv").exists()
    latin = unrolled_command("predict", run.path, "good", "--output", "predicted.csv")
    assert (latin.returncode, (tmp_path / "predicted.csv").read_text().count("\n")) == (0, 2)


def test_a_forecasting_network_is_evaluated_on_its_own_data_alone() -> None:
    run = unrolled.train("passengers-forecast", overrides=["training.epochs=1"], quiet=True)
    again = evaluate(run)
    assert again.metrics == pytest.approx(run.evaluation.metrics, rel=1e-4)
    with pytest.raises(InvalidInput, match="the task forecast is evaluated on its own data"):
        evaluate(run, "mnist")


def test_rows_without_a_text_get_no_prediction_and_the_others_do() -> None:
    rows = [(f"{'good' if n % 2 else 'bad'} film {n}", n % 2) for n in range(24)]
    run = trained({"file": str(table("text,label", rows)), "missing": "drop"}, [{"Embedding": {"output_dim": 4}}, *GRU])
    path = table("id,text", [(1, "good film"), (2, ""), (3, "bad film")], "new.csv")
    read, predictions, _ = predict_table(run, path)
    assert [one["label"] is None for one in predictions] == [False, True, False]
    assert predictions[1]["probabilities"] == {"0": None, "1": None}
    assert predictions[0]["probabilities"] == pytest.approx(predict_inputs(run, ["good film"])[0]["probabilities"])
    with (path.parent / "answers.csv").open("w", newline="") as stream:
        write_table(read, predictions, stream)
    assert (path.parent / "answers.csv").read_text().splitlines()[2] == "2,,,,"
