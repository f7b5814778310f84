"""Every promise in docs/security.md has tests, named here."""

import ast
import re
from pathlib import Path

from tests.conftest import ROOT
from unrolled.config import plain_yaml
from unrolled.model.components import RUN_FOREIGN_CODE

import pytest

PAGE = (ROOT / "docs" / "security.md").read_text()
PROMISED = PAGE[PAGE.index("## Promised") : PAGE.index("## Not promised")]

TESTS = {
    "Nothing outside of the folder is touched.": [
        "runs/test_strangers.py::test_nothing_that_leads_out_of_a_run_is_followed",
        "runs/test_strangers.py::test_no_run_of_a_search_or_a_group_is_a_link",
    ],
    "Texts have an end.": ["runs/test_strangers.py::test_a_text_that_fills_the_memory_is_refused"],
    "Files of your own stay.": [
        "training/test_own_files.py::test_a_file_among_the_checkpoints_is_no_checkpoint",
        "test_storage.py::test_a_file_that_exists_is_not_written_over",
    ],
    "No program of a repository is run.": ["runs/test_strangers.py::test_no_program_of_a_repository_runs"],
    "A small file stays small.": [
        "config/test_hostile_files.py::test_a_few_bytes_stand_for_no_more_values_than_fit",
        "config/test_hostile_files.py::test_nothing_is_nested_without_end",
        "config/test_hostile_files.py::test_a_file_that_is_too_long_is_not_read",
        "config/test_hostile_files.py::test_a_value_that_is_none_is_refused_with_its_line",
    ],
    "No code is named.": [
        "model/test_named_classes.py::test_layers_that_run_other_code_are_refused_wherever_they_stand",
        "model/test_named_classes.py::test_what_keras_would_make_of_a_mapping_is_not_made",
        "model/test_named_classes.py::test_a_word_is_a_name_of_keras_not_of_a_module",
    ],
    "Only the data is read.": ["model/test_named_classes.py::test_a_layer_reads_no_file"],
    "What does not fit in memory is refused.": [
        "model/test_memory.py::test_parameters_that_do_not_fit_are_refused_by_the_layer_that_has_most",
        "model/test_memory.py::test_outputs_that_do_not_fit_are_refused",
    ],
    "No code in a network is run.": [
        "model/test_saved.py::test_a_layer_that_runs_code_is_refused_and_named",
        "model/test_saved.py::test_a_lambda_that_keras_wrote_is_refused",
        "model/test_saved.py::test_other_classes_are_refused",
    ],
    "Weights come from the file alone.": ["model/test_saved.py::test_weights_are_not_taken_from_other_files"],
    "A network is no larger than its file.": [
        "model/test_saved.py::test_a_compressed_file_is_not_unpacked",
        "model/test_saved.py::test_compressed_and_unwritten_weights_are_refused",
        "model/test_saved.py::test_layers_larger_than_the_weights_are_not_built",
    ],
    "Arrays are never unpickled.": ["data/test_arrays.py::test_pickled_arrays_are_never_unpickled"],
    "Small files stay small.": ["data/test_limits.py::test_an_archive_of_zeros_is_refused_by_its_directory"],
    "Names are text.": [
        "comparison/test_comparison.py::test_the_page_escapes_names",
        "test_terminal.py::test_control_characters_are_shown_and_forge_no_line",
        "runs/test_spreadsheets.py::test_predictions_have_no_formula_in_any_cell",
    ],
}


def names_in(path: Path) -> set[str]:
    return {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)}


def test_every_promise_has_a_test() -> None:
    promises = re.findall(r"^- \*\*(.+?)\*\*", PROMISED, flags=re.MULTILINE)
    assert promises == list(TESTS)
    assert all(TESTS.values())


@pytest.mark.parametrize("test", sorted({test for tests in TESTS.values() for test in tests}))
def test_the_tests_exist(test: str) -> None:
    file, _, name = test.partition("::")
    assert name in names_in(ROOT / "tests" / file)


def test_the_layers_and_the_bounds_are_those_of_the_code() -> None:
    text = re.sub(r"\s+", " ", PROMISED)
    assert set(re.findall(r"`(\w+(?:Layer|Wrapper)|Lambda)`", text)) == set(RUN_FOREIGN_CODE)
    assert f"{plain_yaml.MOST_CHARACTERS:,} characters" in text
    assert f"at most {plain_yaml.DEEPEST} levels deep" in text


def test_the_readme_leads_to_the_page() -> None:
    assert "](docs/security.md)" in (ROOT / "README.md").read_text()
