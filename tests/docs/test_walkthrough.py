"""The walkthrough runs as it is printed, its numbers are right, and its page is self-contained."""

import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from unrolled.cli import cli
from unrolled.config.experiment import ExperimentConfig

import pytest

pytest.importorskip("jupytext", reason="the docs extra is not installed")
pytest.importorskip("nbconvert", reason="the docs extra is not installed")

ROOT = Path(__file__).parents[2]
WALKTHROUGH = ROOT / "docs" / "walkthrough.md"

# Runs the code cells in one namespace, with less data, and evaluates the last expression of each as a notebook does.
READER = """
import ast, json, sys
from pathlib import Path
import jupytext
import unrolled

whole = unrolled.load
unrolled.load = lambda name: whole(name) if name == "movie-reviews" else whole(name).head(2000)

names, pictures = {}, 0
for cell in jupytext.read(sys.argv[1]).cells:
    if cell.cell_type != "code":
        continue
    tree = ast.parse(cell.source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, cell.source, "exec"), names)
    shown = eval(compile(ast.Expression(last.value), cell.source, "eval"), names) if last else None
    pictures += hasattr(shown, "_repr_png_") and shown._repr_png_() is not None

model = names["model"]
Path(sys.argv[2]).write_text(json.dumps({
    "backend": names["keras"].backend.backend(),
    "examples": [len(names["x_train"]), len(names["x_test"])],
    "input_range": [float(names["x_train"].min()), float(names["x_train"].max())],
    "accuracy": names["accuracy"],
    "mistakes": len(names["wrong"]),
    "losses": names["history"].history["loss"],
    "layers": [type(layer).__module__ + "." + type(layer).__name__ for layer in model.layers],
    "counted_by_hand": [names[part] for part in ("first", "second", "third", "fourth")],
    "counted_by_keras": [layer.count_params() for layer in model.layers if layer.count_params()],
    "sums_by_row": names["by_row"].sum(axis=1).tolist(),
    "after_the_last_row": names["by_row"][-1].tolist(),
    "prediction": names["probabilities"][0].tolist(),
    "pictures": pictures,
    "alone_and_padded": names["both"],
    "test_accuracy": float(names["test_accuracy"]),
}))
"""


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The results of the walkthrough's cells, and their output."""
    folder = tmp_path_factory.mktemp("walkthrough")
    ended = subprocess.run(
        [sys.executable, "-c", READER, WALKTHROUGH, folder / "left.json"],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "KERAS_BACKEND": "jax"},
        timeout=600,
    )
    assert ended.returncode == 0, ended.stderr
    assert [path.name for path in folder.iterdir()] == ["left.json"], "the walkthrough wrote files"
    return {"printed": ended.stdout, **json.loads((folder / "left.json").read_text())}


@pytest.fixture(scope="module")
def build() -> Any:
    """docs/build.py, imported as a module."""
    specification = importlib.util.spec_from_file_location("docs_build", ROOT / "docs" / "build.py")
    assert specification and specification.loader
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.mark.xdist_group("walkthrough")
def test_the_network_learns(walked: dict[str, Any]) -> None:
    assert walked["backend"] == "jax"
    assert walked["examples"] == [2000, 2000]
    assert walked["input_range"] == [0, 1]
    assert len(walked["losses"]) == 3
    assert walked["losses"][-1] < walked["losses"][0]
    assert 0.3 < walked["accuracy"] < 1
    assert walked["mistakes"] == round((1 - walked["accuracy"]) * 2000)


@pytest.mark.xdist_group("walkthrough")
def test_the_parameters_are_counted_by_hand(walked: dict[str, Any]) -> None:
    assert walked["counted_by_hand"] == [80_384, 131_584, 4_128, 330]
    assert walked["counted_by_keras"] == walked["counted_by_hand"]
    assert "216,426" in walked["printed"]
    assert [name for name in walked["layers"] if name.startswith("unrolled.")] == ["unrolled.layers.recurrent.LSTM"] * 2


@pytest.mark.xdist_group("walkthrough")
def test_it_shows_pictures_and_the_predictions_after_each_row(walked: dict[str, Any]) -> None:
    assert walked["pictures"] == 8
    assert walked["sums_by_row"] == pytest.approx([1] * 28, abs=1e-5)
    assert walked["after_the_last_row"] == pytest.approx(walked["prediction"], abs=1e-4)


