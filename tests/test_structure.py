"""The structure of the code: imports point downwards, files stay small, dvc.yaml lists the folders each stage uses."""

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml

from stages.check import Params

ROOT = Path(__file__).resolve().parents[1]
STAGES = ("check", "simulate", "preprocess", "track", "train", "predict", "evaluate", "export", "plot")

# The folders of lib, lowest first: the way of the data from files to figures, then what serves tools. A module imports
# from its own folder and from those that stand before it here.
FOLDERS = (
    "common",
    "metrics",
    "geometry",
    "reading",
    "anovox/format",
    "anovox/reading",
    "anovox/download",
    "kitti",
    "folder",
    "simulator",
    "sensors",
    "shards",
    "preprocessing",
    "tracking",
    "views",
    "loading",
    "synthesis",
    "model",
    "training",
    "inference",
    "evaluation",
    "export",
    "figures",
    "detection",
    "doctor",
    "baselines",
    "study",
)
# Allowed by the order, and still not wanted: what one of these changes must not run the stages of the other anew.
APART = (
    ("simulator", "anovox/reading"),
    ("preprocessing", "simulator"),
    ("model", "loading"),
    ("model", "synthesis"),
    ("inference", "training"),
    ("evaluation", "inference"),
    ("evaluation", "anovox/reading"),
    ("kitti", "anovox/format"),
    ("kitti", "anovox/reading"),
    ("folder", "anovox/format"),
    ("folder", "anovox/reading"),
    ("folder", "kitti"),
    ("figures", "model"),
)
WITH_TORCH = {
    "views",
    "loading",
    "synthesis",
    "model",
    "training",
    "inference",
    "detection",
    "doctor",
    "baselines",
    "study",
}
NOT_OF_LIB = {"benchmarks", "faults", "fuzz", "golden", "no_network", "pipeline", "stages", "tools"}
RUN = ("lib", "stages", "tools")
"""What the pipeline and its tools are."""
PARTS = {("preprocess", "data"): "data.format", ("track", "model"): "model.window"}
"""Stage and section of params.yaml -> the only key of it that the stage reads."""
MAX_FILE_LINES, MAX_FUNCTION_LINES = 600, 60


def modules(*folders: str) -> list[Path]:
    """All Python files of some top folders, as paths relative to the root."""
    return sorted(path.relative_to(ROOT) for folder in folders for path in (ROOT / folder).rglob("*.py"))


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"), filename=str(path))


