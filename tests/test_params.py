"""params.yaml: the repository's own is valid; every mistake is one sentence with key, value and what is accepted."""

from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from lib.errors import ParamsError
from lib.params import load_params

OWN = Path(__file__).parents[1] / "params.yaml"


@pytest.fixture
def params_file(tmp_path):
    def write(text):
        path = tmp_path / "params.yaml"
        path.write_text(text)
        return path

    return write


def changed(key, value):
    values = yaml.safe_load(OWN.read_text())
    section = values
    *path, last = key.split(".")
    for part in path:
        section = section[part]
    section[last] = value
    return yaml.safe_dump(values)


def test_the_repositorys_own_params_are_valid():
    params = load_params(OWN)
    assert params.train.epochs >= 1 and params.preprocess.max_points is None


def test_params_are_frozen():
    params = load_params(OWN)
    with pytest.raises(ValidationError, match="frozen"):
        params.train.epochs = 3


@pytest.mark.parametrize("text", ["1e-05", "1E-5", "0.00001", "1.e-5"])
def test_numbers_as_dvc_writes_them(params_file, text):
    """`dvc exp run -S train.learning_rate=1e-5` writes 1e-05, which YAML 1.1 reads as a string."""
    own = OWN.read_text()
    line = next(line for line in own.splitlines() if "learning_rate:" in line)
    path = params_file(own.replace(line, f"  learning_rate: {text}"))
    assert load_params(path).train.learning_rate == pytest.approx(1e-5)


@pytest.mark.parametrize("value", ["12e", "e12", "1e", "v1e-05"])
def test_words_that_look_like_numbers_stay_words(params_file, value):
    with pytest.raises(ParamsError, match=r"train\.learning_rate: got '"):
        load_params(params_file(changed("train.learning_rate", value)))


@pytest.mark.parametrize(
    ("key", "value", "parts"),
    [
        ("train.epochs", "abc", ["train.epochs", "'abc'", "valid integer"]),
        ("train.epochs", 2.5, ["train.epochs", "2.5", "integer"]),
        ("train.epochs", True, ["train.epochs", "True", "integer"]),
        ("train.epochs", 0, ["train.epochs", "got 0", "greater than or equal to 1"]),
        ("train.epochs", None, ["train.epochs", "None", "integer"]),
        ("train.epoch", 3, ["train.epoch", "unknown key", "epochs", "batch_size"]),
        ("trian", {}, ["trian", "unknown key", "accepted here", "train"]),
        ("train.learning_rate", -1e-3, ["train.learning_rate", "-0.001", "greater than 0"]),
        ("train.learning_rate", float("inf"), ["train.learning_rate", "finite"]),
        ("model.fusion", "sum", ["model.fusion", "'sum'", "'image', 'lidar', 'concat' or 'cross_attention'"]),
        ("preprocess.image_height", -128, ["preprocess.image_height", "-128", "greater than or equal to 16"]),
        ("preprocess.max_points", 0, ["preprocess.max_points", "got 0"]),
        ("data.root", "", ["data.root", "at least 1 character"]),
        ("data.root", 7, ["data.root", "valid string"]),
        ("split.test_fraction", 1.2, ["split.test_fraction", "1.2", "less than or equal to 1"]),
        ("simulate.seed", -1, ["simulate.seed", "-1", "greater than or equal to 0"]),
        ("simulate.anomaly_distance_m", [20.0, 4.0], ["anomaly_distance_m is [20.0, 4.0]", "must not exceed"]),
        ("simulate.anomaly_sizes_m.Giant", [1.0, 2.0], ["simulate.anomaly_sizes_m.Giant", "'Tiny'"]),
        ("execution.device", "gpu", ["execution.device", "'gpu'", "'auto', 'cpu' or 'cuda'"]),
        ("execution.workers", -1, ["execution.workers", "-1"]),
        ("train", None, ["train: got None"]),
    ],
)
def test_a_wrong_value_is_one_sentence(params_file, key, value, parts):
    path = params_file(changed(key, value))
    with pytest.raises(ParamsError) as caught:
        load_params(path)
    sentence = str(caught.value)
    assert sentence.startswith(str(path)) and "\n" not in sentence
    for part in parts:
        assert part in sentence, sentence


def test_a_missing_key_is_named(params_file):
    values = yaml.safe_load(OWN.read_text())
    del values["train"]["epochs"]
    with pytest.raises(ParamsError, match=r"train\.epochs: missing; add it"):
        load_params(params_file(yaml.safe_dump(values)))


@pytest.mark.parametrize(
    ("text", "part"), [("train: [1", "not valid YAML"), ("", "the file: got None"), ("- 1\n", "the file: got [1]")]
)
def test_a_file_that_is_no_params_file(params_file, text, part):
    with pytest.raises(ParamsError) as caught:
        load_params(params_file(text))
    assert part in str(caught.value) and "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ParamsError, match=r"params\.yaml: cannot be read .*run from the repository's root"):
        load_params(tmp_path / "params.yaml")


def test_no_scenario_at_all_is_refused(params_file):
    values = yaml.safe_load(OWN.read_text())
    values["simulate"] |= {"normality_scenarios": 0, "anomaly_scenarios": 0}
    with pytest.raises(ParamsError, match="make at least one scenario"):
        load_params(params_file(yaml.safe_dump(values)))
