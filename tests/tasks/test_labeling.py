"""A class for each step: tagged words, and labels of the rows of series."""

from itertools import chain
from pathlib import Path
from typing import Any

import unrolled
from tests.conftest import Command
from unrolled.config.experiment import ExperimentConfig
from unrolled.data.ragged import Ragged
from unrolled.data.token_lists import TokenLists
from unrolled.data.treebanks import read_words
from unrolled.errors import InvalidInput, UnrolledError
from unrolled.model.build import build_model, prepare
from unrolled.runs.inference import evaluate, predict_files, predict_inputs, predict_table, predict_texts
from unrolled.tasks.batches import EvaluationBatches, predict_outputs
from unrolled.tasks.spans import are_span_tags, find_spans, span_f1
from unrolled.tasks.words import PADDING, UNKNOWN, WordsPreprocessor

import numpy as np
import polars as pl
import pytest

READ_WORDS: list[Any] = [
    {"Embedding": {"output_dim": 16}},
    {"Bidirectional": {"layer": {"GRU": {"units": 16, "return_sequences": True}}}},
]
FAST = {"Adam": {"learning_rate": 0.02}}
_RANDOM = np.random.default_rng(5)
NAMES = ("Anna", "Bruno", "Carla", "Dario", "Elena")


def sentence(number: int) -> list[tuple[str, str]]:
    """Return words whose tag depends on the word before: a name after Mr begins a span."""
    words: list[tuple[str, str]] = []
    for _ in range(2 + number % 6):
        name, other = NAMES[_RANDOM.integers(5)], NAMES[_RANDOM.integers(5)]
        if _RANDOM.random() < 0.5:
            words += [("Mr", "O"), (name, "B-PER"), (other, "I-PER")]
        else:
            words += [("in", "O"), (name, "B-LOC")]
    return words


SENTENCES = [sentence(number) for number in range(160)]


def write_conll(path: Path, sentences: Any = SENTENCES) -> Path:
    path.write_text(
        "-DOCSTART- -X- O\n\n" + "\n".join("".join(f"{word} _ {tag}\n" for word, tag in one) for one in sentences)
    )
    return path


def experiment(file: Path, network: list[Any] = READ_WORDS, **settings: Any) -> dict[str, Any]:
    data = {"file": str(file), **settings.pop("data", {})}
    training = {"epochs": 8, "batch_size": 16, "optimizer": FAST}
    return {"data": data, "task": "label", "network": network, "training": training, **settings}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> unrolled.Run:
    folder = tmp_path_factory.mktemp("tags")
    settings = experiment(write_conll(folder / "names.conll"))
    del settings["task"]  # files of tagged words need none
    return unrolled.train(settings, runs=folder / "runs", quiet=True)


def test_tags_are_learned_from_the_words_around(run: unrolled.Run) -> None:
    evaluation = run.evaluation
    assert evaluation.headline == "span F1"
    assert evaluation.metrics["span F1"] > 0.95
    assert evaluation.baselines["commonest label of the word"]["span F1"] < 0.7
    assert evaluation.examples == int(run.task.data.test.targets.lengths.sum())


def test_texts_and_files_are_labeled(run: unrolled.Run, tmp_path: Path) -> None:
    (predicted,) = predict_inputs(run, ["in Bruno Mr Anna Carla"])
    assert predicted["words"] == ["in", "Bruno", "Mr", "Anna", "Carla"]
    assert predicted["labels"] == ["O", "B-LOC", "O", "B-PER", "I-PER"]
    assert len(predicted["probabilities_of_labels"]) == 5
    assert predict_texts(run, ["in Bruno Mr Anna Carla"]) == [predicted]
    with pytest.raises(InvalidInput, match="expected names of files, got an empty one"):
        predict_inputs(run, ["", str(tmp_path / "new.conll")])
    path = tmp_path / "new.conll"
    path.write_text("in\nBruno\n\nMr\nAnna\nCarla\n")
    first, second = predict_files(run, [path])
    assert (first["index"], first["labels"], second["words"]) == (0, ["O", "B-LOC"], ["Mr", "Anna", "Carla"])


