"""Searches that are impossible, or cannot be continued so, end in one line before anything is trained."""

import re
from pathlib import Path

import unrolled
from tests.conftest import Command
from tests.searching.planted import LEARNABLE, learnable, planted_search
from unrolled.errors import InvalidSetting, RunError, UnrolledError

import pytest


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "validation: 0.2",
            "validation: test",
            "tiny.yaml:11: training.validation: expected a fraction of the training examples to compare trials by, "
            "got test (choosing by the test set makes its accuracy meaningless). Set validation: 0.1",
        ),
        (
            "  validation: 0.2\n",
            "",
            "tiny.yaml:7: training.validation: expected a fraction of the training examples to compare trials by, "
            "got none. Set validation: 0.1",
        ),
        (
            "validation: 0.2",
            "validation: {search: [0.1, 0.2]}",
            "tiny.yaml:11: training.validation: expected the same validation examples for all trials, "
            "got another fraction for some. Set one fraction for all.",
        ),
        (
            "  - Flatten\n",
            "  - Flatten\n  - search:\n    - Dropout: {rate: 0.1}\n    - Dense: {units: 4}\n    - Dense: {unit: 8}\n",
            'tiny.yaml:8: network[2].Dense: unknown argument "unit". Did you mean "units"?',
        ),
        (
            "{units: 8, activation: relu}",
            "{units: {search: {low: 0, high: 8}}}",
            "tiny.yaml:5: network[2].Dense.units: expected a whole number of at least 1, got 0.",
        ),
        (
            "{units: 3, activation: softmax}",
            "{units: {search: [4, 5]}, activation: softmax}",
            "tiny.yaml:6: network[3].Dense: expected outputs [B, 3] for the 3 classes of tiny.npz, got [B, 4]. "
            "Set units: 3.",
        ),
        (
            "validation: 0.2",
            "validation: 0.2\n  metrics: [{SparseTopKCategoricalAccuracy: {k: 2}}]",
            "tiny.yaml:12: training.metrics: expected accuracy among the metrics to compare trials by, "
            "got SparseTopKCategoricalAccuracy. Add it, or compare by the loss: --metric val_loss",
        ),
        ("file: tiny.npz", "file: no.npz", "no.npz: no such file. Check the path."),
        (
            "{search: [1.0e-9, 1.0e-8, 0.1]}",
            "0.1",
            "tiny.yaml: there is no setting to search. Example: units: {search: [32, 64]}",
        ),
    ],
)
def test_what_cannot_be_searched_is_found_before_anything_is_trained(
    old: str, new: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert old in LEARNABLE
    with pytest.raises(UnrolledError) as caught:
        learnable(Path(), trials=1, text=LEARNABLE.replace(old, new))
    message = str(caught.value).removeprefix(f"{tmp_path}/")
    assert message.startswith(expected)
    assert "\n" not in message
    assert not Path("runs").exists()


def test_a_search_is_continued_unchanged(tmp_path: Path) -> None:
    search = planted_search(tmp_path)
    for change, option in (
        ({"overrides": ["seed=1"]}, "--set"),
        ({"name": "other"}, "--name"),
        ({"seed": 1}, "--seed"),
        ({"metric": "val_loss"}, "--metric"),
        ({"prunes": False}, "--no-pruning"),
    ):
        message = f"{option} cannot change a search that has begun. Begin a new one with it."
        with pytest.raises(InvalidSetting, match=re.escape(message)):
            unrolled.search(search.path, quiet=True, **change)


def test_a_folder_without_a_search_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"not a search folder, since it has no search\.yaml"):
        unrolled.search(tmp_path, quiet=True)
    with pytest.raises(InvalidSetting, match='expected the metric val_accuracy or val_loss, got "accuracy"'):
        unrolled.search("mnist-rows", metric="accuracy", quiet=True)


def test_training_a_file_with_a_search_ends_in_one_line(tiny: Path, unrolled_command: Command) -> None:
    tiny.write_text(LEARNABLE)
    done = unrolled_command("train", tiny.name)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "tiny.yaml:10: training.optimizer.SGD.learning_rate: expected one value, got a search. Use unrolled search, or "
        "set a value: --set training.optimizer.SGD.learning_rate=VALUE\n"
    )
