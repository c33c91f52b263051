"""YAML: what is read is what DVC reads; what is not valid is named with its line."""

import math
from pathlib import Path

import numpy as np
import pytest
from dvc.utils.serialize import loads_yaml

from lib.common.errors import ParamsError
from lib.common.yaml_text import read_yaml
from tests.all_params import all_params
from tests.fuzz.lies import lying_yaml
from tests.fuzz.mutations import mutated

OWN = Path(__file__).parents[2] / "params.yaml"
WORDS = (
    *("0", "-0", "+5", "10", "1e3", "1e-05", "1E-5", "1.e5", ".5", "-.5", "01.5", "1.5e3", "1e400", ".inf", "-.Inf"),
    *(".nan", "true", "False", "TRUE", "tRUE", "null", "~", "", "yes", "no", "on", "off", "y", "N", ".", "..", "./x"),
    *("_", "7s", "0bad", "0abc", "1e", "12e", "1,5", "'010'", '"1:30"', "'2024-01-01'", "a b", "../x", "1-2", "é"),
    *("010", "08", "-010", "0o17", "0x1F", "1_000", ".5e3", "1:30", "2024-01-01"),
)


def same(one, other):
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    both_nan = isinstance(one, float) and isinstance(other, float) and math.isnan(one) and math.isnan(other)
    return type(one) is type(other) and (one == other or both_nan)


@pytest.mark.parametrize("word", WORDS)
def test_words_mean_what_they_mean_to_dvc(word):
    text = f"a:\n- {word}\n"
    assert same(read_yaml(text), loads_yaml(text))


def test_no_damaged_file_means_something_else_to_dvc():
    seeds, generator, read = (OWN.read_bytes(),), np.random.default_rng(5), 0
    for _ in range(150):
        data = mutated(seeds, lying_yaml, generator)
        try:
            text = data.decode()
            ours = read_yaml(text)
        except ValueError:
            continue
        if "*" in text:  # an alias may hold itself
            continue
        assert same(ours or {}, loads_yaml(text) or {}), text
        read += 1
    assert read > 20


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a:\n  b: 1\n  b: 2\n", "line 3: not valid YAML: found duplicate key"),
        ("b: *x\n", "line 1: not valid YAML: found undefined alias"),
        ("!!python/object/apply:os.system [x]\n", "line 1: not valid YAML: could not determine a constructor"),
        ("a: 1\n---\nb: 2\n", "line 2: not valid YAML: but found another document"),
        ("a: 1\nb: [1\n", "line 3: not valid YAML"),
        ("a: \x07\n", "not valid YAML"),
        ("a: " + "[" * 3_000, "nested too deep"),
    ],
)
def test_what_is_not_valid_is_said_with_its_line(text, sentence):
    with pytest.raises(ValueError) as caught:
        read_yaml(text)
    found = str(caught.value)
    assert sentence in found and "\n" not in found


def test_a_value_that_holds_itself_is_an_unknown_key(tmp_path):
    (tmp_path / "params.yaml").write_text(OWN.read_text() + "a: &x {b: *x}\n")
    with pytest.raises(ParamsError, match="a: unknown key"):
        all_params(tmp_path / "params.yaml")


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path):
    (tmp_path / "params.yaml").write_bytes(b"\xef\xbb\xbf" + OWN.read_bytes())
    assert all_params(tmp_path / "params.yaml") == all_params(OWN)


@pytest.mark.parametrize("word", ["off", "'off'"])
def test_off_is_a_word(tmp_path, word):
    """As DVC writes it for `-S execution.compile=off`; YAML 1.1 reads it as false."""
    text = OWN.read_text().replace("compile: auto", f"compile: {word}")
    (tmp_path / "params.yaml").write_text(text)
    assert all_params(tmp_path / "params.yaml").execution.compile == "off"
