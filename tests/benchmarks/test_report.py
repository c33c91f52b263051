"""The benchmarks' common part: turns, spreads, limits, and results that merge by subject."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.report import merge, read_results, terminal_text, write_page
from benchmarks.subject import Measure, Spread, Subject, Table, number_text
from benchmarks.timing import Times, alternate
from lib.common.errors import DataError


def subject(title, value, at_least=2.0):
    table = Table("ways", ("way", "frames/s"), (("ours", "1,234 [1,200, 1,300]"), ("theirs", "9.10 [9.00, 9.20]")))
    measures = (
        Measure("ours_over_theirs", "times theirs", Spread(value, value - 1, value + 1), at_least=at_least),
        Measure("peak", "peak memory", Spread(1.5, 1.4, 1.6), at_most=1.0, unit="GB"),
        Measure("theirs_over_copy", "of the copy", Spread(0.5, 0.4, 0.6)),
    )
    return Subject(title, "Two ways.", ("numpy",), (table,), measures, "Disk bound.")


def test_results_merge_by_subject(tmp_path):
    path = tmp_path / "results.json"
    merge(path, "first", subject("First", 3.0), 12.3)
    merge(path, "second", subject("Second", 1.0), 4.0)
    results = merge(path, "first", subject("First", 5.0), 12.3)
    assert results == read_results(path) == json.loads(path.read_text())
    assert list(results) == ["first", "second"]
    assert results["first"]["measures"]["ours_over_theirs"]["value"]["median"] == 5.0
    assert results["first"]["measures"]["ours_over_theirs"]["met"] is True
    assert results["second"]["measures"]["ours_over_theirs"]["met"] is False
    assert results["second"]["measures"]["peak"] == {
        "meaning": "peak memory",
        "value": {"median": 1.5, "low": 1.4, "high": 1.6},
        "at_most": 1.0,
        "unit": "GB",
        "met": False,
    }
    assert "met" not in results["first"]["measures"]["theirs_over_copy"]
    assert results["first"]["versions"]["numpy"] == np.__version__


def test_the_page_shows_every_subject_in_its_order(tmp_path):
    merge(tmp_path / "results.json", "b", subject("Second", 1.0), 4.0)
    results = merge(tmp_path / "results.json", "a", subject("First", 3.0), 12.3)
    write_page(tmp_path / "page.md", results, ("a", "b", "never measured"))
    lines = (tmp_path / "page.md").read_text().splitlines()
    assert lines.index("## First") < lines.index("## Second")
    assert "| ours | 1,234 [1,200, 1,300] |" in lines
    assert "| a | times theirs | 3.00 [2.00, 4.00] | ≥ 2 | yes |" in lines
    assert "| b | times theirs | 1.00 [0.00, 2.00] | ≥ 2 | **no** |" in lines
    assert "| a | peak memory | 1.50 [1.40, 1.60] GB | ≤ 1 GB | **no** |" in lines


def test_a_damaged_results_file_is_named(tmp_path):
    (tmp_path / "results.json").write_text("{")
    with pytest.raises(DataError, match=r"results\.json: damaged"):
        merge(tmp_path / "results.json", "first", subject("First", 3.0), 1.0)


def test_the_terminal_shows_aligned_tables():
    lines = terminal_text(subject("First", 3.0)).splitlines()
    assert lines[0] == "ways" and len({len(line) for line in lines[1:4]}) == 1


def test_every_way_has_its_turn_and_none_is_always_first():
    calls = []
    ways = {name: (lambda name=name: calls.append(name)) for name in "abc"}
    times = alternate(ways, rounds=3, before=lambda: calls.append("-"))
    turns = [calls[i : i + 6] for i in range(0, 24, 6)]
    assert all(sorted(turn) == ["-", "-", "-", "a", "b", "c"] for turn in turns)
    assert [turn[1] for turn in turns] == ["a", "b", "c", "a"]
    assert {name: len(seconds) for name, seconds in times.seconds.items()} == {"a": 3, "b": 3, "c": 3}


def test_speedups_are_taken_within_a_turn():
    times = Times({"slow": np.array([4.0, 8.0, 40.0]), "fast": np.array([1.0, 2.0, 10.0])})
    assert times.speedup("fast", "slow") == Spread(4.0, 4.0, 4.0)
    assert times.speedup("fast", "slow", work=0.5) == Spread(2.0, 2.0, 2.0)
    assert times.rate("fast", 10).median == 5.0 and times.duration("slow").median == 8.0


@given(st.floats(1e-6, 1e9))
def test_numbers_keep_three_digits(value):
    assert float(number_text(value).replace(",", "")) == pytest.approx(value, rel=0.006)


@pytest.mark.parametrize(
    ("value", "text"), [(1234.5, "1,234"), (12.34, "12.3"), (0.01234, "0.0123"), (0, "0.00"), (9.999, "10.00")]
)
def test_numbers_as_shown(value, text):
    assert number_text(value) == text
