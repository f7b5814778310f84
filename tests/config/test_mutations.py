"""A thousand spoilt recipes: each ends in one line, or in a network that takes one step."""

import random
from pathlib import Path
from typing import Any

import unrolled
from unrolled.config.document import Document, parse_yaml, write_yaml
from unrolled.config.experiment import ExperimentConfig, recipes
from unrolled.errors import UnrolledError
from unrolled.model.build import build_model, check_config, check_memory, resolve
from unrolled.tasks.registry import load_task

import numpy as np
import pytest

MUTATIONS = 1000
# So few of the valid ones are trained because each is compiled.
STEPS_TAKEN = 12
VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 3, 0.5, -0.5, 1e30, float("nan"), float("inf"), "", "x", "tanh", "none", "test",
    [], [1, 2], {}, {"units": 3}, {"LSTM": {"units": 2}}, {"Adam": {}}, {"": None}, "LSTM", "Dense", "0", [[]],
]  # fmt: skip


def paths(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all settings in a tree."""
    parts = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [found for key, part in parts for found in ((*path, key), *paths(part, (*path, key)))]


def mutate(tree: Any, path: tuple[Any, ...], how: str, draw: random.Random) -> Any:
    """The tree with the setting at a path dropped, renamed, given another value, or wrapped."""
    key, rest = path[0], path[1:]
    copy = list(tree) if isinstance(tree, list) else dict(tree)
    if rest:
        copy[key] = mutate(tree[key], rest, how, draw)
    elif how == "drop":
        del copy[key]
    elif how == "rename" and isinstance(copy, dict):
        letters = list(key)
        letters.insert(draw.randrange(len(letters) + 1), draw.choice("aeX_ .1"))
        return {("".join(letters) if name == key else name): value for name, value in tree.items()}
    elif how == "wrap":
        copy[key] = draw.choice([[copy[key]], {"x": copy[key]}, {key if isinstance(key, str) else "y": copy[key]}])
    elif how == "double" and isinstance(copy, list):
        copy.insert(key, copy[key])
    else:
        copy[key] = draw.choice(VALUES)
    return copy


def spoilt(number: int, data: Path) -> Any:
    draw = random.Random(number)
    recipe = draw.choice(sorted(recipes().values()))
    tree = parse_yaml(recipe.read_text(encoding="utf-8"), recipe.stem)
    tree = {**tree, "data": {"file": str(data)}}
    for _ in range(draw.choice([1, 1, 1, 2, 3])):
        if found := paths(tree):
            tree = mutate(tree, draw.choice(found), draw.choice(["drop", "rename", "value", "wrap", "double"]), draw)
    return tree


def small(tree: Any) -> Any:
    """The same with few units, so that it is quick to build."""
    if isinstance(tree, dict):
        return {key: 4 if key == "units" and value in (64, 96, 128) else small(value) for key, value in tree.items()}
    return [small(part) for part in tree] if isinstance(tree, list) else tree


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("mutations") / "few.npz"
    few = unrolled.load("mnist").head(60)
    np.savez(path, x_train=few.train.inputs, y_train=few.train.targets, x_test=few.test.inputs, y_test=few.test.targets)
    return path


@pytest.mark.parametrize("tenth", range(10))
def test_a_spoilt_recipe_ends_in_one_line_or_in_a_step(tenth: int, data: Path) -> None:
    trained, refused = 0, 0
    for number in range(tenth * MUTATIONS // 10, (tenth + 1) * MUTATIONS // 10):
        tree = small(spoilt(number, data))
        try:
            config = ExperimentConfig.parse(Document(tree, "spoilt.yaml"))
            again = ExperimentConfig.parse(Document(parse_yaml(write_yaml(tree), "again"), "again"))
            assert again.to_yaml() == config.to_yaml()
            check_config(config)
            task = load_task(config)
            config = resolve(config, task)
            check_memory(config, task)
            model = build_model(config, task)
            if trained < STEPS_TAKEN // 10 + 1:
                model.train_on_batch(*task.batches(epochs=1)[0])
                trained += 1
        except UnrolledError as error:
            refused += 1
            assert "\n" not in str(error), tree
            assert len(str(error)) < 1000, tree
        except Exception as error:
            raise AssertionError(f"mutation {number}: {tree}") from error
    assert trained
    assert refused > 30
