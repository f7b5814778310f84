"""Regression and several labels: numbers or label sets of each example, from tables."""

import json
from pathlib import Path
from typing import Any

import unrolled
from tests.conftest import Command
from unrolled.config.experiment import ExperimentConfig
from unrolled.data.registry import load_config_data, load_to_show
from unrolled.errors import DataError, UnrolledError
from unrolled.model.build import build_model, prepare
from unrolled.reports.run import write_report
from unrolled.runs.inference import evaluate, predict_table, write_table
from unrolled.tasks.metrics import best_threshold, label_scores, regression_errors

import numpy as np
import polars as pl
import pytest

COUNT = 300
_RANDOM = np.random.default_rng(5)
GOOD, BAD = _RANDOM.integers(0, 4, COUNT), _RANDOM.integers(0, 4, COUNT)
TEXTS = [f"{'fine ' * good}{'poor ' * bad}thing {n % 9}" for n, (good, bad) in enumerate(zip(GOOD, BAD, strict=True))]
STARS = (1e6 + 1e3 * (GOOD - BAD)).tolist()
NETWORK: list[Any] = [{"Embedding": {"output_dim": 8}}, {"GRU": {"units": 16}}]
TRAINING = {"epochs": 20, "batch_size": 16, "optimizer": {"Adam": {"learning_rate": 0.02}}}


def write(folder: Path, **columns: Any) -> Path:
    path = folder / "reviews.csv"
    pl.DataFrame({"text": TEXTS, **columns}).write_csv(path)
    return path


def experiment(task: str, path: Path, **data: Any) -> dict[str, Any]:
    return {"task": task, "data": {"file": str(path), **data}, "network": NETWORK, "training": TRAINING}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> unrolled.Run:
    folder = tmp_path_factory.mktemp("regress")
    path = write(folder, price=STARS)
    return unrolled.train(experiment("regress", path, target="price"), runs=folder / "runs", quiet=True)


def test_numbers_are_learned_and_told_in_their_units(run: unrolled.Run) -> None:
    assert run.evaluation.metrics["R2"] > 0.9
    assert run.evaluation.metrics["RMSE"] < 600
    assert run.evaluation.headline == "RMSE"
    opened = unrolled.Run.open(run.path)
    (numbers,) = opened.predict(["fine fine thing 2"])
    assert abs(numbers[0] - 1.002e6) < 800
    assert list(opened.task.describe_prediction(numbers)["values"]) == ["price"]


def test_the_baselines_are_the_mean_and_ridge_regression(run: unrolled.Run) -> None:
    baselines = run.evaluation.baselines
    assert list(baselines) == ["mean", "TF-IDF of 1 and 2 words, ridge regression"]
    assert abs(baselines["mean"]["R2"]) < 0.1
    assert baselines["TF-IDF of 1 and 2 words, ridge regression"]["R2"] > 0.5


def test_files_are_predicted_and_evaluated_like_the_training_file(
    run: unrolled.Run, tmp_path: Path, unrolled_command: Command
) -> None:
    path = write(tmp_path, price=STARS)
    table, predictions, _ = predict_table(run, path)
    errors = [one["values"]["price"] - price for one, price in zip(predictions, STARS, strict=True)]
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(evaluate(run, path).metrics["RMSE"], rel=1e-3)
    with (tmp_path / "out.csv").open("w") as to:
        write_table(table, predictions, to)
    assert pl.read_csv(tmp_path / "out.csv").columns == ["text", "price", "predicted price"]
    printed = unrolled_command("predict", run.path, "fine thing 1", "--json")
    assert json.loads(printed.stdout)[0].keys() == {"text", "values"}
    assert "price" in unrolled_command("predict", run.path, "fine thing 1").stdout


def test_the_report_shows_predicted_beside_true_numbers(run: unrolled.Run) -> None:
    page = write_report(run).read_text(encoding="utf-8")
    assert "Predicted price" in page
    assert page.count('class="scattered"') == run.task.data.test.size
    assert "Largest errors" in page


def test_training_goes_on_exactly(run: unrolled.Run, tmp_path: Path) -> None:
    settings = experiment("regress", write(tmp_path, price=STARS), target="price")
    part = unrolled.train({**settings, "training": {**TRAINING, "epochs": 7}}, runs=tmp_path / "runs", quiet=True)
    longer = unrolled.resume(part.path, epochs=20, quiet=True)
    assert longer.evaluation.metrics == run.evaluation.metrics


