"""Names of recordings: what a folder may be called, and still tell apart."""

import pytest

from lib.reading.safe_names import MAX_CHARACTERS, file_name


@pytest.mark.parametrize("parts", [["drive"], ["2011_09_26", "drive.0001-x"], ["a" * MAX_CHARACTERS]])
def test_plain_names_stay(parts):
    assert file_name(parts) == "_".join(parts)


LONG = "a" * 200


@pytest.mark.parametrize(
    ("one", "other"), [("北京", "上海"), ("a b", "a?b"), (".drive", "-drive"), (f"{LONG}1", f"{LONG}2"), ("-", "_")]
)
def test_other_names_become_plain_and_stay_apart(one, other):
    names = {file_name([one]), file_name([other])}
    assert len(names) == 2
    for name in names:
        assert name.isascii() and name[0].isalnum() and 0 < len(name) <= MAX_CHARACTERS and "/" not in name
