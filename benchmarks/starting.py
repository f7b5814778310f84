"""Train the experiments that ``unrolled init --data`` chooses for files, and write their metrics into docs/data.md.

``python -m benchmarks.starting FOLDER --seeds 3`` trains for each file of the cases below that is in the folder; with
``--case surnames`` for that one. Results are added to docs/starting.json, or replaced; without a folder the page alone
is written again. Each training is evaluated once on the test set, beside the baselines on the same examples.
"""

import argparse
import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import unrolled
from benchmarks.sections import write_section
from unrolled.backends import leave_out_tensorflow
from unrolled.comparison.statistics import student
from unrolled.errors import UnrolledError
from unrolled.storage import write_json
from unrolled.tasks.starting import write_start

DOCS = Path(__file__).parents[1] / "docs"
RESULTS = DOCS / "starting.json"
PAGE = DOCS / "data.md"


@dataclass(frozen=True)
class Case:
    """A file to choose an experiment for.

    Attributes:
        file: Its path in the folder.
        words: What it is.
        target: The column that is to be predicted, where it has to be named.
        test: The path of a file of test examples.
    """

    file: str
    words: str
    target: str | None = None
    test: str | None = None


CASES = {
    "movie-reviews": Case("movie-reviews.tsv", "film reviews: positive or negative"),
    "debian-sections": Case("more/debian_tags/debian_tags.tsv", "descriptions of packages: section", "section"),
    "surnames": Case("more/surnames/surnames.tsv", "surnames: language", "language"),
    "splice-dna": Case("more/splice_dna/splice_dna.tsv", "60 letters of DNA: splice junction"),
    "amazon-sentiment": Case("more/amazon_sentiment/amazon_sentiment.tsv", "sentences of reviews: rating", "rating"),
    "debian-tags": Case("more/debian_tags/debian_tags.tsv", "descriptions of packages: tags", "tags"),
    "us-addresses": Case("more/us_addresses/us_addresses.tsv", "words of addresses: tags", "tag"),
    "japanese-vowels": Case(
        "japanese-vowels/JapaneseVowels_TRAIN.ts", "sounds: speaker", test="japanese-vowels/JapaneseVowels_TEST.ts"
    ),
    "spoken-digits": Case("more/spoken_digits/spoken_digits.npz", "sounds: digit"),
    "shoulder-exercises": Case("more/shoulder_exercises/shoulder_exercises.npz", "smartwatch: exercise"),
    "air-passengers": Case("air-passengers.csv", "passengers by month", "passengers"),
    "birmingham-parking": Case("more/birmingham_parking/birmingham_parking.csv", "30 car parks by half hour"),
    "beijing-pm25": Case("more/beijing_pm25/beijing_pm25.csv", "air quality by hour, with weather", "pm2.5"),
    "city-weather": Case("more/city_weather/city_weather.csv", "two cities by day", "temp_max"),
    "glucose": Case("more/glucose/glucose.csv", "blood sugar about every 5 minutes", "glucose"),
    "ecg-anomalies": Case(
        "more/ecg_anomalies/train_na.csv", "heart beats: anomalies", test="more/ecg_anomalies/test.csv"
    ),
}


def main() -> None:
    """Train the cases of a folder, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--case", action="append", choices=list(CASES))
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    leave_out_tensorflow()
    if options.folder is not None:
        for name in options.case or CASES:
            try:
                _train(name, CASES[name], options.folder, options.seeds)
            except UnrolledError as error:
                print(f"{name}: {error}", flush=True)
    write_section(PAGE, "starting", _table(_results()))


def _train(name: str, case: Case, folder: Path, seeds: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        file = folder / case.file
        if name in _WRITTEN:
            file = Path(scratch) / case.file
            _WRITTEN[name](file)
        if not file.exists():
            print(f"{name}: no {file}", flush=True)
            return
        experiment = Path(scratch) / f"{name}.yaml"
        write_start(file, experiment, folder / case.test if case.test else None, case.target)
        found = []
        for seed in range(seeds):
            run = unrolled.train(experiment, seed=seed, runs=Path(scratch) / "runs", quiet=True)
            evaluation = run.evaluation
            assert evaluation is not None
            best = evaluation.best_baseline
            found.append(
                {
                    "seed": seed,
                    "task": run.task.name,
                    "metric": evaluation.headline,
                    "is_higher_better": evaluation.is_higher_better,
                    "value": evaluation.metrics[evaluation.headline],
                    "metrics": dict(evaluation.metrics),
                    "baseline": best,
                    "baseline_value": evaluation.baselines[best][evaluation.headline] if best else None,
                    "seconds": sum(record["seconds"] for record in run.metrics),
                }
            )
            print(f"{name} seed {seed}: {evaluation.summary}; {evaluation.verdict}", flush=True)
            shutil.rmtree(run.path)
        write_json(RESULTS, {**_results(), name: found})


def _write_reviews(path: Path) -> None:
    """Write the reviews as a table with the class and the part of each."""
    data = unrolled.load("movie-reviews")
    assert data.validation is not None
    parts = {"train": data.train, "validation": data.validation, "test": data.test}
    rows = [
        (part, data.classes[target], str(text).replace("\t", " "))
        for part, split in parts.items()
        for text, target in zip(split.inputs, split.targets.tolist(), strict=True)
    ]
    path.write_text("\n".join(["split\tlabel\ttext", *map("\t".join, rows)]) + "\n", encoding="utf-8")


def _write_passengers(path: Path) -> None:
    """Write the passengers as a table with the months."""
    data = unrolled.load("air-passengers", test_steps=1)
    values = [*data.train.inputs[0][:, 0].tolist(), *data.test.inputs[0][:, 0].tolist()]
    rows = [f"{1949 + month // 12}-{month % 12 + 1:02d},{value:g}" for month, value in enumerate(values)]
    path.write_text("month,passengers\n" + "\n".join(rows) + "\n", encoding="utf-8")


_WRITTEN = {"movie-reviews": _write_reviews, "air-passengers": _write_passengers}


def _results() -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    return found


def _table(results: dict[str, list[dict[str, Any]]]) -> str:
    lines = [
        "| data | task | metric | network | best baseline | minutes |",
        "|---|---|---|---|---|---|",
    ]
    for name in (name for name in CASES if name in results):
        trainings = results[name]
        values = [one["value"] for one in trainings]
        first = trainings[0]
        minutes = sum(one["seconds"] for one in trainings) / len(trainings) / 60
        lines.append(
            f"| {CASES[name].words} (`{name}`) | {first['task']} | {first['metric']} | "
            f"{student(values)} | {first['baseline_value']:.3f} ({first['baseline']}) | {minutes:.1f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
