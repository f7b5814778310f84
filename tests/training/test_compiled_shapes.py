"""Examples of many lengths are trained and predicted in few shapes, so that JAX compiles few programs."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import unrolled

import jax
import numpy as np
import polars as pl
import pytest

LONGEST = {"text": 300, "series": 900}
NETWORKS: dict[str, list[Any]] = {
    "text": [{"Embedding": {"output_dim": 4}}, {"GRU": {"units": 4}}],
    "series": [{"GRU": {"units": 4}}],
}


@pytest.fixture
def compiled() -> Iterator[Counter[str]]:
    """The number of programs that JAX has compiled, by the name of their function."""
    counts: Counter[str] = Counter()

    def count(event: str, duration_secs: float, **values: str | int) -> None:
        if event.endswith("backend_compile_duration"):
            counts[str(values.get("fun_name"))] += 1

    jax.monitoring.register_event_duration_secs_listener(count)
    yield counts
    jax.monitoring.unregister_event_duration_listener(count)


def examples(kind: str, random: np.random.Generator, most: int, count: int) -> list[Any]:
    lengths = random.integers(1, most, count)
    if kind == "text":
        return [" ".join(random.choice(["good", "bad", "film"], length)) for length in lengths]
    return [random.normal(size=(length, 1)).astype(np.float32) for length in lengths]


@pytest.mark.parametrize("kind", ["text", "series"])
def test_at_most_eight_programs_are_compiled_to_train_and_none_after_a_warm_up(
    kind: str, compiled: Counter[str], tmp_path: Path
) -> None:
    random = np.random.default_rng(0)
    rows = examples(kind, random, LONGEST[kind], 300)
    cells = rows if kind == "text" else [row[:, 0].tolist() for row in rows]
    pl.DataFrame({"x": cells, "label": ["a", "b"] * 150}).write_parquet(tmp_path / "rows.parquet")
    experiment = {
        "data": {"file": str(tmp_path / "rows.parquet"), "input": "x"},
        "network": NETWORKS[kind],
        "training": {"epochs": 2, "batch_size": 7, "validation": 0.2},
    }
    run = unrolled.train(experiment, runs=tmp_path / "runs", quiet=True)
    assert 4 <= compiled["jit(train_step)"] <= 8
    assert 1 <= compiled["jit(test_step)"] <= 8
    run.warm_up(batch_size=32)
    before = compiled["jit(predict_step)"]
    for count in (1, 2, 5, 31, 32, 75):
        for most in (2, 9, 70, LONGEST[kind]):
            run.predict(examples(kind, random, most, count), batch_size=32)
    assert compiled["jit(predict_step)"] == before