def test_several_numbers_have_figures_of_their_own(tmp_path: Path) -> None:
    path = write(tmp_path, good=GOOD * 1e3, bad=BAD * 1e-3)
    settings = experiment("regress", path, target=["good", "bad"])
    run = unrolled.train(settings, runs=tmp_path / "runs", quiet=True)
    metrics = run.evaluation.metrics
    assert run.evaluation.headline == "R2"
    assert metrics["R2"] == pytest.approx((metrics["R2 good"] + metrics["R2 bad"]) / 2)
    assert metrics["MAE good"] > 100 * metrics["MAE bad"]
    (numbers,) = unrolled.Run.open(run.path).predict(["fine fine poor thing 2"])
    assert numbers.tolist() == [pytest.approx(2e3, abs=600), pytest.approx(1e-3, abs=6e-4)]


def test_features_and_series_have_numbers(tmp_path: Path) -> None:
    path = write(tmp_path, good=GOOD, bad=BAD, price=STARS)
    _, task = prepare(
        ExperimentConfig.load(
            {**experiment("regress", path, target="price", ignore="text"), "network": [{"GRU": {"units": 4}}]}
        )
    )
    assert task.data.kind == "series"
    assert task.baselines()["features, ridge regression"]["R2"] > 0.99
    rows = pl.DataFrame(
        {"id": np.repeat(np.arange(60), 5), "x": np.repeat(GOOD[:60], 5) + 0.5, "size": np.repeat(STARS[:60], 5)}
    )
    rows.write_csv(tmp_path / "series.csv")
    data = load_config_data(file=str(tmp_path / "series.csv"), series="id", target="size", purpose="numbers")
    assert data.train.targets.shape == (50, 1)
    with pytest.raises(DataError, match="give a series the same number in all of its rows"):
        rows.with_columns(size=pl.int_range(300)).write_csv(tmp_path / "steps.csv")
        load_config_data(file=str(tmp_path / "steps.csv"), series="id", target="size", purpose="numbers")


@pytest.mark.parametrize(
    ("columns", "target", "message"),
    [
        ({"price": ["1.5"] * (COUNT - 1) + ["much"]}, "price", 'expected a number, got "much"'),
        ({"price": [1.5] * COUNT}, "price", "expected different numbers, got 1.5 alone"),
        ({"price": [None, *STARS[1:]]}, "price", "expected a number, got an empty cell"),
        ({"price": STARS}, "cost", 'unknown column "cost"'),
    ],
)
def test_targets_that_are_no_numbers_are_refused(columns: Any, target: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UnrolledError) as refused:
        prepare(ExperimentConfig.load(experiment("regress", write(tmp_path, **columns), target=target)))
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_other_data_has_no_numbers() -> None:
    with pytest.raises(UnrolledError, match="expected examples with numbers, got a class for each of movie-reviews"):
        prepare(ExperimentConfig.load({"task": "regress", "data": "movie-reviews", "network": NETWORK}))


def test_a_network_ends_in_as_many_linear_outputs_as_there_are_numbers(tmp_path: Path) -> None:
    settings = experiment("regress", write(tmp_path, price=STARS), target="price")
    model = build_model(*prepare(ExperimentConfig.load(settings)))
    assert model.output_shape == (None, 1)
    settings["network"] = [*NETWORK, {"Dense": {"units": 1, "activation": "sigmoid"}}]
    with pytest.raises(UnrolledError, match="expected no activation in the last layer, got sigmoid"):
        build_model(*prepare(ExperimentConfig.load(settings)))


def test_measured_targets_are_shown_as_numbers(tmp_path: Path, unrolled_command: Command) -> None:
    path = write(tmp_path, wear=np.linspace(0, 1, COUNT))
    printed = unrolled_command("show", path, "--target", "wear")
    assert printed.returncode == 0, printed.stderr
    assert "wear" in printed.stdout
    from unrolled.data.tables import read_preview

    assert load_to_show(str(path), read_preview(path), (), target="wear").target_kind == "numbers"


def test_errors_are_those_of_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is an extra")
    true, predicted = _RANDOM.normal(size=50), _RANDOM.normal(size=50)
    found = regression_errors(predicted - true, true)
    assert found["R2"] == pytest.approx(metrics.r2_score(true, predicted))
    assert found["MAE"] == pytest.approx(metrics.mean_absolute_error(true, predicted))
    assert found["RMSE"] == pytest.approx(metrics.root_mean_squared_error(true, predicted))
    predictions, targets = _RANDOM.random((40, 3)) > 0.5, _RANDOM.random((40, 3)) > 0.6
    scores = label_scores(predictions, targets, ("a", "b", "c"))
    expected = metrics.precision_recall_fscore_support(targets, predictions, zero_division=0)
    for values, name in zip(expected, ("precision", "recall", "f1", "support"), strict=True):
        assert [getattr(score, name) for score in scores] == pytest.approx(values.tolist())