@pytest.mark.xdist_group("walkthrough")
def test_sentences_are_classified_and_their_padding_is_skipped(walked: dict[str, Any]) -> None:
    alone, padded = walked["alone_and_padded"]
    assert alone == pytest.approx(padded, abs=1e-6)
    assert walked["test_accuracy"] > 0.65


@pytest.mark.xdist_group("walkthrough")
def test_the_text_states_no_large_figure_that_the_cells_do_not_print(walked: dict[str, Any]) -> None:
    stated = re.findall(r"\b\d[\d,]{2,}\b|\b0\.\d{3,}\b", re.sub(r"```.*?```", "", WALKTHROUGH.read_text(), flags=re.S))
    assert [figure for figure in stated if figure not in ("128", "255") and figure not in walked["printed"]] == []


def test_the_experiment_file_is_the_recipe(tmp_path: Path) -> None:
    block, _ = re.findall(r"```yaml\n(.*?)```", WALKTHROUGH.read_text(), flags=re.S)
    path = tmp_path / "digits.yaml"
    path.write_text(block)
    assert ExperimentConfig.load(path) == ExperimentConfig.load("mnist-rows", name="digits")


def test_the_commands_exist_with_their_options() -> None:
    (block,) = re.findall(r"```console\n(.*?)```", WALKTHROUGH.read_text(), flags=re.S)
    lines = [shlex.split(line.removeprefix("$ ")) for line in block.splitlines()]
    assert [line[:2] for line in lines] == [["unrolled", "train"], ["unrolled", "predict"], ["unrolled", "train"]]
    for _, command, *arguments in lines:
        cli.commands[command].make_context(command, arguments)


class Loads(HTMLParser):
    """Parser that collects the tags of a page and its addresses."""

    def __init__(self, page: str):
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attributes if name in ("src", "href", "srcset", "data")]


def assert_self_contained(page: str) -> None:
    loads = Loads(page)
    assert {"script", "link", "iframe", "object", "base"}.isdisjoint(loads.tags)
    assert [address[:60] for address in loads.addresses if not address.startswith("data:image/png;base64,")] == []
    text = re.sub(r'"data:[^"]*"', "", page)
    assert not re.search(r"https?:|//\w|@import|url\(|\bon\w+=", text)


TINY = """\
# A tiny page

Some *text*.

```python
from IPython.display import HTML
from PIL import Image
print("printed", 6 * 7)
Image.new("RGB", (4, 4), "red")
```

```python
HTML("<table><tr><td>a cell</td></tr></table>")
```

```text
h = o * c
```
"""


def test_the_page_needs_nothing_from_elsewhere(build: Any, tmp_path: Path) -> None:
    source = tmp_path / "tiny.md"
    source.write_text(TINY)
    notebook = build.read_notebook(source)
    build.execute(notebook)
    page = build.render(notebook)

    assert_self_contained(page)
    assert "<title>A tiny page</title>" in page
    assert "printed 42" in page
    assert "<td>a cell</td>" in page
    assert Loads(page).tags.count("img") == 1
    assert '<span class="kn">' in page
    assert "color-scheme: light" in page


def test_the_walkthrough_itself_names_no_address(build: Any) -> None:
    page = build.render(build.read_notebook(WALKTHROUGH))
    assert_self_contained(page)
    assert Loads(page).tags.count("h2") == 8


def test_the_kernel_is_this_interpreter_and_leaves_nothing_behind(
    build: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = tmp_path / "which.md"
    source.write_text("```python\nimport sys\nprint(sys.executable)\n```\n")
    notebook = build.read_notebook(source)
    build.execute(notebook)
    assert notebook.cells[0].outputs[0].text.strip() == sys.executable
    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("import os\nos._exit(3)", "the process ended"),
    ],
)
def test_a_failing_cell_ends_the_build_with_one_line(
    build: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, problem: str
) -> None:
    source, page = tmp_path / "faulty.md", tmp_path / "build" / "faulty.html"
    source.write_text(f"```python\nfine = 1\n```\n\n```python\n{code}\n```\n")
    monkeypatch.setattr(build, "NOTEBOOK", source)
    monkeypatch.setattr(build, "PAGE", page)
    with pytest.raises(SystemExit) as ended:
        build.main()
    message = str(ended.value.code)
    assert message == f"faulty.md: the cell {code.splitlines()[0]!r} failed: {problem}. Correct it and build again."
    assert "\n" not in message
    assert not page.exists()
