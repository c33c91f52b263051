"""Some of each fault that `make faults` injects; the whole of it is recorded in docs/reliability.md."""

from dataclasses import replace

import pytest

from tests.faults.damage import KINDS, damaged_input
from tests.faults.disks import full_disk, may_mount, read_error, size_limit
from tests.faults.incremental import Rebuilt, add_and_change
from tests.faults.kills import kill_chain
from tests.faults.lab import Lab, Trial, build_lab
from tests.faults.report import report
from tests.faults.strangers import PLACES, strangers
from tests.faults.together import two_stages, worker_killed

pytestmark = pytest.mark.slow

SEED = 7
TRIES = 8


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return build_lab(tmp_path_factory.mktemp("faults"), ("simulate", "preprocess", "train", "predict"))


def test_kills_at_random_moments(lab):
    trials = kill_chain(lab, "preprocess", 2, SEED, 0)
    assert len(trials) == 2
    assert [trial for trial in trials if not trial.survived()] == []


def test_a_disk_that_fills_up(lab):
    fault = full_disk if may_mount() else size_limit
    trial = next(found for number in range(TRIES) if (found := fault(lab, "predict", SEED, number)))
    assert trial.survived(), trial


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_model_is_refused(lab, kind, monkeypatch):
    monkeypatch.setattr("tests.faults.damage.KEPT", ("models/weights.safetensors",))
    trial = damaged_input(lab, "predict", kind, SEED, 0)
    assert trial is not None and trial.survived(), trial


def test_an_unreadable_image(lab):
    trial = read_error(lab, "preprocess", SEED, 0)
    assert trial is not None and trial.survived(), trial


def test_things_of_strangers(lab):
    trials = [strangers(lab, "preprocess", SEED, number) for number in range(2 * len(PLACES))]
    assert [trial for trial in trials if trial is not None and not trial.survived()] == []
    assert len([trial for trial in trials if trial is not None]) >= 4


def test_a_worker_that_dies(lab):
    trial = next(found for number in range(TRIES) if (found := worker_killed(lab, "simulate", SEED, number)))
    assert trial.survived(), trial


def test_two_runs_of_a_stage(lab):
    trial = two_stages(lab, "preprocess", SEED, 0)
    assert trial.survived(), trial


def test_what_is_not_right_is_seen(lab: Lab):
    """The judgement itself: a file that is half-written, one that differs, one left behind."""
    workspace = lab.workspace("judgement", "predict")
    assert lab.lost(workspace, "predict") is None
    assert "differs" in (lab.wrong(workspace, "predict") or "")
    victim = sorted((workspace.root / "data" / "predictions").iterdir())[0]
    victim.write_bytes(victim.read_bytes()[:-1])
    assert lab.lost(workspace, "predict") == "data/predictions is half-written"
    assert lab.wrong_after(workspace, "predict") is None
    (workspace.root / "data" / ".predictions.partial").mkdir()
    assert lab.wrong(workspace, "predict") == "left behind: data/.predictions.partial"


def test_the_report_counts_and_names():
    good = Trial("SIGKILL", "train")
    rebuilt = [Rebuilt("one added", 1001, 1, 9.0, 99.0, True), Rebuilt("one changed", 1001, 2, 9.0, 99.0, False)]
    text = report([good, good, replace(good, where="plot", lost="x is gone")], None, rebuilt, 1, 2.0)
    assert "| SIGKILL | 3 | 2 | 1 | 0 | 0 |" in text and "| train | 2 | 2 | 0 | 0 | 0 |" in text
    assert "- SIGKILL, plot: lost: x is gone" in text
    assert "| one added | 1001 | 1 | 9.0 | 99.0 | yes |" in text and "99.0 | **no** |" in text


def test_a_scenario_more_and_a_changed_file_cost_one_shard_each(tmp_path):
    for run in add_and_change(tmp_path, 6):
        assert (run.shards, run.anew, run.identical) == (7, 1, True), run
