"""Time to the article's accuracy: the article's own program in Keras on TensorFlow beside recipes of unrolled.

Run ``python -m benchmarks.time_to_accuracy``. Each training has a process of its own, one at a time, in turn. The clock
runs from the start of ``fit`` to its end, compilation and validation included; for recipes it runs until the model and
its checkpoints are saved and the test set is evaluated.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.machine import describe_machine, format_machine
from benchmarks.options import PAGE
from benchmarks.sections import write_section
from unrolled.backends import leave_out_tensorflow
from unrolled.comparison.statistics import student
from unrolled.storage import write_json

RESULTS = Path(__file__).parent / "results" / "time-to-accuracy.json"
ARTICLE = "Keras on TensorFlow, the article's program"


def main() -> None:
    """Time all programs, or run one of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5, help="seeds of each recipe")
    parser.add_argument("--rounds", type=int, default=2, help="trainings of the article's program")
    parser.add_argument("--recipes", nargs="+", default=["mnist-fast", "mnist-fast-99"])
    parser.add_argument("--train", nargs=2, metavar=("PROGRAM", "SEED"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.train:
        program, seed = options.train[0], int(options.train[1])
        print(json.dumps(_article(seed) if program == "article" else _recipe(program, seed)))
        return
    turns = _turns(options.recipes, options.seeds, options.rounds)
    records = []
    for program, seed in turns:
        records.append(_in_a_process(program, seed))
        print(
            f"{program} seed {seed}: {records[-1]['seconds']:.1f} s, accuracy {records[-1]['accuracy']:.4f}", flush=True
        )
    write_json(RESULTS, {"machine": describe_machine(sorted(os.sched_getaffinity(0))), "trainings": records})
    render(json.loads(RESULTS.read_text(encoding="utf-8")))


def _turns(recipes: list[str], seeds: int, rounds: int) -> list[tuple[str, int]]:
    """Return the order of trainings: the article's program between equal parts of the recipes' trainings."""
    turns = []
    for round_ in range(rounds):
        turns.append(("article", round_))
        for seed in range(seeds * round_ // rounds, seeds * (round_ + 1) // rounds):
            turns += [(recipe, seed) for recipe in recipes]
    return turns


def _in_a_process(program: str, seed: int) -> dict[str, Any]:
    backend = "tensorflow" if program == "article" else "jax"
    command = [sys.executable, "-m", "benchmarks.time_to_accuracy", "--train", program, str(seed)]
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if finished.returncode:
        sys.exit(finished.stderr)
    return {"program": program, "seed": seed, **json.loads(finished.stdout.splitlines()[-1])}


def _article(seed: int) -> dict[str, Any]:
    import unrolled

    import keras

    data = unrolled.load("mnist")
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.Input((28, 28)),
            keras.layers.LSTM(128, activation="relu", return_sequences=True),
            keras.layers.Dropout(0.2),
            keras.layers.LSTM(128, activation="relu"),
            keras.layers.Dropout(0.1),
            keras.layers.Dense(32, activation="relu"),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    (x_train, y_train), (x_test, y_test) = data.train, data.test
    began = time.perf_counter()
    history = model.fit(x_train / 255.0, y_train, epochs=3, validation_data=(x_test / 255.0, y_test), verbose=0)
    return {"seconds": time.perf_counter() - began, "accuracy": history.history["val_accuracy"][-1]}


def _recipe(recipe: str, seed: int) -> dict[str, Any]:
    leave_out_tensorflow()  # as the command does
    from unrolled.config.experiment import ExperimentConfig
    from unrolled.training.processes import StopRequest
    from unrolled.training.progress import Progress
    from unrolled.training.trainer import train_experiment

    class Clock(Progress):
        """A clock that starts when everything is ready for ``fit``."""

        def begin(self, *arguments: Any, **more: Any) -> None:
            self.began = time.perf_counter()

    with tempfile.TemporaryDirectory() as folder:
        clock = Clock()
        run = train_experiment(ExperimentConfig.load(recipe, seed=seed), Path(folder), clock, StopRequest())
        return {"seconds": time.perf_counter() - clock.began, "accuracy": run.evaluation.accuracy}


def render(results: dict[str, Any]) -> None:
    """Write the table between its markers on the performance page."""
    trainings = results["trainings"]
    programs = list(dict.fromkeys(training["program"] for training in trainings))
    article = statistics.median(t["seconds"] for t in trainings if t["program"] == "article")
    machine = results["machine"]
    lines = [
        f"{format_machine(machine)}. Accuracies are those on the test set, evaluated once per training.",
        "",
        "| program | trainings | s, median | s, range | article's / its time | test accuracy, 95 % interval |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for program in programs:
        seconds = [t["seconds"] for t in trainings if t["program"] == program]
        accuracies = [t["accuracy"] for t in trainings if t["program"] == program]
        median = statistics.median(seconds)
        name = ARTICLE if program == "article" else f"`{program}`"
        lines.append(
            f"| {name} | {len(seconds)} | {median:.1f} | {min(seconds):.1f} to {max(seconds):.1f} | "
            f"{article / median:.1f} | {_format_accuracies(accuracies)} |"
        )
    write_section(PAGE, "time-to-accuracy", "\n".join(lines))


def _format_accuracies(accuracies: list[float]) -> str:
    mean = statistics.mean(accuracies)
    if len(accuracies) < 3:
        return f"{mean:.4f}"
    interval = student(accuracies)
    return f"{mean:.4f} ({interval.low:.4f} to {interval.high:.4f})"


if __name__ == "__main__":
    main()
