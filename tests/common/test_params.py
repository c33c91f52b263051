"""params.yaml: the repository's own is valid; every mistake is one sentence with key, value and what is accepted."""

import pytest
import yaml
from pydantic import ValidationError

from lib.common.errors import ParamsError
from lib.common.params import DataParams, Section, Sections, load_params
from stages.check import Params
from tests.all_params import OWN, all_params


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
    params = all_params(OWN)
    assert params.train.epochs >= 1 and params.preprocess.max_points is None


@pytest.mark.parametrize("window", [[0], [0, 2, 5, 10], list(range(8))])
def test_windows_of_the_past(params_file, window):
    assert all_params(params_file(changed("model.window", window))).model.window == tuple(window)


def test_params_are_frozen():
    params = all_params(OWN)
    with pytest.raises(ValidationError, match="frozen"):
        params.train.epochs = 3


@pytest.mark.parametrize("text", ["1e-05", "1E-5", "0.00001", "1.e-5"])
def test_numbers_as_dvc_writes_them(params_file, text):
    """`dvc exp run -S train.learning_rate=1e-5` writes 1e-05, which YAML 1.1 reads as a string."""
    own = OWN.read_text()
    line = next(line for line in own.splitlines() if "learning_rate:" in line)
    path = params_file(own.replace(line, f"  learning_rate: {text}"))
    assert all_params(path).train.learning_rate == pytest.approx(1e-5)


@pytest.mark.parametrize("value", ["12e", "e12", "1e", "v1e-05"])
def test_words_that_look_like_numbers_stay_words(params_file, value):
    with pytest.raises(ParamsError, match=r"train\.learning_rate: got '"):
        all_params(params_file(changed("train.learning_rate", value)))


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
        ("train.learning_rate", float("inf"), ["train.learning_rate", "got inf", "less than or equal to 100"]),
        ("model.fusion", "sum", ["model.fusion", "'sum'", "'image', 'lidar', 'concat' or 'cross_attention'"]),
        ("model.window", [], ["model.window: got []", "must be 1 to 8 lags that rise from 0, such as [0, 2, 5, 10]"]),
        ("model.window", [2, 5], ["model.window: got [2, 5]", "rise from 0"]),
        ("model.window", [0, 5, 2], ["model.window: got [0, 5, 2]", "rise from 0"]),
        ("model.window", [0, 2, 2], ["model.window: got [0, 2, 2]", "rise from 0"]),
        ("model.window", list(range(9)), ["model.window: got [0, 1, ", "1 to 8 lags"]),
        ("model.window", [0, 11], ["model.window.1: got 11", "less than or equal to 10"]),
        ("model.window", [-1, 0], ["model.window.0: got -1", "greater than or equal to 0"]),
        ("model.window", [0, 2.5], ["model.window.1: got 2.5", "integer"]),
        ("model.window", [False, True], ["model.window.0: got False", "integer"]),
        ("model.window", 0, ["model.window: got 0", "tuple"]),
        ("model.window", None, ["model.window: got None", "tuple"]),
        ("preprocess.image_height", -128, ["preprocess.image_height", "-128", "greater than or equal to 16"]),
        ("preprocess.max_points", 0, ["preprocess.max_points", "got 0"]),
        ("data.root", "", ["data.root", "at least 1 character"]),
        ("data.root", 7, ["data.root", "valid string"]),
        ("split.test_fraction", 1.2, ["split.test_fraction", "1.2", "less than or equal to 1"]),
        ("simulate.seed", -1, ["simulate.seed", "-1", "greater than or equal to 0"]),
        ("simulate.anomaly_distance_m", [20.0, 4.0], ["anomaly_distance_m is [20.0, 4.0]", "must not exceed"]),
        ("train.object_weight_range", [4.0, 0.2], ["object_weight_range is [4.0, 0.2]", "must not exceed"]),
        ("train.warm_up_fraction", 1.0, ["train.warm_up_fraction", "got 1.0", "less than or equal to 0.9"]),
        ("simulate.anomaly_sizes_m.Giant", [1.0, 2.0], ["simulate.anomaly_sizes_m.Giant", "'Tiny'"]),
        ("execution.device", "gpu", ["execution.device", "'gpu'", "'auto', 'cpu' or 'cuda'"]),
        ("execution.workers", -1, ["execution.workers", "-1"]),
        ("train", None, ["train: got None"]),
        ("train.cpu_threads", 2, ["train.cpu_threads: unknown key; it is execution.processes now"]),
        ("train.micro_batch", 0, ["train.micro_batch", "got 0"]),
        (
            "split.test_fraction",
            0.95,
            ["split.validation_fraction=0.08 and split.test_fraction=0.95: 1 or more"],
        ),
        ("simulate.seconds_between_frames", 0.25, ["seconds_between_frames is 0.25", "not a multiple of 0.1"]),
        ("simulate.anomaly_sizes_m", {}, ["simulate.anomaly_sizes_m", "at least 1 item"]),
        ("data.root", "a\x1b[2J", ["data.root: got 'a\\x1b[2J'", "cannot be printed"]),
        ("data.root", "a\0", ["data.root", "cannot be printed"]),
        ("data.root", "a" * 2_000, ["data.root", "at most 1000 characters"]),
    ],
)
def test_a_wrong_value_is_one_sentence(params_file, key, value, parts):
    path = params_file(changed(key, value))
    with pytest.raises(ParamsError) as caught:
        all_params(path)
    sentence = str(caught.value)
    assert sentence.startswith(str(path)) and "\n" not in sentence
    for part in parts:
        assert part in sentence, sentence


