"""The files that come with the package are found by name: by load, by an experiment anywhere, and by init and show."""

import hashlib
import json
from pathlib import Path

import unrolled
from tests.conftest import Command
from unrolled.config.experiment import ExperimentConfig
from unrolled.data.registry import DATASETS
from unrolled.data.samples import SAMPLES, with_path
from unrolled.errors import UnrolledError

import pytest

# Of the files as they were published, or as NOTICE says that they were packed.
PUBLISHED = {
    "surnames": "038de6af0a73d15906f6dd0370af742e",
    "us-addresses": "6011facb24b1ff92916ad2352fc3f2ff",
    "amazon-sentiment": "c2af4c90222a5667e3c8105f8df5e9a1",
    "debian-tags": "a53bfbb0ab0932a751cb40aec300586e",
    "shoulder-exercises": "2935f0926a1abeb3e950efe487371aa5",
    "spoken-digits": "54f26d2e5da25c1c2ea6ace0a7f9b734",
    "birmingham-parking": "eedb5c55716f3ebff30377d8ef8059b9",
    "beijing-pm25": "691fb2af0ae460ac94a3d232f9954438",
    "ecg": "d6039af8ab2aff8f22566d6f7d061cb5",
    "ecg-test": "6fa903fb87085193ce386f1a9d7d1b30",
    "glucose": "c498b2d179da0bb24597974bb1a400dd",
}
MOST_BYTES = 15_000_000


def test_the_samples_are_the_published_files() -> None:
    assert {name: hashlib.md5(sample.path.read_bytes()).hexdigest() for name, sample in SAMPLES.items()} == PUBLISHED
    folder = SAMPLES["surnames"].path.parent
    assert {path.name for path in folder.iterdir()} == {sample.file for sample in SAMPLES.values()}
    assert sum(path.stat().st_size for path in folder.iterdir()) < MOST_BYTES


def test_each_sample_has_a_name_and_terms_of_its_own() -> None:
    assert not set(SAMPLES) & set(DATASETS)
    notice = Path(__file__).parents[2].joinpath("NOTICE").read_text(encoding="utf-8")
    assert [sample.file for sample in SAMPLES.values() if sample.file not in notice] == []


def test_samples_are_loaded_by_name() -> None:
    digits = unrolled.load("spoken-digits")
    assert (digits.train.size, digits.test.size, digits.example_shape) == (2403, 276, (None, 13))
    assert "Free Spoken Digit Dataset" in digits.source
    names = unrolled.load("surnames", target="language")
    assert (names.train.size, len(names.classes)) == (12620, 22)
    with pytest.raises(UnrolledError, match='Did you mean "surnames"'):
        unrolled.load("surname")


def test_a_file_of_the_user_is_not_taken_for_a_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("surnames.csv").write_text("text,label\na b,x\nc d,y\n", encoding="utf-8")
    assert with_path("surnames.csv") == "surnames.csv"
    assert with_path(Path("surnames")) == Path("surnames")


def test_an_experiment_names_a_sample_wherever_it_lies(tmp_path: Path) -> None:
    path = tmp_path / "names.yaml"
    path.write_text("data: {file: surnames, target: language}\nnetwork: [{GRU: {units: 4}}]\n", encoding="utf-8")
    config = ExperimentConfig.load(path)
    assert not isinstance(config.data, str)
    assert (config.data.file, config.data_name) == ("surnames", "surnames")


def test_init_and_show_know_samples(unrolled_command: Command, tmp_path: Path) -> None:
    done = unrolled_command("init", "--data", "ecg", "--test", "ecg-test")
    assert done.returncode == 0, done.stderr
    assert "  train: ecg\n  test: ecg-test\n" in (tmp_path / "ecg.yaml").read_text(encoding="utf-8")
    shown = unrolled_command("show", "surnames", "--target", "language", "--json")
    assert shown.returncode == 0, shown.stderr
    assert json.loads(shown.stdout)["name"] == "surnames.tsv"