def imported_names(path: Path) -> Iterator[str]:
    """Dotted names that a file imports, wherever in it; `from a import b` gives a.b."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, f"{path}:{node.lineno}: relative import; write it out"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@cache
def imported_files(path: Path) -> frozenset[Path]:
    """Files of this repository that a file imports directly; empty `__init__.py` left out."""
    found = set()
    for name in imported_names(path):
        parts = name.split(".")
        for candidate in (Path(*parts).with_suffix(".py"), Path(*parts[:-1]).with_suffix(".py") if parts[1:] else None):
            if candidate and (ROOT / candidate).is_file():
                found.add(candidate)
                break
    return frozenset(found)


def closure(path: Path) -> set[Path]:
    """A file and all files of this repository that it imports, directly or not."""
    seen: set[Path] = set()
    waiting = [path]
    while waiting:
        current = waiting.pop()
        if current not in seen:
            seen.add(current)
            waiting.extend(imported_files(current))
    return seen


def folder_of(path: Path) -> str:
    """`lib/geometry/rigid.py` -> geometry, `lib/anovox/format/files.py` -> anovox/format."""
    inside = path.relative_to("lib").parent.as_posix()
    return next((folder for folder in FOLDERS if f"{inside}/".startswith(f"{folder}/")), inside)


def code_of_lib() -> list[Path]:
    """All Python files of lib that hold something."""
    return [path for path in modules("lib") if path.name != "__init__.py"]


def pipeline() -> dict:
    document: dict = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
    return document


def test_the_walk_sees_the_repository():
    assert imported_files(Path("lib/geometry/calibration.py")) == {
        Path("lib/geometry/camera.py"),
        Path("lib/geometry/rigid.py"),
    }
    assert Path("lib/common/errors.py") in closure(Path("lib/model/model_params.py"))
    assert folder_of(Path("lib/simulator/anomalies/home.py")) == "simulator"


def test_each_module_has_its_folder_and_its_name():
    assert {folder_of(path) for path in code_of_lib()} == set(FOLDERS)
    names = [path.name for path in code_of_lib()]
    assert not {name for name in names if names.count(name) > 1}, "say what each of them holds"


def test_imports_point_downwards():
    wrong = []
    for path in code_of_lib():
        for target in imported_files(path):
            if target.parts[0] != "lib":
                wrong.append(f"{path} imports {target}, which is outside lib")
                continue
            importer, imported = folder_of(path), folder_of(target)
            if FOLDERS.index(imported) > FOLDERS.index(importer) or (importer, imported) in APART:
                wrong.append(f"{path} imports {target}, which is not below it")
    assert not wrong, "\n".join(wrong)


def test_tests_mirror_lib():
    folders = {path.relative_to("tests").parent.as_posix() for path in modules("tests")} - {".", "anovox"}
    assert {folder for folder in folders if folder.split("/")[0] not in NOT_OF_LIB} <= set(FOLDERS)


def test_no_import_cycles():
    done: set[Path] = set()

    def visit(path: Path, trail: tuple[Path, ...]) -> None:
        assert path not in trail, "import cycle: " + " -> ".join(map(str, (*trail[trail.index(path) :], path)))
        if path not in done:
            for target in imported_files(path):
                visit(target, (*trail, path))
            done.add(path)

    for path in modules("lib", "stages", "tools"):
        visit(path, ())


def uses_torch(path: Path) -> bool:
    return any(name.split(".")[0] == "torch" for name in imported_names(path))


def test_torch_only_where_it_is_needed():
    users = {folder_of(path) for path in code_of_lib() if uses_torch(path)}
    assert users == WITH_TORCH


@pytest.mark.parametrize("stage", ["check", "simulate", "preprocess", "track", "evaluate", "export", "plot"])
def test_stages_without_a_model_start_without_torch(stage):
    users = [str(path) for path in closure(Path(f"stages/{stage}.py")) if uses_torch(path)]
    assert not users, f"stages/{stage}.py loads torch through {users}"


def test_init_files_are_empty():
    inits = [path for path in modules("lib", "stages", "tools") if path.name == "__init__.py"]
    folders = {path.parent for path in modules("lib", "stages", "tools")}
    assert {path.parent for path in inits} == folders
    assert not [path for path in inits if (ROOT / path).read_text(encoding="utf-8")]


def test_files_and_functions_stay_short():
    long = []
    for path in modules("lib", "stages", "tools", "tests", "benchmarks"):
        lines = len((ROOT / path).read_text(encoding="utf-8").splitlines())
        if lines > MAX_FILE_LINES:
            long.append(f"{path}: {lines} lines")
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or 0) - node.lineno + 1
                if lines > MAX_FUNCTION_LINES:
                    long.append(f"{path}:{node.lineno}: {node.name} has {lines} lines")
    assert not long, "\n".join(long)


def test_every_third_party_import_is_declared_and_locked():
    run, dev, bench = (f"{name}requirements{kind}" for name, kind in (("", ""), ("", "-dev"), ("benchmarks/", "")))
    for folders, files in ((RUN, (run,)), ((*RUN, "tests", "benchmarks"), (run, dev, bench))):
        used, declared = third_party(*folders), {name for file in files for name in _requirements(f"{file}.in")}
        assert used <= declared, f"imported, but not in {files}: {sorted(used - declared)}"
    for file in (run, dev, bench):
        locked = _requirements(f"{file}.lock")
        assert set(_requirements(f"{file}.in")) <= set(locked), f"{file}.lock is older than {file}.in: run make lock"
        assert all(re.fullmatch(r"==[0-9][0-9a-z.!]*", version) for version in locked.values()), (
            "a version is not exact"
        )
    assert not set(_requirements(f"{run}.lock")) & set(_requirements(f"{dev}.lock"))


def test_the_package_asks_for_what_the_requirements_name():
    """By name; and what is no extra is what the stages cannot do without."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = {name: _names(lines) for name, lines in project["optional-dependencies"].items()}
    dev, bench = extras.pop("dev"), extras.pop("bench")
    assert set(dev) == set(_requirements("requirements-dev.in"))
    assert set(bench) == set(_requirements("benchmarks/requirements.in"))
    assert set(_names(project["dependencies"])).union(*extras.values()) == set(_requirements("requirements.in"))
    assert not set(_names(project["dependencies"])) & set().union(*extras.values())


def third_party(*folders: str) -> set[str]:
    """Packages of others that the code of some folders imports."""
    ours, owners = {*RUN, "tests", "benchmarks", "anovox_fusion"}, packages_distributions()
    tops = {name.split(".")[0] for path in modules(*folders) for name in imported_names(path)} - ours
    return {_normal(owners[top][0]) for top in tops if top in owners}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _requirements(file: str) -> dict[str, str]:
    lines = [line.split("#")[0].strip() for line in (ROOT / file).read_text(encoding="utf-8").splitlines()]
    return _names(lines)


