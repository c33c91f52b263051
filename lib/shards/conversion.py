"""A folder of AnoVox scenarios -> a folder of shards and its index, in parallel, one frame at a time."""

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tqdm import tqdm

from lib.anovox.configurations import read_configurations
from lib.anovox.findings import Finding, Notice, ScenarioError, ScenarioReason
from lib.anovox.folders import find_scenarios
from lib.anovox.reader import ReadFrame, SkippedFrame, read_frames
from lib.anovox.recording import ScenarioConfig
from lib.anovox.scenario import Sensors, largest_cloud, open_scenario
from lib.errors import DataError, ParamsError
from lib.frame import Frame
from lib.params import PreprocessParams
from lib.shards.index import ShardEntry, shard_entry, write_index
from lib.shards.reader import read_shard
from lib.shards.resize import resize_frame
from lib.shards.schema import Storage
from lib.shards.statistics import Statistics, data_metrics, frame_statistics
from lib.shards.writer import ShardWriter, padded_length
from lib.workers import processes_or_thread, run_tasks


@dataclass(frozen=True)
class ScenarioPlan:
    """What is known of a scenario before its frames are read: the sizes (height, width) of its cameras' images, the
    size of its largest cloud, and what is wrong with it.
    """

    path: Path
    config: ScenarioConfig | None
    sensors: Sensors
    image_sizes: tuple[tuple[int, int], ...]
    largest_cloud: int
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Job:
    """One scenario to convert: images to height x width, clouds to max_points, stored as `storage` says."""

    plan: ScenarioPlan
    folder: Path
    height: int
    width: int
    max_points: int
    storage: Storage


@dataclass(frozen=True, eq=False)
class ConvertedScenario:
    """A scenario's shards, one per camera, its counts and skipped frames; no `entries` when no frame could be used."""

    name: str
    entries: tuple[ShardEntry, ...]
    statistics: Statistics
    skipped: tuple[SkippedFrame, ...]


@dataclass(frozen=True, eq=False)
class ConvertedData:
    """A data set's index, its statistics by scenario, and the content of metrics/data.json."""

    entries: tuple[ShardEntry, ...]
    statistics: dict[str, Statistics]
    metrics: dict[str, dict[str, int | float]]


def convert_data_set(root: Path, folder: Path, params: PreprocessParams, workers: int) -> ConvertedData:
    """Write the shards of every usable scenario below `root`, and index.csv, into `folder`; name what is left out.

    Raises DataError when there is no scenario or no usable frame, ParamsError when images of several sizes meet
    without preprocess.image_height and image_width.
    """
    findings = _Findings()
    paths = find_scenarios(root, findings.add)
    configs = read_configurations(root, findings.add)
    with processes_or_thread(workers, len(paths)) as pool:
        tasks = [(path, configs.get(path.name), params.sensors) for path in paths]
        planned = run_tasks(pool, _plan, tasks, "listing", "scenario")
        plans = [plan for plan in planned if isinstance(plan, ScenarioPlan)]
        for plan in planned:
            for finding in plan.findings if isinstance(plan, ScenarioPlan) else [plan]:
                findings.add(finding)
        if not plans:
            raise DataError(_nothing_usable(root, [finding.message for finding in findings.found]))
        converted = run_tasks(pool, _convert, _jobs(plans, folder, params), "converting", "scenario", _log_frames)
    entries = tuple(entry for scenario in converted for entry in scenario.entries)
    skipped_frames = [frame for scenario in converted for frame in scenario.skipped]
    if not entries:
        raise DataError(_nothing_usable(root, [frame.message for frame in skipped_frames]))
    write_index(folder, entries)
    statistics = {scenario.name: scenario.statistics for scenario in converted if scenario.entries}
    reasons = [finding.reason for finding in findings.found]
    metrics = data_metrics(
        statistics,
        [scenario.entries[0].type for scenario in converted if scenario.entries],
        [frame.reason for frame in skipped_frames],
        [reason for reason in reasons if isinstance(reason, ScenarioReason)]
        + [ScenarioReason.NO_USABLE_FRAME for scenario in converted if not scenario.entries],
        [reason for reason in reasons if isinstance(reason, Notice)],
    )
    return ConvertedData(entries, statistics, metrics)


@dataclass
class _Findings:
    """What was found wrong so far, each said in the log."""

    found: list[Finding] = field(default_factory=list)

    def add(self, finding: Finding) -> None:
        self.found.append(finding)
        kind = "skipped scenario" if isinstance(finding.reason, ScenarioReason) else "noticed"
        tqdm.write(f"{kind}: {finding.message}")


def _plan(task: tuple[Path, ScenarioConfig | None, Sensors]) -> ScenarioPlan | Finding:
    path, config, sensors = task
    try:
        scenario = open_scenario(path, config, sensors)
    except ScenarioError as error:
        return Finding(error.reason, str(error))
    sizes = tuple((view.camera.height_px, view.camera.width_px) for view in scenario.views)
    return ScenarioPlan(path, config, sensors, sizes, largest_cloud(scenario), scenario.findings)


def _jobs(plans: list[ScenarioPlan], folder: Path, params: PreprocessParams) -> list[Job]:
    found = {size for plan in plans for size in plan.image_sizes}
    sizes = {(params.image_height or height, params.image_width or width) for height, width in found}
    if len(sizes) > 1:
        shown = ", ".join(f"{height} x {width}" for height, width in sorted(sizes))
        raise ParamsError(
            f"preprocess.image_height, preprocess.image_width: null, but the images differ in size ({shown}); set both"
        )
    [(height, width)] = sizes
    max_points = params.max_points or padded_length(max(plan.largest_cloud for plan in plans))
    storage = Storage(params.compression, params.point_dtype)
    return [Job(plan, folder, height, width, max_points, storage) for plan in plans]


def _convert(job: Job) -> ConvertedScenario:
    scenario = open_scenario(job.plan.path, job.plan.config, job.plan.sensors)
    statistics, skipped = Statistics(), list[SkippedFrame]()
    shards: dict[Path, ShardWriter] = {}
    with ExitStack() as stack:
        for read in read_frames(scenario):
            if not isinstance(read, ReadFrame):
                skipped.append(read)
                continue
            statistics += frame_statistics(read)
            frame = resize_frame(read.frame, job.height, job.width)
            path = job.folder / shard_file(frame)
            if path not in shards:
                place = scenario.config.town, scenario.config.weather_preset
                shards[path] = stack.enter_context(ShardWriter(path, frame, job.max_points, *place, job.storage))
            shards[path].append(frame)
        ids_seen = np.any([shard.ids_seen for shard in shards.values()], axis=0)
        for shard in shards.values():
            shard.finish(ids_seen)
    entries = tuple(shard_entry(read_shard(path)) for path in shards)
    return ConvertedScenario(scenario.config.name, entries, statistics, tuple(skipped))


def shard_file(frame: Frame) -> str:
    """The name of the shard that a frame goes to: its scenario's, and its camera's where there are several."""
    return f"{frame.scenario}_{frame.camera_name}.h5" if frame.camera_name else f"{frame.scenario}.h5"


def _log_frames(scenario: ConvertedScenario) -> None:
    for message in dict.fromkeys(frame.message for frame in scenario.skipped):
        tqdm.write(f"skipped frame: {message}")


def _nothing_usable(root: Path, messages: list[str]) -> str:
    return f"{root}: no usable frame ({len(messages)} problems; the first: {messages[0]}); check data.root"
