"""A folder of AnoVox scenarios -> a folder of shards and its index, in parallel, one frame at a time."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from lib.anovox.format.configurations import read_configurations
from lib.anovox.format.folders import find_scenarios
from lib.anovox.format.recording import ScenarioConfig
from lib.anovox.reading.frames import ReadFrame, SkippedFrame, largest_usable_cloud, read_frames
from lib.anovox.reading.scenario import Sensors, largest_cloud, open_scenario
from lib.common.cache import Cache, code_fingerprint, fingerprint
from lib.common.errors import DataError, ParamsError
from lib.common.terminal import log
from lib.common.workers import processes_or_here, run_tasks
from lib.geometry.frame import Frame
from lib.preprocessing.conversion_cache import ConvertedScenario, files_state, keep, take
from lib.preprocessing.label_checks import Source
from lib.preprocessing.preprocess_params import PreprocessParams
from lib.preprocessing.resize import resize_frame
from lib.preprocessing.statistics import Problem, Statistics, data_metrics, frame_statistics
from lib.reading.findings import Finding, ScenarioError, ScenarioReason
from lib.shards.index import ShardEntry, write_index
from lib.shards.schema import Storage
from lib.shards.shard_writer import ShardWriter, padded_length


@dataclass(frozen=True)
class ScenarioPlan:
    """A scenario before its frames are read: the sizes (height, width) of its cameras' images, the size of its largest
    cloud, findings, and the state of its files (see conversion_cache).
    """

    path: Path
    config: ScenarioConfig | None
    sensors: Sensors
    image_sizes: tuple[tuple[int, int], ...]
    largest_cloud: int
    findings: tuple[Finding, ...]
    files_state: str | None


@dataclass(frozen=True)
class Job:
    """One scenario to convert: images to height x width, clouds to max_points, in the format of `storage`.

    `key`: of its entry in `cache`, which is None to convert without one.
    """

    plan: ScenarioPlan
    folder: Path
    height: int
    width: int
    max_points: int
    storage: Storage
    cache: Cache | None
    key: str


@dataclass(frozen=True, eq=False)
class ConvertedData:
    """A data set's index, statistics by scenario, each scenario's folder and configuration, the content of
    metrics/data.json, and the number of scenarios taken from the cache.
    """

    entries: tuple[ShardEntry, ...]
    statistics: dict[str, Statistics]
    sources: dict[str, Source]
    metrics: dict[str, dict[str, int | float]]
    reused: int


def convert_data_set(
    root: Path, folder: Path, params: PreprocessParams, workers: int, cache: Cache | None = None
) -> ConvertedData:
    """Write the shards of every usable scenario below `root`, and index.csv, into `folder`; log what is skipped.

    Shards are taken from `cache` if an earlier run made them from the same files with the same params and code; new
    ones are stored there as soon as their scenario is finished. The result is the same with and without the cache.

    Raises DataError if there is no scenario or no usable frame, ParamsError if images have several sizes and
    preprocess.image_height and image_width are not set.
    """
    findings: list[Finding] = []

    def report(finding: Finding) -> None:
        findings.append(finding)
        kind = "skipped scenario" if isinstance(finding.reason, ScenarioReason) else "noticed"
        log(f"{kind}: {finding.message}")

    paths = find_scenarios(root, report)
    configs = read_configurations(root, report)
    with processes_or_here(workers, len(paths)) as pool:
        tasks = [(path, configs.get(path.name), params.sensors) for path in paths]
        planned = run_tasks(pool, _plan, tasks, "listing", "scenario")
        plans = [plan for plan in planned if isinstance(plan, ScenarioPlan)]
        for plan in planned:
            for finding in plan.findings if isinstance(plan, ScenarioPlan) else [plan]:
                report(finding)
        if not plans:
            raise DataError(_nothing_usable(root, findings))
        jobs = _jobs(plans, folder, params, cache)
        converted = run_tasks(pool, _cached_or_converted, jobs, "converting", "scenario", _log_frames)
    usable = [scenario for scenario in converted if scenario.entries]
    skipped = [frame for scenario in converted for frame in scenario.skipped]
    if not usable:
        raise DataError(_nothing_usable(root, skipped))
    entries = tuple(entry for scenario in usable for entry in scenario.entries)
    write_index(folder, entries)
    statistics = {scenario.name: scenario.statistics for scenario in usable}
    problems: list[Problem] = [frame.reason for frame in skipped]
    problems += [finding.reason for finding in findings]
    problems += [ScenarioReason.NO_USABLE_FRAME] * (len(converted) - len(usable))
    metrics = data_metrics(statistics, [scenario.entries[0].type for scenario in usable], problems)
    sources = {s.name: (plan.path, plan.config) for s, plan in zip(converted, plans, strict=True)}
    return ConvertedData(entries, statistics, sources, metrics, sum(scenario.reused for scenario in converted))


def _plan(task: tuple[Path, ScenarioConfig | None, Sensors]) -> ScenarioPlan | Finding:
    path, config, sensors = task
    state = files_state(path)  # before any file is read, so that later changes are noticed
    try:
        scenario = open_scenario(path, config, sensors)
    except ScenarioError as error:
        return Finding(error.reason, str(error))
    sizes = tuple((view.camera.height_px, view.camera.width_px) for view in scenario.views)
    return ScenarioPlan(path, config, sensors, sizes, largest_cloud(scenario), scenario.findings, state)


def _jobs(plans: list[ScenarioPlan], folder: Path, params: PreprocessParams, cache: Cache | None) -> list[Job]:
    found = {size for plan in plans for size in plan.image_sizes}
    sizes = {(params.image_height or height, params.image_width or width) for height, width in found}
    if len(sizes) > 1:
        shown = ", ".join(f"{height} x {width}" for height, width in sorted(sizes))
        raise ParamsError(
            f"preprocess.image_height, preprocess.image_width: null, but the images differ in size ({shown}); set both"
        )
    [(height, width)] = sizes
    clouds = ((plan.largest_cloud, plan.path, plan.config) for plan in plans)
    max_points = params.max_points or padded_length(largest_usable_cloud(clouds, params.sensors))
    storage = Storage(params.compression, params.point_dtype)
    code, jobs = code_fingerprint("preprocess"), []
    for plan in plans:
        scenario = str(plan.path), plan.files_state, plan.config and asdict(plan.config), plan.sensors
        key = fingerprint(*scenario, height, width, max_points, asdict(storage), code)
        cached = cache if plan.files_state else None
        jobs.append(Job(plan, folder, height, width, max_points, storage, cached, key))
    return jobs


def _cached_or_converted(job: Job) -> ConvertedScenario:
    converted = take(job.cache, job.key, job.folder) if job.cache else None
    if converted is None:
        converted = _convert(job)
        if job.cache and files_state(job.plan.path) == job.plan.files_state:  # else they have changed meanwhile
            keep(job.cache, job.key, converted, job.folder)
    return converted


def _convert(job: Job) -> ConvertedScenario:
    scenario = open_scenario(job.plan.path, job.plan.config, job.plan.sensors)
    statistics, skipped = Statistics(), list[SkippedFrame]()
    before: dict[str, Frame] = {}
    shards: dict[Path, ShardWriter] = {}
    with ExitStack() as stack:
        for read in read_frames(scenario):
            if not isinstance(read, ReadFrame):
                skipped.append(read)
                continue
            camera = read.frame.camera_name
            statistics += frame_statistics(read, before.get(camera))
            before[camera] = read.frame
            frame = resize_frame(read.frame, job.height, job.width)
            path = job.folder / shard_file(frame)
            if path not in shards:
                place = scenario.config.town, scenario.config.weather_preset
                shards[path] = stack.enter_context(ShardWriter(path, frame, job.max_points, *place, job.storage))
            shards[path].append(frame)
        ids_seen = np.any([shard.ids_seen for shard in shards.values()], axis=0)
        entries = tuple(shard.finish(ids_seen) for shard in shards.values())
    return ConvertedScenario(scenario.config.name, entries, statistics, tuple(skipped))


def shard_file(frame: Frame) -> str:
    """File name of a frame's shard: the scenario's name, and the camera's if there are several."""
    return f"{frame.scenario}_{frame.camera_name}.h5" if frame.camera_name else f"{frame.scenario}.h5"


def _log_frames(scenario: ConvertedScenario) -> None:
    for message in dict.fromkeys(frame.message for frame in scenario.skipped):
        log(f"skipped frame: {message}")


def _nothing_usable(root: Path, problems: Sequence[Finding | SkippedFrame]) -> str:
    return f"{root}: no usable frame ({len(problems)} problems; the first: {problems[0].message}); check data.root"