def _names(lines: list[str]) -> dict[str, str]:
    """Name of a package, without its extras -> what else its line says."""
    matches = [re.match(r"([A-Za-z0-9._-]+)(?:\[.*?\])?(.*)", line) for line in lines if line]
    return {_normal(match[1]): match[2] for match in matches if match}


def test_pipeline_has_one_script_and_one_section_per_stage():
    stages = pipeline()["stages"]
    assert tuple(stages) == STAGES
    assert {path.stem for path in modules("stages")} == {"__init__", *STAGES}
    assert set(STAGES) - {"check", "export"} <= set(Params.model_fields)
    for name, stage in stages.items():
        assert stage["cmd"] == f"python -m stages.{name}"


@pytest.mark.parametrize("stage", STAGES)
def test_code_dependencies_are_the_folders_that_the_stage_imports_from(stage):
    """Exactly these: with one less, a change would be missed; with one more, it would run too much.

    `check` needs of other folders than lib/common the files with the sections of params.yaml alone, and `track` that of
    the model's.
    """
    code = [dep for dep in pipeline()["stages"][stage]["deps"] if dep.startswith(("lib", "stages"))]
    script = Path(f"stages/{stage}.py")
    files = sorted(closure(script) - {script}, key=lambda path: FOLDERS.index(folder_of(path)))
    alone = {path for path in files if stage == "check" and folder_of(path) != "common"}
    alone |= {Path("lib/model/model_params.py")} if stage == "track" else set()
    needed = dict.fromkeys(str(path if path in alone else Path("lib", folder_of(path))) for path in files)
    assert code == [str(script), *needed]


def test_nothing_but_code_lies_in_the_folders_of_code():
    """A stage depends on all that its folders hold; what Python compiles is out of them by .dvcignore."""
    listed = {dep for stage in pipeline()["stages"].values() for dep in stage["deps"] if dep.startswith("lib/")}
    files = {path for folder in listed for path in (ROOT / folder).rglob("*") if path.is_file()}
    assert {path.suffix for path in files if "__pycache__" not in path.parts} == {".py"}
    assert "__pycache__" in (ROOT / ".dvcignore").read_text(encoding="utf-8").splitlines()


def checked_sections(stage: str) -> list[str]:
    """The fields of a stage's class Params: the sections of params.yaml that it checks."""
    classes = [node for node in tree(Path(f"stages/{stage}.py")).body if isinstance(node, ast.ClassDef)]
    [params] = [node for node in classes if node.name == "Params"]
    fields = [field.target for field in params.body if isinstance(field, ast.AnnAssign)]
    return [target.id for target in fields if isinstance(target, ast.Name)]


def read_sections(stage: str) -> set[str]:
    """The sections that a stage reads, as `params.<section>`."""
    attributes = (node for node in ast.walk(tree(Path(f"stages/{stage}.py"))) if isinstance(node, ast.Attribute))
    return {node.attr for node in attributes if isinstance(node.value, ast.Name) and node.value.id == "params"}


@pytest.mark.parametrize("stage", STAGES)
def test_tracked_params_are_the_sections_that_the_stage_checks_and_reads(stage):
    checked = checked_sections(stage)
    assert pipeline()["stages"][stage]["params"] == [
        PARTS.get((stage, section), section)
        for section in checked
        if section != "execution" and (section != "data" or stage in ("check", "preprocess"))
    ]
    assert checked == [section for section in Params.model_fields if section in checked]
    assert stage == "check" or read_sections(stage) & set(Params.model_fields) == set(checked)


def test_sections_lie_in_the_folders_of_their_stages():
    """So that a new key of one section changes no folder that the stages before it depend on."""
    places = {name: field.annotation.__module__ for name, field in Params.model_fields.items()}
    assert places == {
        "data": "lib.common.params",
        "simulate": "lib.simulator.simulate_params",
        "preprocess": "lib.preprocessing.preprocess_params",
        "split": "lib.shards.split_params",
        "track": "lib.tracking.track_params",
        "model": "lib.model.model_params",
        "train": "lib.training.train_params",
        "predict": "lib.inference.predict_params",
        "evaluate": "lib.evaluation.evaluate_params",
        "plot": "lib.figures.plot_params",
        "execution": "lib.common.params",
    }


def test_only_stages_and_tools_read_params_yaml():
    """Else DVC could not know what a stage reads."""
    assert not [path for path in modules("lib") if "lib.common.params.load_params" in imported_names(path)]


def test_every_section_is_used_and_execution_is_tracked_nowhere():
    stages = pipeline()["stages"]
    tracked = {section for name, stage in stages.items() if name != "check" for section in stage["params"]}
    assert tracked == set(Params.model_fields) - {"data", "execution"} | set(PARTS.values())
    assert [name for name, stage in stages.items() if "${data.root}" in stage["deps"]] == ["preprocess"]
