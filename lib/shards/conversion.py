"""A folder of AnoVox scenarios -> a folder of shards and its index, in parallel, one frame at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from tqdm import tqdm

from lib.anovox.reader import ReadFrame, SkippedFrame, read_frames
from lib.anovox.recording import ScenarioConfig
from lib.anovox.scenario import (
    Scenario,
    ScenarioError,
    ScenarioReason,
    find_scenarios,
    largest_cloud,
    open_scenario,
    read_configurations,
)
from lib.errors import DataError, ParamsError
from lib.frame import Frame
from lib.params import PreprocessParams
from lib.shards.index import ShardEntry, shard_entry, write_index
from lib.shards.reader import read_shard
from lib.shards.resize import resize_frame
from lib.shards.statistics import Statistics, data_metrics, frame_statistics
from lib.shards.writer import padded_length, write_shard
from lib.workers import processes_or_thread, run_tasks


@dataclass(frozen=True)
class ScenarioPlan:
    """What is known of a scenario before its frames are read: the size of its images and of its largest cloud."""

    path: Path
    config: ScenarioConfig | None
    image_height: int
    image_width: int
    largest_cloud: int


@dataclass(frozen=True)
class SkippedScenario:
    """A scenario that cannot be used: why, for the counts, and the sentence for the log."""

    reason: ScenarioReason
    message: str


@dataclass(frozen=True)
class Job:
    """One scenario to convert: images to height x width, clouds to max_points."""

    plan: ScenarioPlan
    folder: Path
    height: int
    width: int
    max_points: int


@dataclass(frozen=True, eq=False)
class ConvertedScenario:
    """A scenario's shard, counts and skipped frames; `entry` is None when no frame could be used."""

    name: str
    entry: ShardEntry | None
    statistics: Statistics
    skipped: tuple[SkippedFrame, ...]


@dataclass(frozen=True, eq=False)
class ConvertedData:
    """A data set's index, each shard's statistics by its scenario, and the content of metrics/data.json."""

    entries: tuple[ShardEntry, ...]
    statistics: dict[str, Statistics]
    metrics: dict[str, dict[str, int | float]]


def convert_data_set(root: Path, folder: Path, params: PreprocessParams, workers: int) -> ConvertedData:
    """Write a shard per usable scenario below `root`, and index.csv, into `folder`; name in the log what is left out.

    Raises DataError when there is no scenario or no usable frame, ParamsError when images of several sizes meet
    without preprocess.image_height and image_width.
    """
    paths = find_scenarios(root)
    configs = read_configurations(root)
    with processes_or_thread(workers, len(paths)) as pool:
        tasks = [(path, configs.get(path.name)) for path in paths]
        planned = run_tasks(pool, _plan, tasks, "listing", "scenario", _log_plan)
        plans = [plan for plan in planned if isinstance(plan, ScenarioPlan)]
        skipped_scenarios = [plan for plan in planned if isinstance(plan, SkippedScenario)]
        if not plans:
            raise DataError(_nothing_usable(root, [skipped.message for skipped in skipped_scenarios]))
        converted = run_tasks(pool, _convert, _jobs(plans, folder, params), "converting", "scenario", _log_frames)
    entries = tuple(scenario.entry for scenario in converted if scenario.entry)
    skipped_frames = [frame for scenario in converted for frame in scenario.skipped]
    if not entries:
        raise DataError(_nothing_usable(root, [frame.message for frame in skipped_frames]))
    write_index(folder, entries)
    statistics = {scenario.name: scenario.statistics for scenario in converted if scenario.entry}
    metrics = data_metrics(
        statistics,
        [entry.type for entry in entries],
        [frame.reason for frame in skipped_frames],
        [skipped.reason for skipped in skipped_scenarios]
        + [ScenarioReason.NO_USABLE_FRAME for scenario in converted if not scenario.entry],
    )
    return ConvertedData(entries, statistics, metrics)


def _plan(task: tuple[Path, ScenarioConfig | None]) -> ScenarioPlan | SkippedScenario:
    path, config = task
    try:
        scenario = open_scenario(path, config)
    except ScenarioError as error:
        return SkippedScenario(error.reason, str(error))
    height, width = scenario.camera.height_px, scenario.camera.width_px
    return ScenarioPlan(path, config, height, width, largest_cloud(scenario))


def _jobs(plans: list[ScenarioPlan], folder: Path, params: PreprocessParams) -> list[Job]:
    sizes = {(params.image_height or p.image_height, params.image_width or p.image_width) for p in plans}
    if len(sizes) > 1:
        shown = ", ".join(f"{height} x {width}" for height, width in sorted(sizes))
        raise ParamsError(
            f"preprocess.image_height, preprocess.image_width: null, but the images differ in size ({shown}); set both"
        )
    [(height, width)] = sizes
    max_points = params.max_points or padded_length(max(plan.largest_cloud for plan in plans))
    return [Job(plan, folder, height, width, max_points) for plan in plans]


def _convert(job: Job) -> ConvertedScenario:
    scenario = open_scenario(job.plan.path, job.plan.config)
    config = scenario.config
    statistics: list[Statistics] = []
    skipped: list[SkippedFrame] = []
    frames = _usable_frames(scenario, job, statistics, skipped)
    first = next(frames, None)
    entry = None
    if first is not None:
        path = job.folder / f"{config.name}.h5"
        write_shard(path, chain([first], frames), job.max_points, config.town, config.weather_preset)
        entry = shard_entry(read_shard(path))
    return ConvertedScenario(config.name, entry, sum(statistics, Statistics()), tuple(skipped))


def _usable_frames(
    scenario: Scenario, job: Job, statistics: list[Statistics], skipped: list[SkippedFrame]
) -> Iterator[Frame]:
    """The scenario's usable frames, resized; what passes by is counted in `statistics` and `skipped`."""
    for read in read_frames(scenario):
        if isinstance(read, ReadFrame):
            statistics.append(frame_statistics(read))
            yield resize_frame(read.frame, job.height, job.width)
        else:
            skipped.append(read)


def _log_plan(plan: ScenarioPlan | SkippedScenario) -> None:
    if isinstance(plan, SkippedScenario):
        tqdm.write(f"skipped scenario: {plan.message}")


def _log_frames(scenario: ConvertedScenario) -> None:
    for frame in scenario.skipped:
        tqdm.write(f"skipped frame: {frame.message}")


def _nothing_usable(root: Path, messages: list[str]) -> str:
    return f"{root}: no usable frame ({len(messages)} problems; the first: {messages[0]}); check data.root"