def test_each_word_is_printed_beside_its_label(run: unrolled.Run, unrolled_command: Command, tmp_path: Path) -> None:
    (tmp_path / "new.conll").write_text("in\nBruno\n\nMr\nAnna\nCarla\n")
    lines = unrolled_command("predict", run.path, "new.conll").stdout.splitlines()
    cells = [line.split() for line in lines]
    assert cells[0] == ["example", "word", "label", "probability"]
    assert cells[2][:3] == ["new.conll[0]", "in", "O"]
    assert cells[3][:2] == ["Bruno", "B-LOC"]
    assert cells[4][:3] == ["new.conll[1]", "Mr", "O"]
    assert [row[:2] for row in cells[5:7]] == [["Anna", "B-PER"], ["Carla", "I-PER"]]
    lines = unrolled_command("predict", run.path, "in Bruno").stdout.splitlines()
    assert [line.split()[:-2] for line in lines[2:4]] == [["1", "in", "O"], ["Bruno", "B-LOC"]]


def test_an_opened_run_predicts_and_evaluates_the_same(run: unrolled.Run, tmp_path: Path) -> None:
    opened = unrolled.Run.open(run.path).warm_up()
    words = [[word for word, _ in one] for one in SENTENCES[:5]]
    for one, other, given in zip(run.predict(words), opened.predict(words), words, strict=True):
        assert one.shape == (len(given), 4)
        np.testing.assert_array_equal(one, other)
        np.testing.assert_allclose(one.sum(axis=-1), 1, atol=1e-5)
    again = evaluate(opened, write_conll(tmp_path / "more.conll", SENTENCES[:20]))
    assert again.metrics["span F1"] > 0.95


def test_padding_changes_no_prediction_and_counts_for_nothing(run: unrolled.Run) -> None:
    task = run.task
    alone = [predict_outputs(run.model, task.preprocessor.encode([words]), 1)[0] for words in task.data.test.inputs]
    together = task.predict(run.model, task.test)
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(one[: len(other)], other, atol=1e-5)
    loss, accuracy = run.model.evaluate(EvaluationBatches(task.test, task.test.size), verbose=0)
    evaluation = task.evaluate(together, task.test)
    assert accuracy == pytest.approx(evaluation.metrics["accuracy"], abs=1e-6)
    assert loss == pytest.approx(evaluation.metrics["loss"], abs=1e-5)