# Several labels


def labels_of(good: int, bad: int) -> list[str]:
    return [name for name, has in (("liked", good > 1), ("a fault", bad > 1), ("mixed", good > 0 < bad)) if has]


LABELS = [labels_of(good, bad) for good, bad in zip(GOOD.tolist(), BAD.tolist(), strict=True)]


@pytest.fixture(scope="module")
def tagged(tmp_path_factory: pytest.TempPathFactory) -> unrolled.Run:
    folder = tmp_path_factory.mktemp("classes")
    path = write(folder, tags=["|".join(labels) for labels in LABELS])
    return unrolled.train(experiment("classes", path), runs=folder / "runs", quiet=True)


def test_several_labels_are_learned_and_told(tagged: unrolled.Run, unrolled_command: Command) -> None:
    assert tagged.evaluation.headline == "micro F1"
    assert tagged.evaluation.metrics["micro F1"] > 0.95
    assert [score.name for score in tagged.evaluation.classes] == ["a fault", "liked", "mixed"]
    opened = unrolled.Run.open(tagged.path)
    (probabilities,) = opened.predict(["fine fine fine thing 1"])
    assert opened.task.describe_prediction(probabilities)["labels"] == ["liked"]
    assert "liked" in unrolled_command("predict", tagged.path, "fine fine fine thing 1").stdout
    assert unrolled_command("predict", tagged.path, "").returncode == 0


@pytest.mark.parametrize(
    ("probabilities", "is_true", "expected"),
    [
        ([0.9, 0.4, 0.3, 0.1], [1, 0, 1, 0], 0.3),
        ([0.9, 0.4, 0.3, 0.1], [1, 0, 0, 0], 0.5),
        ([0.9, 0.7, 0.3, 0.1], [1, 0, 0, 0], 0.9),
        ([0.2, 0.2, 0.2, 0.1], [1, 0, 1, 1], 0.1),
        ([0.3, 0.3, 0.3, 0.1], [0, 0, 1, 0], 0.3),
    ],
)
def test_the_best_threshold_is_that_of_the_highest_f1(
    probabilities: list[float], is_true: list[int], expected: float
) -> None:
    assert best_threshold(np.array(probabilities), np.array(is_true) > 0) == expected
    metrics = pytest.importorskip("sklearn.metrics")
    scores = {at: metrics.f1_score(is_true, np.array(probabilities) >= at) for at in [*probabilities, expected]}
    assert scores[expected] == max(scores.values())


def briefly_tagged(folder: Path, validation: Any) -> unrolled.Run:
    settings = experiment("classes", write(folder, tags=["|".join(labels) for labels in LABELS]))
    settings["training"] = {"epochs": 1, "batch_size": 16, "validation": validation}
    return unrolled.train(settings, runs=folder / "runs", quiet=True)


def test_the_threshold_of_labels_is_chosen_on_validation_examples_and_kept(tmp_path: Path) -> None:
    run = briefly_tagged(tmp_path, validation=0.3)
    opened = unrolled.Run.open(run.path)
    threshold = opened.calibration["threshold"]
    assert threshold < 0.5  # of a network that has hardly learned anything
    assert evaluate(opened).metrics == run.evaluation.metrics
    told = opened.task.describe_prediction(opened.predict(["fine poor thing 1"])[0])
    assert told["labels"] == [name for name, value in told["probabilities"].items() if value >= threshold]
    validation = run.task.validation
    assert validation is not None
    outputs = run.task.predict(run.model, validation)
    chosen = run.task.evaluate(outputs, validation).metrics["micro F1"]
    for other in (0.5, 0.9 * threshold, 1.1 * threshold):
        run.task.calibration = {"threshold": other}
        assert chosen >= run.task.evaluate(outputs, validation).metrics["micro F1"]


@pytest.mark.parametrize("validation", ["test", "none", 0.05])
def test_no_threshold_is_chosen_on_the_test_or_on_few_examples(validation: Any, tmp_path: Path) -> None:
    run = briefly_tagged(tmp_path, validation)
    assert run.calibration.get("threshold") is None
    assert run.task.threshold == 0.5  # type: ignore[attr-defined]


def test_label_sets_of_files_are_predicted_and_evaluated(tagged: unrolled.Run, tmp_path: Path) -> None:
    path = write(tmp_path, tags=["|".join(labels) for labels in LABELS])
    table, predictions, _ = predict_table(tagged, path)
    assert evaluate(tagged, path).metrics["all labels right"] == pytest.approx(
        np.mean([sorted(one["labels"]) == sorted(labels) for one, labels in zip(predictions, LABELS, strict=True)])
    )
    with (tmp_path / "out.csv").open("w") as to:
        write_table(table, predictions, to)
    written = pl.read_csv(tmp_path / "out.csv").fill_null("")
    assert written["labels"][0].split("|") == (predictions[0]["labels"] or [""])
    write(tmp_path, tags=["liked|unheard of", *["liked"] * (COUNT - 1)])
    with pytest.raises(DataError, match=r"expected labels of the training data .* got .unheard of"):
        evaluate(tagged, path)


