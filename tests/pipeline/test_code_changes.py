"""With real DVC: a changed module runs the stages that import from its folder, and nothing else."""

import pytest

from tests.dvc_project import STAGES, stages_run

pytestmark = pytest.mark.slow

# What a stage does anew is the same here, so DVC leaves out what only depends on results.
CHANGED = {
    "lib/common/outputs.py": STAGES,
    "lib/simulator/people.py": ["simulate"],
    "lib/anovox/reading/scenario.py": ["preprocess"],
    "lib/anovox/download/archives.py": [],
    "lib/tracking/lead.py": ["track"],
    "lib/synthesis/solids.py": ["train", "predict"],
    "lib/sensors/scan_pattern.py": ["train", "predict", "export"],
    "lib/model/fusion.py": ["train", "predict", "export"],
    "lib/model/model_params.py": ["check", "track", "train", "predict", "export"],
    "lib/training/losses.py": ["train"],
    "lib/inference/scores.py": ["predict", "export"],
    "lib/metrics/curves.py": ["evaluate", "export", "plot"],
    "lib/evaluation/pools.py": ["evaluate", "export", "plot"],
    "lib/evaluation/evaluate_params.py": ["check", "evaluate", "export", "plot"],
    "lib/export/model_card.py": ["export"],
    "lib/training/train_params.py": ["check", "train"],
    "lib/figures/curves_figure.py": ["plot"],
    "lib/study/score_choice.py": [],
}


def change(project, file):
    path = project.root / file
    path.write_text(path.read_text(encoding="utf-8") + "\n# changed\n", encoding="utf-8")


def test_which_stages_a_changed_module_makes_stale(project):
    found = {}
    for file in CHANGED:
        own = (project.root / file).read_bytes()
        change(project, file)
        found[file] = stages_run(project.dvc("repro", "--dry"))
        (project.root / file).write_bytes(own)
    assert found == CHANGED


def test_a_new_metric_trains_and_predicts_nothing(project):
    change(project, "lib/metrics/curves.py")
    assert stages_run(project.dvc("repro")) == ["evaluate", "export", "plot"]


def test_a_new_key_of_a_section_runs_the_stages_that_read_the_section(project):
    file, params = project.root / "lib/evaluation/evaluate_params.py", project.root / "params.yaml"
    file.write_text(file.read_text(encoding="utf-8") + "    new_key: Fraction\n", encoding="utf-8")
    text = params.read_text(encoding="utf-8")
    params.write_text(text.replace("evaluate:\n", "evaluate:\n  new_key: 0.5\n"), encoding="utf-8")
    assert stages_run(project.dvc("repro")) == ["check", "evaluate", "export", "plot"]


def test_a_class_colour_makes_the_label_sheets_anew_and_trains_nothing(project):
    """The shards come out as they were."""
    change(project, "lib/preprocessing/label_colors.py")
    assert stages_run(project.dvc("repro")) == ["preprocess"]


def test_compiled_files_are_no_change(project):
    for folder in {path.parent for path in (project.root / "lib").rglob("*.py")}:
        (folder / "__pycache__").mkdir(exist_ok=True)
        (folder / "__pycache__" / "compiled.cpython-311.pyc").write_bytes(b"anything")
    assert project.run("python", "-m", "dvc", "status", "-q").returncode == 0
    assert project.ok("git", "status", "--porcelain") == ""
