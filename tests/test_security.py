"""What SECURITY.md promises, as far as a test can see it."""

import ast
import json
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

from lib.anovox.format import layout
from lib.anovox.format.configurations import SIMULATOR_NOTES, read_configurations
from lib.anovox.format.ego_state import anomaly_of
from lib.anovox.format.folders import find_scenarios
from lib.common.errors import DataError
from lib.common.terminal import readable
from lib.geometry.frame import ScenarioType
from lib.reading.findings import Finding
from lib.reading.safe_names import MAX_CHARACTERS, is_plain, plain
from lib.shards.index import ShardEntry, read_index, write_index
from tests.faults.workspace import Workspace
from tests.present import present
from tests.processes import environment
from tests.test_structure import ROOT, imported_names, modules, tree

OURS = ("lib", "stages", "tools")
PICKLING = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "jsonpickle"}
RUNNING = {"eval", "exec", "compile", "__import__", "system", "popen"}
HOSTILE = (
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    '"onmouseover="alert(1)',
    "=HYPERLINK('http://x')",
    "$\\frac{$",
    "a\nb",
    "\x1b[2Jx",
    "a`id`;rm",
    "x" * 1000,
)


def calls(path):
    """(name of the function, the call) of all calls in a file."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def test_nothing_is_pickled_or_unpickled():
    for path in modules(*OURS):
        assert not PICKLING & {name.split(".")[0] for name in imported_names(path)}, path
        for name, call in calls(path):
            arguments = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
            if name == "torch.load":
                assert arguments.get("weights_only") == "True", f"{path}:{call.lineno}"
            if name in ("np.load", "numpy.load", "np.save", "np.lib.format.open_memmap"):
                assert arguments.get("allow_pickle") == "False" or "open_memmap" in name, f"{path}:{call.lineno}"


def test_yaml_is_read_safely_and_no_text_is_run():
    safe = {"_Loader", "yaml.SafeLoader", "yaml.CSafeLoader"}
    for path in modules(*OURS):
        for name, call in calls(path):
            arguments = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
            where = f"{path}:{call.lineno}: {name}"
            assert name not in ("yaml.full_load", "yaml.unsafe_load", "yaml.load_all"), where
            assert name != "yaml.load" or arguments.get("Loader") in safe, where
            assert name not in RUNNING and name not in ("os.system", "os.popen", "pty.spawn"), where
            assert arguments.get("shell") != "True", where


def test_files_are_opened_for_reading_in_one_place():
    """There, what is no regular file is refused, and no more is read than asked for."""
    own = {"lib/shards/hdf5_files.py", "tools/smoke.py"}
    allowed = {"lib/common/reading.py", *own}
    for path in modules(*OURS):
        if str(path) in allowed:
            continue
        for name, call in calls(path):
            where = f"{path}:{call.lineno}: {name}; take lib.common.reading"
            mode = ast.unparse(call.args[0]) if call.args else "'r'"
            assert not name.endswith((".read_text", ".read_bytes")), where
            assert name not in ("open", "io.open", "np.load"), where
            reads = name.endswith(".open") and name not in ("os.open", "tarfile.open", "Image.open")
            assert not reads or mode in ("'wb'", "'w'", "'r+b'", "member"), where
            assert name != "np.fromfile" or mode == "file", where


def test_no_module_of_ours_speaks_to_a_network():
    clients = {"socket", "http", "urllib", "ftplib", "smtplib", "requests", "httpx", "aiohttp", "boto3", "paramiko"}
    users = [path for path in modules("lib", "stages") if clients & {n.split(".")[0] for n in imported_names(path)}]
    assert not users


def test_dvc_reports_nothing_home():
    config = ConfigParser()
    config.read(ROOT / ".dvc" / "config")
    assert config["core"]["analytics"] == "false"


@pytest.mark.parametrize("place", ["('192.0.2.1', 9)", "('example.org', 80)"])
@pytest.mark.parametrize("around", ["inherited", "own", "fault trial", "hooked"])
def test_processes_of_tests_have_no_network(place, around):
    """The guard of tests/no_network, under which the pipeline and every stage run in tests."""
    trial = Workspace(ROOT)
    variables = {"own": environment(), "fault trial": trial.environment()}
    variables["hooked"] = trial.environment(**trial.hooked(KILL_AT_OPERATION="1000"))
    code = f"import socket; socket.create_connection({place}, timeout=5)"
    run = subprocess.run([sys.executable, "-c", code], env=variables.get(around), capture_output=True, text=True)
    assert run.returncode and "no network in tests" in run.stderr


def test_no_test_takes_the_guard_from_a_process():
    for path in modules("tests"):
        for line in (ROOT / path).read_text(encoding="utf-8").splitlines():
            assert "python_path(" in line or '"PYTHONPATH"' not in line, f"{path}: {line.strip()}"


@pytest.mark.parametrize("text", HOSTILE)
def test_names_lose_what_has_a_meaning_elsewhere(text):
    name = plain(text)
    assert is_plain(name) and not is_plain(text) and len(name) <= MAX_CHARACTERS and plain(name) == name
    assert not set("<>&\"'`$\\;=\n\x1b") & set(name)


@pytest.mark.parametrize(
    "name", ["Scenario_5f82c2d9-cfeb-4fa3-a1d7-d982f8bd1045", "Town10HD", "static.prop.o_x", "RGB-CAM(0, 0, 1.8)"]
)
def test_names_of_anovox_stay_as_they_are(name):
    assert is_plain(name) and plain(name) == name


@pytest.mark.parametrize("text", HOSTILE)
def test_texts_from_the_data_are_made_plain(tmp_path, text):
    folder = tmp_path / layout.CONFIGURATION_FOLDER
    folder.mkdir()
    anomaly = {"anomalytype": "STATIC", "anomaly_bp_name": text}
    entries = [{"id": "1", "anomaly_config": anomaly, "weather_preset": text}]
    (folder / "x.json").write_text(json.dumps({"scenario_definition": {"map": text, "scenarios": entries}}))
    notes = {"Scenario_1": {"anomaly_kind": text, "absent_frames": []}}
    (tmp_path / SIMULATOR_NOTES).write_text(json.dumps(notes))
    [config] = read_configurations(tmp_path, lambda _: None).values()
    found = anomaly_of({"anomaly_type_id": text, "size": text})
    values = (config.town, config.weather_preset, config.anomaly_blueprint, config.anomaly_kind, found.blueprint)
    assert all(is_plain(present(value)) for value in values) and found.size is None


def test_scenarios_of_strange_names_are_left_out_and_reported(tmp_path):
    (tmp_path / "Scenario_good (1) [a], b").mkdir()
    for name in ("Scenario_<img src=x onerror=alert(1)>", "Scenario_$x$", "Scenario_\n"):
        (tmp_path / name).mkdir()
    findings: list[Finding] = []
    assert [path.name for path in find_scenarios(tmp_path, findings.append)] == ["Scenario_good (1) [a], b"]
    assert [finding.reason for finding in findings] == ["strange_name"] * 3


@pytest.mark.parametrize("file", ["../../x.h5", "/etc/passwd", "a/b.h5", "..", "", "a\x1bb.h5"])
def test_an_index_cannot_name_files_elsewhere(tmp_path, file):
    write_index(tmp_path, [ShardEntry("s", ScenarioType.NORMALITY, file, 1, 0, 1, 8, 8, 64, 8, "", "")])
    with pytest.raises(DataError, match=r"index\.csv: damaged \(.* is not the name of a file in this folder"):
        read_index(tmp_path)


def test_messages_cannot_steer_a_terminal():
    assert readable("a\x1b[2J\nb é [1]") == "a?[2J?b é [1]"


def test_the_promises_are_written_down():
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    for word in ("pickle", "network", "report", "Not promised", "pip-audit"):
        assert word in text


def test_security_rules_of_the_linter_are_on():
    import tomllib

    lint = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["ruff"]["lint"]
    assert "S" in lint["select"]
    assert {rule for rule in lint["ignore"] if rule.startswith("S") and not rule.startswith("SIM")} == {"S101"}
    assert not any(Path(pattern).parts[0] in ("lib", "stages") for pattern in lint["per-file-ignores"])