def test_the_baselines_of_label_sets(tagged: unrolled.Run) -> None:
    baselines = tagged.evaluation.baselines
    assert list(baselines) == ["commonest label", "TF-IDF of 1 and 2 words, logistic regression"]
    assert (
        baselines["commonest label"]["micro F1"] < baselines["TF-IDF of 1 and 2 words, logistic regression"]["micro F1"]
    )


@pytest.mark.parametrize("form", ["|", ";", ", ", "python", "jsonl", "columns"])
def test_label_sets_are_read_in_many_forms(form: str, tmp_path: Path) -> None:
    settings: dict[str, Any] = {}
    if form == "jsonl":
        path = tmp_path / "t.jsonl"
        rows = zip(TEXTS, LABELS, strict=True)
        path.write_text("".join(json.dumps({"text": text, "tags": labels}) + "\n" for text, labels in rows))
    elif form == "columns":
        names = ["a fault", "liked", "mixed"]
        path = write(tmp_path, **{name: [int(name in labels) for labels in LABELS] for name in names})
        settings = {"target": names}
    else:
        path = write(tmp_path, tags=[str(one) if form == "python" else form.join(one) for one in LABELS])
    data = load_config_data(file=str(path), purpose="label sets", **settings)
    assert data.classes == ("a fault", "liked", "mixed")
    by_text = {text: sorted(labels) for text, labels in zip(TEXTS, LABELS, strict=True)}
    for text, target in zip(data.train.inputs, data.train.targets.tolist(), strict=True):
        assert [name for name, has in zip(data.classes, target, strict=True) if has] == by_text[text]


def test_the_columns_of_labels_hold_flags(tmp_path: Path) -> None:
    path = write(tmp_path, liked=GOOD, bad=BAD > 1)
    with pytest.raises(DataError, match=r"expected 1 or 0 in each column of a label, got \"[23]\""):
        load_config_data(file=str(path), purpose="label sets", target=["liked", "bad"])


def test_several_labels_end_in_sigmoids(tmp_path: Path) -> None:
    path = write(tmp_path, tags=["|".join(labels) for labels in LABELS])
    settings = experiment("classes", path)
    settings["network"] = [*NETWORK, {"Dense": {"units": "classes", "activation": "softmax"}}]
    with pytest.raises(UnrolledError, match=r"expected activation sigmoid in the last layer, got softmax"):
        build_model(*prepare(ExperimentConfig.load(settings)))


def test_duplicates_with_other_numbers_or_labels_are_counted(tmp_path: Path) -> None:
    path = write(tmp_path, price=STARS, tags=["|".join(labels) for labels in LABELS])
    numbers = load_config_data(file=str(path), target="price", input="text", purpose="numbers", deduplicate=True)
    labels = load_config_data(file=str(path), target="tags", input="text", purpose="label sets", deduplicate=True)
    assert numbers.train.size + numbers.test.size == labels.train.size + labels.test.size == len(set(TEXTS))


def test_a_number_may_be_called_like_a_source(tmp_path: Path) -> None:
    path = write(tmp_path, file=STARS)
    settings = experiment("regress", path, target="file")
    run = unrolled.train({**settings, "training": {"epochs": 1}}, runs=tmp_path / "runs", quiet=True)
    table, predictions, _ = predict_table(run, path)
    with (tmp_path / "out.csv").open("w") as to:
        write_table(table, predictions, to)
    assert pl.read_csv(tmp_path / "out.csv").columns == ["text", "file", "predicted file"]


def test_an_empty_set_is_no_missing_target(tmp_path: Path) -> None:
    path = write(tmp_path, tags=["|".join(labels) or ("NA" if n % 2 else "") for n, labels in enumerate(LABELS)])
    data = load_config_data(file=str(path), purpose="label sets", missing="drop")
    assert data.train.size + data.test.size == COUNT
    assert data.classes == ("a fault", "liked", "mixed")
    prices = [None if n % 10 == 0 else "-" if n % 10 == 1 else str(price) for n, price in enumerate(STARS)]
    data = load_config_data(file=str(write(tmp_path, price=prices)), target="price", purpose="numbers", missing="drop")
    assert data.train.size + data.test.size == COUNT * 8 // 10
