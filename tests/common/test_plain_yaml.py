"""YAML: what is read is what DVC reads, and what readers of YAML differ about is refused with line and remedy."""

import math
from pathlib import Path

import numpy as np
import pytest
from dvc.utils.serialize import loads_yaml
from hypothesis import given
from hypothesis import strategies as st

from lib.common.errors import ParamsError
from lib.common.plain_yaml import read_yaml
from tests.all_params import all_params
from tests.fuzz.lies import lying_yaml
from tests.fuzz.mutations import mutated

OWN = Path(__file__).parents[2] / "params.yaml"
SAME = (
    *("0", "-0", "+5", "10", "1e3", "1e-05", "1E-5", "1.e5", ".5", "-.5", "01.5", "1.5e3", "1e400", ".inf", "-.Inf"),
    *(".nan", "true", "False", "TRUE", "tRUE", "null", "~", "", "yes", "no", "on", "off", "y", "N", ".", "..", "./x"),
    *("_", "7s", "0bad", "0abc", "1e", "12e", "1,5", "'010'", '"1:30"', "'2024-01-01'", "a b", "../x", "1-2", "é"),
)
UNCLEAR = (
    *("010", "08", "00", "-010", "0o17", "0x1F", "0b11", "1_000", "1_0.5", "0_1", "1__0", ".5e3", "1:30", "1:30.5"),
    *("2024-01-01", "2024-1-1", "2024-01-01T10:00:00", "2024-01-01 10:00:00", "9" * 50, "<<", "="),
)


def same(one, other):
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    both_nan = isinstance(one, float) and isinstance(other, float) and math.isnan(one) and math.isnan(other)
    return type(one) is type(other) and (one == other or both_nan)


@pytest.mark.parametrize("word", SAME)
def test_words_mean_what_they_mean_to_dvc(word):
    text = f"a:\n- {word}\n"
    assert same(read_yaml(text), loads_yaml(text))


@pytest.mark.parametrize("word", UNCLEAR)
def test_numbers_and_dates_that_readers_differ_about_are_refused(word):
    with pytest.raises(ValueError, match=r"^line 2: train\.epochs: .* plain decimal digits .* a text in quotes$"):
        read_yaml(f"train:\n  epochs: {word}\n")


@given(st.text("0123456789+-_.:eExXoObBnifa~ ", max_size=8))
def test_no_word_means_something_else_to_dvc(word):
    text = f"a: {word}\n"
    try:
        ours = read_yaml(text)
    except ValueError:
        return
    assert same(ours, loads_yaml(text)), text


def test_no_damaged_file_means_something_else_to_dvc():
    seeds, generator, read = (OWN.read_bytes(),), np.random.default_rng(5), 0
    for _ in range(150):
        data = mutated(seeds, lying_yaml, generator)
        try:
            text = data.decode()
            ours = read_yaml(text)
        except ValueError:
            continue
        assert same(ours or {}, loads_yaml(text) or {}), text
        read += 1
    assert read > 20


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a:\n  b: 1\n  b: 2\n", "line 3: a.b is there already, in line 2; remove one of the two"),
        ("a: 1\nb: 2\na: 3\n", "line 3: a is there already, in line 1; remove one of the two"),
        ("a: {b: 1, 'b': 2}\n", "line 1: a.b is there already, in line 1"),
        ("a: &x 1\nb: *x\n", "line 1: anchors (&) and aliases (*) are not read here"),
        ("b: *x\n", "line 1: anchors (&) and aliases (*) are not read here"),
        ("a: &x {b: *x}\n", "line 1: anchors (&)"),
        ("a: !!int 3\n", "line 1: tags (!) are not read here"),
        ("a: ! 3\n", "line 1: tags (!) are not read here"),
        ("!!python/object/apply:os.system [x]\n", "line 1: tags (!) are not read here"),
        ("a: 1\n---\nb: 2\n", "line 2: a second document begins; keep one"),
        ("%YAML 1.1\n---\na: 1\n", "a line begins with %"),
        ("a: 1\n1: 2\n", "line 2: a key is not a name"),
        ("a:\n  null: 2\n", "line 2: a key in a is not a name"),
        ("? [a]\n: b\n", "line 1: a key is not a name"),
        ("<<: {a: 1}\n", "line 1: a key is not a name"),
        ("a: 1\nb: [1\n", "line 3: not valid YAML"),
        ("a: \x07\n", "not valid YAML: unacceptable character"),
        ("a: 1\x85b: 2\n", r"line 1: holds '\x85', a line break that cannot be seen"),
        ("a: " + "[" * 3_000, "nested too deep"),
    ],
)
def test_what_is_not_read_is_said_with_its_line(text, sentence):
    with pytest.raises(ValueError) as caught:
        read_yaml(text)
    found = str(caught.value)
    assert sentence in found and "\n" not in found


def test_an_alias_bomb_costs_nothing(tmp_path):
    bomb = "b0: &b0 [x, x]\n" + "".join(f"b{i}: &b{i} [*b{i - 1}, *b{i - 1}]\n" for i in range(1, 60))
    (tmp_path / "params.yaml").write_text(bomb)
    with pytest.raises(ParamsError, match=r"params\.yaml: line 1: anchors"):
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