def test_a_key_that_has_moved_says_where(params_file):
    path = params_file(changed("model.score", "energy"))
    with pytest.raises(
        ParamsError, match=r"model\.score: unknown key; it is predict\.score now; accepted here: fusion"
    ):
        all_params(path)


class Data(Sections):
    """As a stage that reads one section."""

    data: DataParams


def test_a_stage_checks_its_own_sections_alone(params_file):
    values = yaml.safe_load(OWN.read_text())
    own = {"data": values["data"], "train": {"epochs": "abc"}, "trian": {}}
    assert load_params(Data, params_file(yaml.safe_dump(own))).data.root == values["data"]["root"]
    with pytest.raises(ParamsError, match=r"data\.rout: unknown key; accepted here: format, root"):
        load_params(Data, params_file(yaml.safe_dump({"data": own["data"] | {"rout": "a"}})))
    with pytest.raises(ParamsError, match=r"params\.yaml: data: missing; add it"):
        load_params(Data, params_file(yaml.safe_dump({"train": {}})))


def test_every_section_is_strict_and_frozen():
    for field in Params.model_fields.values():
        assert isinstance(field.annotation, type) and issubclass(field.annotation, Section)
        assert field.annotation.model_config == Section.model_config


def test_a_missing_key_is_named(params_file):
    values = yaml.safe_load(OWN.read_text())
    del values["train"]["epochs"]
    with pytest.raises(ParamsError, match=r"train\.epochs: missing; add it"):
        all_params(params_file(yaml.safe_dump(values)))


@pytest.mark.parametrize(
    ("text", "part"), [("train: [1", "not valid YAML"), ("", "the file: got None"), ("- 1\n", "the file: got [1]")]
)
def test_a_file_that_is_no_params_file(params_file, text, part):
    with pytest.raises(ParamsError) as caught:
        all_params(params_file(text))
    assert part in str(caught.value) and "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ParamsError, match=r"params\.yaml: cannot be read .*run from the repository's root"):
        all_params(tmp_path / "params.yaml")


def test_no_scenario_at_all_is_refused(params_file):
    values = yaml.safe_load(OWN.read_text())
    values["simulate"] |= {"normality_scenarios": 0, "anomaly_scenarios": 0}
    with pytest.raises(ParamsError, match="make at least one"):
        all_params(params_file(yaml.safe_dump(values)))


def numbers(schema, root, key=()):
    """(key, schema) of all numbers in a JSON schema; of a list, its first."""
    if "$ref" in schema:
        yield from numbers(root["$defs"][schema["$ref"].rpartition("/")[2]], root, key)
    for option in schema.get("anyOf", []):
        yield from numbers(option, root, key)
    for name, part in schema.get("properties", {}).items():
        yield from numbers(part, root, (*key, name))
    if schema.get("additionalProperties"):
        yield from numbers(schema["additionalProperties"], root, (*key, "Tiny"))
    for number, part in enumerate(schema.get("prefixItems", [])):
        yield from numbers(part, root, (*key, number))
    if schema.get("type") in ("integer", "number"):
        yield key, schema


SCHEMA = Params.model_json_schema()
NUMBERS = list(numbers(SCHEMA, SCHEMA))


def with_value(key, value):
    values = yaml.safe_load(OWN.read_text())
    section = values
    for part in key[:-1]:
        section = section[part]
    section[key[-1]] = value
    return yaml.safe_dump(values)


def test_all_numbers_are_looked_at():
    names = {key[1] for key, _ in NUMBERS}
    assert len(NUMBERS) > 60 and {"max_points", "anomaly_sizes_m", "outside_false_alarms", "workers"} <= names


@pytest.mark.parametrize(("key", "schema"), NUMBERS, ids=[".".join(map(str, key)) for key, _ in NUMBERS])
def test_every_number_has_bounds_and_what_lies_beyond_is_refused(params_file, key, schema):
    whole = schema["type"] == "integer"
    for inner, outer, step in (("minimum", "exclusiveMinimum", -1), ("maximum", "exclusiveMaximum", 1)):
        limit = schema.get(inner, schema.get(outer))
        assert limit is not None, f"{key} has no {inner}"
        within = limit if inner in schema else limit - step * 1e-6
        try:
            all_params(params_file(with_value(key, int(within) if whole else float(within))))
        except ParamsError as error:  # a bound that another value does not go with
            assert any(word in str(error) for word in ("together", "divide", "must not exceed", "need")), error
        beyond = [limit + step, limit + step * 1e9, step * 10**20] if whole else [limit + step * 1e-3, step * 1e300]
        for value in [*beyond, step * float("inf"), float("nan")]:
            with pytest.raises(ParamsError) as caught:
                all_params(params_file(with_value(key, value)))
            sentence = str(caught.value)
            assert ".".join(map(str, key)) in sentence and sentence.count("got ") == 1
            if value in beyond[:1]:
                assert f"{limit:g}" in sentence or str(limit) in sentence


@pytest.mark.parametrize("digits", [39, 50, 4_000])
def test_endless_numbers_are_a_sentence(params_file, digits):
    text = OWN.read_text().replace("  epochs: 20", f"  epochs: {'9' * digits}")
    with pytest.raises(ParamsError, match=r"train\.epochs"):
        all_params(params_file(text))


def test_a_file_in_another_encoding_is_a_sentence(tmp_path):
    (tmp_path / "params.yaml").write_bytes(OWN.read_bytes() + b"# \xff\n")
    with pytest.raises(ParamsError, match="not text in UTF-8; save it as such"):
        all_params(tmp_path / "params.yaml")
