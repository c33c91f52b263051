"""The simulate stage as DVC runs it, on a tiny sample."""

import hashlib
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from lib.anovox.format.configurations import read_configurations
from lib.anovox.format.folders import find_scenarios
from lib.common.errors import DataError
from lib.common.labels import ANOMALY_SIZES
from lib.geometry.frame import ScenarioType
from lib.simulator.sample import write_sample
from lib.simulator.scenario_plan import plan_scenarios
from lib.simulator.simulate_params import SimulateParams
from tests.all_params import all_params
from tests.processes import environment
from tests.sound_files import no_finding

ROOT = Path(__file__).resolve().parents[2]
TINY = {
    "normality_scenarios": 3,
    "anomaly_scenarios": 3,
    "frames_per_scenario": 2,
    "image_height": 32,
    "image_width": 48,
    "lidar_channels": 8,
    "lidar_rays_per_channel": 64,
}


def project(folder: Path, workers: int = 2, **simulate: object) -> Path:
    """A folder with nothing but params.yaml."""
    values = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    values["simulate"] |= TINY | simulate
    values["execution"]["workers"] = workers
    folder.mkdir()
    (folder / "params.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    return folder


def command() -> list[str]:
    return [sys.executable, "-m", "stages.simulate"]


def simulate(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(), cwd=folder, env=environment(), capture_output=True, text=True, check=False)


def digest(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = project(tmp_path_factory.mktemp("simulate") / "project")
    result = simulate(folder)
    assert result.returncode == 0, result.stderr
    assert "6 scenarios (3 with an anomaly), 12 frames in data/sample" in result.stdout
    assert "simulating" in result.stderr
    return folder / "data" / "sample"


def test_every_scenario_and_nothing_else_is_there(sample):
    assert [path.name for path in sample.parent.iterdir()] == ["sample"]
    params = all_params(sample.parents[1] / "params.yaml").simulate
    plans = plan_scenarios(params)
    assert {path.name for path in find_scenarios(sample, no_finding)} == {plan.name for plan in plans}
    assert {path.name for path in sample.iterdir()} == {p.name for p in plans} | {
        "Scenario_Configuration_Files",
        "simulator.json",
    }
    configs = read_configurations(sample, no_finding)
    assert {name: config.type for name, config in configs.items()} == {plan.name: plan.type for plan in plans}
    for plan in plans:
        files = [path for path in (sample / plan.name).rglob("*") if path.is_file()]
        strange = plan.type == ScenarioType.STATIC
        assert len(files) == 1 + 2 * (9 + strange)
        assert (configs[plan.name].anomaly_blueprint is not None) == strange
        anomalies = sorted(sample.glob(f"{plan.name}/ANOMALY/*.csv"))
        assert all(any(f"size ; {size.lower()}" in path.read_text() for size in ANOMALY_SIZES) for path in anomalies)


def test_any_number_of_workers_writes_the_same_bytes(sample, tmp_path):
    alone = project(tmp_path / "alone", workers=1)
    assert simulate(alone).returncode == 0
    assert digest(alone / "data" / "sample") == digest(sample)


def test_another_seed_makes_another_sample(sample, tmp_path):
    params = all_params(sample.parents[1] / "params.yaml").simulate
    write_sample(tmp_path, params.model_copy(update={"seed": 2}), workers=2)
    other, one = digest(tmp_path), digest(sample)
    assert not {path for path in other if path.startswith("Scenario_") and "Config" not in path} & set(one)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seconds_between_frames": 0.25}, "simulate.seconds_between_frames"),
        ({"image_height": -3}, "simulate.image_height"),
        ({"normality_scenarios": 0, "anomaly_scenarios": 0}, "make at least one"),
        ({"sed": 3}, "simulate.sed: unknown key"),
    ],
)
def test_wrong_params_end_in_one_sentence_and_leave_the_old_sample(tmp_path, changes, words):
    folder = project(tmp_path / "project", **changes)
    old = folder / "data" / "sample" / "simulator.json"
    old.parent.mkdir(parents=True)
    old.write_text("old")
    result = simulate(folder)
    assert result.returncode == 1
    assert result.stderr.startswith("error: ") and len(result.stderr.splitlines()) == 1 and words in result.stderr
    assert digest(folder / "data").keys() == {"sample/simulator.json"}


def test_a_folder_that_cannot_be_written(tmp_path):
    folder = project(tmp_path / "project")
    (folder / "data").write_text("a file, not a folder")
    result = simulate(folder)
    assert result.returncode == 1
    assert result.stderr.startswith("error: data/sample: cannot be written") and "Traceback" not in result.stderr


def test_a_failing_worker_is_named(tmp_path):
    root = tmp_path / "not_a_folder"
    root.write_text("")
    params = SimulateParams.model_validate(
        yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))["simulate"] | TINY
    )
    with pytest.raises(DataError, match=r"not_a_folder/Scenario_.* cannot be written"):
        write_sample(root, params, workers=2)


@pytest.mark.slow
def test_a_killed_run_leaves_no_half_sample_and_no_process(tmp_path):
    """Killed without warning: no data/sample, the workers end, and the next run starts afresh."""
    folder = project(tmp_path / "project", normality_scenarios=200)
    partial = folder / "data" / ".sample.partial"
    run = subprocess.Popen(command(), cwd=folder, env=environment(), stderr=subprocess.DEVNULL)
    wait_until(lambda: any(partial.glob("Scenario_*")))
    run.send_signal(signal.SIGKILL)
    run.wait()
    wait_until(lambda: not processes_in(folder))
    assert not (folder / "data" / "sample").exists() and partial.exists()
    values = yaml.safe_load((folder / "params.yaml").read_text(encoding="utf-8"))
    values["simulate"]["normality_scenarios"] = 1
    (folder / "params.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    assert simulate(folder).returncode == 0
    assert [path.name for path in (folder / "data").iterdir()] == ["sample"]
    assert len(find_scenarios(folder / "data" / "sample", no_finding)) == 4


def wait_until(condition, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def processes_in(folder: Path) -> list[Path]:
    """Processes whose working directory is the folder (none where the system does not tell)."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").resolve(strict=True) == folder.resolve():
                found.append(process)
        except OSError:
            continue
    return found
