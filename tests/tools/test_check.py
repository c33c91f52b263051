"""`python -m tools.check`: a page for the eye, JSON for programs, and an exit status."""

import json
import sys
from pathlib import Path

import pytest

from lib.common.errors import run_stage
from tests.anovox_sample import GOLDEN
from tools.check import main


@pytest.fixture
def check(monkeypatch, capsys):
    def run(*options):
        """Exit status, what was printed, the last line of stderr."""
        monkeypatch.setattr(sys, "argv", ["check", *map(str, options)])
        with pytest.raises(SystemExit) as caught:
            run_stage(main)
        captured = capsys.readouterr()
        return caught.value.code, captured.out, captured.err.splitlines()[-1]

    return run


def test_golden_scenarios_cannot_be_trained_on_and_the_page_says_why(check):
    """One normality scenario is not enough to train and to validate."""
    status, out, _ = check(GOLDEN, "--workers", 1)
    assert status == 1
    assert "4 (1 normality, 3 static, 0 dynamic, 0 unlabelled); 0 left out" in out
    assert "ERROR    no scenario is left to validate on" in out and "-> raise split.validation_fraction" in out


def test_json_is_one_object_and_nothing_else(check):
    status, out, _ = check(GOLDEN, "--json", "--workers", 1)
    values = json.loads(out)
    assert status == 1 and values["trainable"] is False and values["estimate"] is None
    assert values["frames"] == {"total": 8, "usable": 8, "skipped": 0, "read": 8}
    assert values["metrics"]["labels"]["row_match_fraction"] == 1
    assert [finding["name"] for finding in values["findings"]] == ["nothing_to_validate_on", "no_configurations"]
    assert len(values["scenarios"]) == 4 and values["scenarios"][0]["voxel_agreement"] > 0.9


def test_a_wrong_number_is_named(check):
    status, out, error = check(GOLDEN, "--frames", "-1")
    assert status == 2 and not out and error.endswith("argument --frames: '-1' is not a whole number from 0")


def test_a_missing_folder_is_one_sentence(check):
    status, out, error = check(Path("nowhere at all"))
    assert status == 1 and not out and error.startswith("error: nowhere at all: there is no such folder")
