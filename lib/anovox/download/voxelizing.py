"""Missing VOXEL_GRID files, computed from the other sensors as by AnoVox's voxelize_separate.py."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from lib.anovox.format import files, layout, writing
from lib.anovox.format.configurations import read_configurations
from lib.anovox.format.folders import find_scenarios
from lib.anovox.format.recording import ScenarioConfig
from lib.anovox.reading.frames import compute_voxels
from lib.anovox.reading.scenario import Scenario, open_scenario
from lib.common.errors import DataError
from lib.common.outputs import atomic_file
from lib.common.workers import processes_or_here, run_tasks
from lib.geometry.voxels import voxel_keys
from lib.reading.file_errors import FileError
from lib.reading.findings import Finding, ScenarioError

MIN_COMMON_FRACTION = 0.9
"""Fraction of voxels that an existing grid and the computed one must have in common."""


@dataclass(frozen=True)
class VoxelizedScenario:
    """Number of grids written, number that existed before, and a message per frame or scenario left out."""

    written: int
    before: int
    left_out: tuple[str, ...]


def voxelize_data_set(
    root: Path, output: Path | None, voxel_size_m: float, workers: int, log: Callable[[str], None]
) -> tuple[VoxelizedScenario, ...]:
    """Write the missing grids of all scenarios below `root`, atomically, without overwriting any.

    They go into the scenario folders, or into folders of the same names below `output`. `workers`: 0 = one per core.
    `log` gets a message for whatever is left out. Raises DataError without a scenario, or if `output` is in `root`.
    """
    if output is not None and output.resolve() == root.resolve():
        output = None
    if output is not None and output.resolve().is_relative_to(root.resolve()):
        problem = f"is inside {root}, where its scenarios would be duplicates"
        raise DataError(f"{output}: {problem}; choose a folder outside it")

    def report(finding: Finding) -> None:
        log(finding.message)

    def log_scenario(scenario: VoxelizedScenario) -> None:
        for message in scenario.left_out:
            log(message)

    paths = find_scenarios(root, report)
    configs = read_configurations(root, report)
    tasks = [(path, configs.get(path.name), output / path.name if output else path) for path in paths]
    with processes_or_here(workers, len(tasks)) as pool:
        task = partial(_voxelize_scenario, voxel_size_m)
        return tuple(run_tasks(pool, task, tasks, "voxelizing", "scenario", log_scenario))


def _voxelize_scenario(voxel_size_m: float, task: tuple[Path, ScenarioConfig | None, Path]) -> VoxelizedScenario:
    path, config, target = task
    try:
        scenario = open_scenario(path, config, "all")
    except ScenarioError as error:
        return VoxelizedScenario(0, 0, (f"left out: {error}",))
    folder = target / layout.VOXEL_GRID
    if folder.is_symlink() or (target != path and target.is_symlink()):
        problem = "a symbolic link, through which no grid is written; write to another folder with --output"
        return VoxelizedScenario(0, 0, (f"left out: {folder}: {problem}",))
    existing = {layout.frame_id_of(file): file for file in folder.glob("*.npy")}
    if problem_found := _grid_problem(scenario, existing, voxel_size_m):
        return VoxelizedScenario(0, 0, (f"left out: {problem_found}",))
    written, before, left_out = 0, 0, list[str]()
    for frame_id in _frame_ids(scenario):
        if frame_id in existing:
            before += 1
            continue
        try:
            grid = compute_voxels(scenario, frame_id, voxel_size_m)
        except FileError as error:
            left_out.append(f"left out: frame {frame_id} of {path.name}: {error}")
            continue
        with atomic_file(target / layout.frame_file(layout.VOXEL_GRID, frame_id, ".npy")) as file:
            writing.write_array(file, grid)
        written += 1
    return VoxelizedScenario(written, before, tuple(left_out))


def _grid_problem(scenario: Scenario, existing: Mapping[int | None, Path], voxel_size_m: float) -> str | None:
    """Message about existing grids: one is not a file, or the first that can be recomputed differs; None if sound."""
    for file in existing.values():
        if not file.is_file():
            return f"{file}: not a file, but has a grid's name; move it away"
    for frame_id, file in existing.items():
        if frame_id is not None and frame_id in scenario.frame_ids:
            try:
                computed, found = compute_voxels(scenario, frame_id, voxel_size_m), files.read_voxels(file)
            except FileError:
                continue
            common = len(np.intersect1d(voxel_keys(computed), voxel_keys(found)))
            if common < MIN_COMMON_FRACTION * max(len(computed), len(found)):
                return f"{file}: a grid of another voxel size or of other sensors; delete it or choose another --output"
            break
    return None


def _frame_ids(scenario: Scenario) -> list[int]:
    """Ticks at which any sensor recorded data for the grid."""
    kinds = (layout.SEMANTIC_LIDAR, layout.DEPTH, layout.SEMANTIC)
    folders = [s.folder for s in scenario.setup.sensors if s.saved and s.kind in kinds]
    listings = [scenario.files[folder] for folder in folders if folder in scenario.files]
    return sorted({frame_id for listing in listings for frame_id in (*listing.paths, *listing.duplicates)})