def test_training_goes_on_exactly(tmp_path: Path) -> None:
    path = write_conll(tmp_path / "names.conll", SENTENCES[:60])
    whole = unrolled.train(experiment(path), runs=tmp_path / "runs", quiet=True)
    part = unrolled.train(experiment(path), overrides=["training.epochs=3"], runs=tmp_path / "runs", quiet=True)
    longer = unrolled.resume(part.path, epochs=8, quiet=True)
    for one, other in zip(whole.model.get_weights(), longer.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def activities(folder: Path) -> Path:
    """Write sensor rows with a class each, some of which are missing, the rows in no order."""
    rows: list[dict[str, Any]] = []
    for person in range(24):
        for minute in range(30):
            label = "run" if (minute // (5 + person % 4)) % 2 else "walk"
            if (person + 3 * minute) % 17:
                strength = 3.0 if label == "run" else 1.0
                x = float(_RANDOM.normal(0, 0.2) + strength)
                rows.append({"id": f"p{person}", "when": f"2025-03-01 10:{minute:02d}", "x": x, "label": label})
    pl.DataFrame(rows).sample(fraction=1, shuffle=True, seed=1).write_csv(folder / "steps.csv")
    return folder / "steps.csv"


def test_the_rows_of_series_are_labeled_in_the_order_of_time(tmp_path: Path) -> None:
    path = activities(tmp_path)
    network = [{"GRU": {"units": 8, "return_sequences": True}}]
    settings = experiment(path, network, data={"series": "id", "time": "when"})
    run = unrolled.train(settings, runs=tmp_path / "runs", quiet=True)
    assert run.evaluation.metrics["accuracy"] > 0.9
    # Missing minutes are steps without a label.
    train = run.task.data.train
    assert set(train.targets.joined.tolist()) == {-1, 0, 1}
    assert [len(one) for one in train.inputs] == train.targets.lengths.tolist()
    table, predictions, _ = predict_table(unrolled.Run.open(run.path), path)
    frame = table.frame.with_columns(predicted=pl.Series([one["label"] for one in predictions]))
    assert (frame["label"] == frame["predicted"]).mean() > 0.9  # type: ignore[operator]
    assert set(predictions[0]["probabilities"]) == {"run", "walk"}


@pytest.mark.parametrize("form", ["spaces", "lists", "rows", "commas", "numbers", "python"])
def test_words_stand_in_tables_in_several_ways(form: str, tmp_path: Path) -> None:
    words = [[word for word, _ in one] for one in SENTENCES[:40]]
    tags = [[tag for _, tag in one] for one in SENTENCES[:40]]
    path, data = tmp_path / "words.parquet", {}
    if form == "rows":
        owners = [number for number, one in enumerate(words) for _ in one]
        columns: dict[str, Any] = {"sentence": owners, "word": [*chain(*words)], "tag": [*chain(*tags)]}
        data = {"series": "sentence"}
    elif form == "lists":
        columns = {"tokens": words, "ner_tags": tags}
    elif form == "numbers":
        classes = sorted({tag for some in tags for tag in some})
        columns = {"tokens": words, "ner_tags": [[classes.index(tag) for tag in some] for some in tags]}
    elif form == "python":
        columns = {"tokens": [str(some) for some in words], "ner_tags": [str(some) for some in tags]}
        path = tmp_path / "words.csv"
    else:
        separator = {"spaces": " ", "commas": ","}[form]
        columns = {"words": [separator.join(some) for some in words], "tags": [separator.join(some) for some in tags]}
        path = tmp_path / "words.csv"
    frame = pl.DataFrame(columns)
    frame.write_csv(path) if path.suffix == ".csv" else frame.write_parquet(path)
    _, task = prepare(ExperimentConfig.load(experiment(path, data=data)))
    parts = [task.data.train, task.data.test]
    assert {tuple(one) for part in parts for one in part.inputs} == {tuple(one) for one in words}
    names = task.data.classes
    found = {tuple(names[index] for index in one.tolist()) for part in parts for one in part.targets}
    expected = {tuple(map(str, some)) for some in columns["ner_tags"]} if form == "numbers" else set(map(tuple, tags))
    assert found == expected


def test_conll_u_is_read_with_its_ranges_and_empty_words(tmp_path: Path) -> None:
    pytest.importorskip("conllu", reason="reading CoNLL-U needs the extra treebanks")
    one = (
        "# sent_id = 1\n# text = vámonos al mar\n1-2\tvámonos\t_\t_\t_\t_\t_\t_\t_\t_\n"
        "1\tvamos\tir\tVERB\tV\t_\t0\troot\t_\t_\n2\tnos\tnosotros\tPRON\tP\t_\t1\tobj\t_\t_\n"
        "2.1\t_\t_\tVERB\t_\t_\t_\t_\t_\t_\n3\tmar\tmar\tNOUN\tN\t_\t1\tobl\t_\t_\n\n"
    )
    path = tmp_path / "es.conllu"
    path.write_text(one * 3, encoding="utf-8")
    _, task = prepare(ExperimentConfig.load(experiment(path)))
    assert task.data.train.inputs[0] == ["vamos", "nos", "mar"]
    assert task.data.classes == ("NOUN", "PRON", "VERB")
    other = prepare(ExperimentConfig.load(experiment(path, data={"target": "deprel"})))[1]
    assert other.data.classes == ("obj", "obl", "root")


@pytest.mark.parametrize(
    ("name", "content", "data", "message"),
    [
        ("a.conll", "", {}, "got an empty file"),
        ("a.conll", "-DOCSTART- O\n", {}, "got none"),
        ("a.conll", "word\n", {}, r"a.conll:1: expected 2 columns"),
        ("a.conll", "a X\nb\n", {}, r"a.conll:2: expected 2 columns"),
        ("a.conll", "a X\n\nb Y\n", {"target": "3"}, "expected a column from 2 to 2, got 3"),
        ("a.conll", "a X\n\nb Y\n", {"target": "ner"}, "expected the number of a column"),
        ("a.conll", "a X\n\nb X\n", {}, "expected two labels or more"),
        ("a.conll", "a X\nb Y\n", {}, "expected two examples or more"),
        ("a.conllu", "1\tone\n\n", {}, r"a.conllu:1: "),
        ("a.conllu", "# x\n1\ta\ta\t_\tN\t_\t0\troot\t_\t_\n\n", {}, r"a.conllu:2: .* has no upos"),
        ("a.conllu", "1\ta\ta\tX\tN\t_\t0\troot\t_\t_\n\n", {"target": "pos"}, "unknown field"),
        ("a.csv", "words,tags\na b,X\nc d,X Y\n", {}, r"a.csv:2: tags: expected 2 values"),
        ("a.csv", "words,what\na b,X Y\nc d,X Y\n", {}, "cannot tell which column is the target"),
        ("a.csv", "words,tags\na b,X Y\n,X Y\n", {}, r"a.csv:3: words: expected text"),
        (
            "a.csv",
            "id,t,x,tags\n1,1,2.5,X\n1,2,2.5,\n2,1,1.5,Y\n",
            {"series": "id"},
            r"a.csv:3: tags: expected a class",
        ),
    ],
)
def test_malformed_files_are_refused_in_one_line(
    name: str, content: str, data: Any, message: str, tmp_path: Path
) -> None:
    if name.endswith("u"):
        pytest.importorskip("conllu", reason="reading CoNLL-U needs the extra treebanks")
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(UnrolledError, match=message) as refused:
        prepare(ExperimentConfig.load(experiment(path, data=data)))
    assert "\n" not in str(refused.value)


def test_each_task_names_the_other_where_the_labels_are_its(tmp_path: Path) -> None:
    path = write_conll(tmp_path / "a.conll")
    with pytest.raises(UnrolledError, match="Set task: label"):
        prepare(ExperimentConfig.load({**experiment(path), "task": "classify"}))
    with pytest.raises(UnrolledError, match="Set task: classify"):
        prepare(ExperimentConfig.load({**experiment(path), "data": "movie-reviews"}))
    with pytest.raises(UnrolledError, match="needs task: label"):
        settings = experiment(activities(tmp_path), data={"series": "id", "time": "when"})
        prepare(ExperimentConfig.load({**settings, "task": "classify"}))
    with pytest.raises(UnrolledError, match="Set return_sequences: true"):
        build_model(*prepare(ExperimentConfig.load(experiment(path, [READ_WORDS[0], {"GRU": {"units": 4}}]))))


def test_rare_words_are_read_by_their_form() -> None:
    train = TokenLists.of([["the", "the", "Jumping", "Running", "12", "7th"]])
    words = WordsPreprocessor.fit(train, lowercase=True, min_count=1, vocabulary_size=100)
    the, jumping, running, twelve, seventh = words.encode([["the", "Jumping", "Running", "12", "7th"]])[0]
    assert len({the, jumping, twelve, seventh}) == 4
    assert jumping == running
    assert words.encode([["Walking", "99", "8th", "strange"]])[0].tolist() == [jumping, twelve, seventh, UNKNOWN]
    assert PADDING not in words.encode([["the", "x"]])[0]


def test_a_comma_is_split_off_where_the_training_examples_have_it_so() -> None:
    apart = WordsPreprocessor.fit(TokenLists.of([["a", ","]]), lowercase=True, min_count=1, vocabulary_size=9)
    attached = WordsPreprocessor.fit(TokenLists.of([["St,", "b"]]), lowercase=True, min_count=1, vocabulary_size=9)
    assert apart.split("Oak St, 5") == ["Oak", "St", ",", "5"]
    assert attached.split("Oak St, 5") == ["Oak", "St,", "5"]


@pytest.mark.parametrize(
    ("tags", "spans"),
    [
        ("B-A I-A O B-A", [("A", 0, 1), ("A", 3, 3)]),
        ("B-A B-A", [("A", 0, 0), ("A", 1, 1)]),
        ("I-A I-B", [("A", 0, 0), ("B", 1, 1)]),
        ("O I-A I-A", [("A", 1, 2)]),
        ("S-A B-A E-A", [("A", 0, 0), ("A", 1, 2)]),
        ("B-A L-A U-B O", [("A", 0, 1), ("B", 2, 2)]),
        ("B-A E-A I-A", [("A", 0, 1), ("A", 2, 2)]),
        ("O O", []),
    ],
)
def test_spans_are_those_of_conlleval(tags: str, spans: Any) -> None:
    assert list(find_spans(tags.split())) == spans


def test_f1_of_spans_needs_both_ends_and_the_type() -> None:
    assert span_f1([["B-A", "I-A", "O"]], [["B-A", "O", "O"]]) == 0
    assert span_f1([["B-A", "I-A", "B-B"]], [["B-A", "I-A", "B-A"]]) == 0.5
    assert span_f1([["O"]], [["O"]]) == 0
    assert not are_span_tags(["O"])
    assert not are_span_tags(["NOUN", "O"])


def test_joined_values_are_in_the_order_of_the_items() -> None:
    ragged = Ragged.of([np.array([1, 2]), np.array([3]), np.array([4, 5, 6])])
    assert ragged[np.array([2, 0])].joined.tolist() == [4, 5, 6, 1, 2]
    assert ragged[np.array([], np.int64)].joined.tolist() == []


def test_rows_that_are_dropped_shift_no_label(tmp_path: Path) -> None:
    path = activities(tmp_path)
    table = pl.read_csv(path)
    last = pl.int_range(pl.len()) >= table.height - 3
    table.with_columns(when=pl.when(last).then(None).otherwise(pl.col("when"))).write_csv(path)
    network = [{"GRU": {"units": 8, "return_sequences": True}}]
    data = {"series": "id", "time": "when", "missing": "drop"}
    run = unrolled.train(experiment(path, network, data=data), runs=tmp_path / "runs", quiet=True)
    _, predictions, _ = predict_table(run, path)
    assert [one["label"] for one in predictions[-3:]] == [None] * 3
    labels = [one["label"] for one in predictions[:-3]]
    assert np.mean([one == other for one, other in zip(labels, table["label"], strict=False)]) > 0.9


def test_a_table_with_commas_is_predicted_as_it_was_trained_on(tmp_path: Path) -> None:
    path = tmp_path / "words.csv"
    rows = [(",".join(word for word, _ in one), ",".join(tag for _, tag in one)) for one in SENTENCES[:40]]
    pl.DataFrame(rows, schema=["words", "tags"], orient="row").write_csv(path)
    run = unrolled.train(experiment(path), runs=tmp_path / "runs", quiet=True)
    _, predictions, _ = predict_table(unrolled.Run.open(run.path), path)
    assert [len(one["labels"]) for one in predictions] == [len(one) for one in SENTENCES[:40]]


def test_words_in_rows_may_stand_beside_numbers_and_dates(tmp_path: Path) -> None:
    owners = [number for number, one in enumerate(SENTENCES[:30]) for _ in one]
    pairs = [*chain(*SENTENCES[:30])]
    frame = pl.DataFrame(
        {
            "sentence_id": owners,
            "date": [f"2025-01-{1 + owner:02d}" for owner in owners],
            "word": [word for word, _ in pairs],
            "head": [3 + index % 4 for index in range(len(pairs))],
            "tag": [tag for _, tag in pairs],
        }
    )
    frame.write_csv(tmp_path / "words.csv")
    for time in ({}, {"time": "date"}):
        settings = experiment(tmp_path / "words.csv", data={"series": "sentence_id", **time})
        _, task = prepare(ExperimentConfig.load(settings))
        words = [tuple(word for word, _ in one) for one in SENTENCES[:30]]
        assert sorted(map(tuple, chain(task.data.train.inputs, task.data.test.inputs))) == sorted(words)


def test_a_word_in_each_row_needs_the_name_of_its_sentence(tmp_path: Path) -> None:
    (tmp_path / "words.tsv").write_text("word\ttag\n" + "Mr\tO\nBell\tB-PER\n\nspoke\tO\n" * 5)
    with pytest.raises(UnrolledError, match="name the column of the sentences"):
        prepare(ExperimentConfig.load(experiment(tmp_path / "words.tsv")))


def test_columns_of_a_conll_file_are_divided_by_tabs_where_it_has_them(tmp_path: Path) -> None:
    path = tmp_path / "a.conll"
    path.write_text("# a comment = 1\nNew York\tB-LOC\nis\tO\n\n#\tO\n1\tO\n")
    _, task = prepare(ExperimentConfig.load(experiment(path)))
    found = [*task.data.train.inputs, *task.data.test.inputs]
    assert sorted(found) == [["#", "1"], ["New York", "is"]]
    assert sorted(read_words(path)) == sorted(found)


def test_an_unknown_label_is_found_in_its_line(run: unrolled.Run, tmp_path: Path) -> None:
    path = tmp_path / "new.conll"
    path.write_text("in _ O\nBruno _ B-LOC\n\nMr _ O\nAnna _ B-ORG\n")
    with pytest.raises(UnrolledError, match=r'new.conll:5: expected a label .* got "B-ORG"'):
        evaluate(run, path)


def test_steps_may_have_no_label(tmp_path: Path) -> None:
    words = [[word for word, _ in one] for one in SENTENCES[:40]]
    tags = [[tag if index else None for index, (_, tag) in enumerate(one)] for one in SENTENCES[:40]]
    pl.DataFrame({"tokens": words, "tags": tags}).write_parquet(tmp_path / "words.parquet")
    run = unrolled.train(experiment(tmp_path / "words.parquet"), runs=tmp_path / "runs", quiet=True)
    assert run.task.data.classes == ("B-LOC", "B-PER", "I-PER", "O")
    assert run.evaluation.examples == sum(len(one) - 1 for one in run.task.data.test.inputs)


def test_series_from_a_time_on_are_the_test(tmp_path: Path) -> None:
    rows = [
        {"id": f"p{person}", "when": f"2025-01-{1 + person:02d} 10:{minute:02d}", "x": minute % 2, "label": minute % 2}
        for person in range(12)
        for minute in range(5)
    ]
    pl.DataFrame(rows).write_csv(tmp_path / "steps.csv")
    data = {"series": "id", "time": "when", "split": {"time": "2025-01-05"}}
    network = [{"GRU": {"units": 4, "return_sequences": True}}]
    _, task = prepare(ExperimentConfig.load(experiment(tmp_path / "steps.csv", network, data=data)))
    assert (task.data.train.size, task.data.test.size) == (4, 8)
    with pytest.raises(UnrolledError, match="got none"):
        data["split"] = {"time": "2026-01-05"}
        prepare(ExperimentConfig.load(experiment(tmp_path / "steps.csv", network, data=data)))
