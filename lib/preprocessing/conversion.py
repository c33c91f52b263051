"""A folder of recordings in any format -> a folder of shards and its index, in parallel, one frame at a time."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from lib.common.cache import Cache, code_fingerprint, fingerprint
from lib.common.errors import DataError, ParamsError
from lib.common.params import DataFormat
from lib.common.terminal import log
from lib.common.workers import processes_or_here, run_tasks
from lib.geometry.frame import Frame
from lib.preprocessing.conversion_cache import ConvertedScenario, files_state, keep, take
from lib.preprocessing.data_formats import find_recordings
from lib.preprocessing.drive_facts import drive_facts
from lib.preprocessing.odometry import Odometry, require_odometry
from lib.preprocessing.pose_timing import Matrix, StillCloud, still_cloud
from lib.preprocessing.preprocess_params import PreprocessParams
from lib.preprocessing.resize import resize_frame
from lib.preprocessing.statistics import Problem, Statistics, data_metrics, frame_statistics
from lib.reading.findings import Finding, ScenarioReason
from lib.reading.recorded_frames import Opener, ReadFrame, Recording, SkippedFrame, largest_usable_cloud, open_recording
from lib.reading.timing import time_findings
from lib.shards.index import ShardEntry, write_index
from lib.shards.schema import Storage
from lib.shards.shard_writer import ShardWriter, padded_length


@dataclass(frozen=True)
class Job:
    """One recording to convert: images to height x width, clouds to max_points, in the format of `storage`.

    `files`: state of its files when it was opened. `odometry`: whether poses are found from the clouds. `key`: of its
    entry in `cache`, which is None to convert without one.
    """

    recording: Recording
    files: str | None
    folder: Path
    height: int
    width: int
    max_points: int
    storage: Storage
    odometry: bool
    cache: Cache | None
    key: str


@dataclass(frozen=True, eq=False)
class _Drive:
    """What `drive_facts` needs of the ticks so far."""

    times_s: list[float | None]
    poses: dict[float, Matrix]
    clouds: list[StillCloud]

    def add(self, frame: Frame) -> None:
        """Take note of the next tick; the clouds of short recordings tell nothing, and are few."""
        self.times_s.append(frame.time_s)
        cloud = still_cloud(frame)
        if cloud is not None:
            self.poses[cloud.time_s] = cloud.world_SE3_ego
            self.clouds.append(cloud)


@dataclass(frozen=True, eq=False)
class ConvertedData:
    """A data set's index, statistics by scenario, what opens each scenario, the content of metrics/data.json, and the
    number of scenarios taken from the cache.
    """

    entries: tuple[ShardEntry, ...]
    statistics: dict[str, Statistics]
    sources: dict[str, Opener]
    metrics: dict[str, dict[str, int | float]]
    reused: int


def convert_data_set(
    root: Path,
    folder: Path,
    params: PreprocessParams,
    workers: int,
    cache: Cache | None = None,
    data_format: DataFormat = "anovox",
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

    openers = find_recordings(data_format, root, params.sensors, report)
    with processes_or_here(workers, len(openers)) as pool:
        opened = run_tasks(pool, _opened, openers, "listing", "scenario")
        for found in opened:
            for finding in found[0].findings if isinstance(found, tuple) else [found]:
                report(finding)
        usable = [(opener, *found) for opener, found in zip(openers, opened, strict=True) if isinstance(found, tuple)]
        if not usable:
            raise DataError(_nothing_usable(root, findings))
        _check_names([recording for _, recording, _ in usable])
        for finding in time_findings({each.name: tuple(each.times_s.values()) for _, each, _ in usable}):
            report(finding)
        jobs = _jobs(usable, folder, params, cache)
        results = run_tasks(pool, _cached_or_converted, jobs, "converting", "scenario", _log_frames)
    converted = [scenario for scenario in results if scenario.entries]
    skipped = [frame for scenario in results for frame in scenario.skipped]
    if not converted:
        raise DataError(_nothing_usable(root, skipped))
    entries = tuple(entry for scenario in converted for entry in scenario.entries)
    write_index(folder, entries)
    statistics = {scenario.name: scenario.statistics for scenario in converted}
    problems: list[Problem] = [frame.reason for frame in skipped]
    problems += [finding.reason for finding in findings]
    problems += [ScenarioReason.NO_USABLE_FRAME] * (len(results) - len(converted))
    metrics = data_metrics(statistics, [scenario.entries[0].type for scenario in converted], problems)
    sources = {recording.name: opener for opener, recording, _ in usable}
    return ConvertedData(entries, statistics, sources, metrics, sum(scenario.reused for scenario in results))


def _opened(opener: Opener) -> tuple[Recording, str | None] | Finding:
    """Open a recording, with the state of its files from before its frames are read, so that changes are noticed."""
    recording = open_recording(opener)
    return (recording, files_state(recording.folders)) if isinstance(recording, Recording) else recording


def _check_names(recordings: Sequence[Recording]) -> None:
    """Raise DataError if two recordings have one name, which is that of their shards."""
    first: dict[str, Path] = {}
    for recording in recordings:
        path = first.setdefault(recording.name, recording.path)
        if path != recording.path:
            raise DataError(f"{path} and {recording.path} both become the recording {recording.name}; rename one")


def _jobs(
    usable: Sequence[tuple[Opener, Recording, str | None]], folder: Path, params: PreprocessParams, cache: Cache | None
) -> list[Job]:
    found = {size for _, recording, _ in usable for size in recording.image_sizes}
    sizes = {(params.image_height or height, params.image_width or width) for height, width in found}
    if len(sizes) > 1:
        shown = ", ".join(f"{height} x {width}" for height, width in sorted(sizes))
        raise ParamsError(
            f"preprocess.image_height, preprocess.image_width: null, but the images differ in size ({shown}); set both"
        )
    [(height, width)] = sizes
    clouds = ((recording.largest_cloud, opener) for opener, recording, _ in usable)
    max_points = params.max_points or padded_length(largest_usable_cloud(clouds))
    storage = Storage(params.compression, params.point_dtype)
    odometry = require_odometry() if params.poses == "odometry" else None
    code, jobs = code_fingerprint("preprocess"), []
    for _, recording, files in usable:
        read = str(recording.path), recording.name, files, recording.settings
        key = fingerprint(*read, height, width, max_points, asdict(storage), odometry, code)
        written = folder, height, width, max_points, storage, odometry is not None
        jobs.append(Job(recording, files, *written, cache if files else None, key))
    return jobs


def _cached_or_converted(job: Job) -> ConvertedScenario:
    converted = take(job.cache, job.key, job.folder) if job.cache else None
    if converted is None:
        converted = _convert(job)
        if job.cache and files_state(job.recording.folders) == job.files:  # else they have changed meanwhile
            keep(job.cache, job.key, converted, job.folder)
    return converted


def _convert(job: Job) -> ConvertedScenario:
    statistics, skipped = Statistics(), list[SkippedFrame]()
    before: dict[str, Frame] = {}
    shards: dict[Path, ShardWriter] = {}
    drive, odometry, pose = _Drive([], {}, []), Odometry() if job.odometry else None, None
    with ExitStack() as stack:
        for read in job.recording.frames(None):
            if not isinstance(read, ReadFrame):
                skipped.append(read)
                continue
            if odometry is not None:
                pose = pose if read.shares_cloud else odometry.pose(read.frame)
                read = replace(read, frame=replace(read.frame, world_SE3_ego=pose))
            camera = read.frame.camera_name
            statistics += frame_statistics(read, before.get(camera))
            before[camera] = read.frame
            if not read.shares_cloud:
                drive.add(read.frame)
            frame = resize_frame(read.frame, job.height, job.width)
            path = job.folder / shard_file(frame)
            if path not in shards:
                place = job.recording.town, job.recording.weather
                shards[path] = stack.enter_context(ShardWriter(path, frame, job.max_points, *place, job.storage))
            shards[path].append(frame)
        ids_seen = np.any([shard.ids_seen for shard in shards.values()], axis=0)
        entries = tuple(shard.finish(ids_seen) for shard in shards.values())
    statistics += Statistics(drive=drive_facts(drive.times_s, drive.poses, drive.clouds))
    return ConvertedScenario(job.recording.name, entries, statistics, tuple(skipped))


def shard_file(frame: Frame) -> str:
    """File name of a frame's shard: the scenario's name, and the camera's if there are several."""
    return f"{frame.scenario}_{frame.camera_name}.h5" if frame.camera_name else f"{frame.scenario}.h5"


def _log_frames(scenario: ConvertedScenario) -> None:
    for message in dict.fromkeys(frame.message for frame in scenario.skipped):
        log(f"skipped frame: {message}")


def _nothing_usable(root: Path, problems: Sequence[Finding | SkippedFrame]) -> str:
    return f"{root}: no usable frame ({len(problems)} problems; the first: {problems[0].message}); check data.root"
