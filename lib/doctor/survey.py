"""Survey of a data set: all files by name, size and header, and some frames of each scenario read completely."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from lib.anovox.format import files, layout
from lib.anovox.format.clouds import check_semantic_cloud, cloud_size
from lib.anovox.format.configurations import read_configurations
from lib.anovox.format.folders import find_scenarios
from lib.anovox.format.recording import ScenarioConfig
from lib.anovox.reading.frames import optional_file, read_ego_state, read_frames, required_file
from lib.anovox.reading.scenario import Scenario, Sensors, largest_cloud, open_scenario, times_s
from lib.common.workers import processes_or_here, run_tasks
from lib.geometry.frame import Frame, ScenarioType
from lib.preprocessing.drive_facts import DriveFacts, drive_facts
from lib.preprocessing.pose_timing import compared_ticks, still_cloud
from lib.preprocessing.statistics import Problem, Statistics, data_metrics, frame_statistics
from lib.reading.file_errors import FileError
from lib.reading.findings import Finding, ScenarioError, ScenarioReason
from lib.reading.recorded_frames import ReadFrame, SkippedFrame
from lib.reading.timing import time_findings
from lib.shards.index import ShardEntry
from lib.shards.shard_writer import type_by_labels

Metrics = dict[str, dict[str, int | float]]


@dataclass(frozen=True, eq=False)
class SurveyedScenario:
    """Contents of a scenario.

    `frames`: number of all frames, one per tick and camera; `times_s`: of the ticks; `frames_before_anomaly`: frames of
    ticks before the first at which an anomaly was read; `skipped`: unusable ones; `statistics`: of the frames read
    completely, which took `read_seconds`. `config.type` is the type in its configuration or files, `type` the one
    according to its labels. `sensors`: all its sensors, as text. `image_sizes` (height, width) by camera.
    """

    path: Path
    config: ScenarioConfig
    type: ScenarioType
    sensors: str
    cameras: int
    lidar_channels: int
    image_sizes: tuple[tuple[int, int], ...]
    largest_cloud: int
    frames: int
    times_s: tuple[float, ...]
    frames_before_anomaly: int
    skipped: tuple[SkippedFrame, ...]
    statistics: Statistics
    read_seconds: float
    findings: tuple[Finding, ...]

    @property
    def usable_frames(self) -> int:
        """Number of frames that preprocess would use, as far as checked."""
        return self.frames - len(self.skipped)

    def entry(self) -> ShardEntry:
        """Expected index entry; the number of frames with an anomaly is extrapolated from the frames read."""
        fraction = self.statistics.frames_with_anomaly / max(1, self.statistics.frames)
        before = min(self.frames_before_anomaly, self.usable_frames)
        height, width = self.image_sizes[0]
        return ShardEntry(
            scenario=self.config.name,
            type=self.type,
            file=f"{self.config.name}.h5",
            frames=self.usable_frames,
            frames_with_anomaly=min(round(fraction * self.usable_frames), self.usable_frames - before),
            frames_before_anomaly=before,
            image_height=height,
            image_width=width,
            max_points=self.largest_cloud,
            lidar_channels=self.lidar_channels,
            town=self.config.town,
            weather=self.config.weather_preset,
        )


@dataclass(frozen=True, eq=False)
class Survey:
    """A data set's scenarios, `unusable` scenarios without any usable frame, and findings on scenarios and folders."""

    root: Path
    scenarios: tuple[SurveyedScenario, ...]
    unusable: tuple[SurveyedScenario, ...]
    findings: tuple[Finding, ...]
    has_configurations: bool

    @property
    def skipped(self) -> list[SkippedFrame]:
        """All frames that cannot be used."""
        return [frame for scenario in (*self.scenarios, *self.unusable) for frame in scenario.skipped]

    @property
    def statistics(self) -> dict[str, Statistics]:
        """Statistics of each usable scenario's frames that were read completely."""
        return {scenario.config.name: scenario.statistics for scenario in self.scenarios}

    def metrics(self) -> Metrics:
        """Content of metrics/data.json as preprocess would write it, for the frames read completely."""
        problems: list[Problem] = [frame.reason for frame in self.skipped]
        problems += [finding.reason for finding in self.findings]
        problems += [ScenarioReason.NO_USABLE_FRAME] * len(self.unusable)
        return data_metrics(self.statistics, [scenario.type for scenario in self.scenarios], problems)


def survey(root: Path, sensors: Sensors, frames_per_scenario: int, workers: int) -> Survey:
    """Survey a data set, several scenarios in parallel.

    `sensors` as preprocess.sensors; `frames_per_scenario` evenly spread ticks per scenario are read completely (0 =
    all). Raises DataError if `root` has no scenario.
    """
    findings: list[Finding] = []
    paths = find_scenarios(root, findings.append)
    configs = read_configurations(root, findings.append)
    tasks = [(path, configs.get(path.name)) for path in paths]
    with processes_or_here(workers, len(paths)) as pool:
        task = partial(survey_scenario, sensors, frames_per_scenario)
        surveyed = run_tasks(pool, task, tasks, "checking", "scenario")
    scenarios = [found for found in surveyed if isinstance(found, SurveyedScenario)]
    findings += [found for found in surveyed if isinstance(found, Finding)]
    findings += [finding for scenario in scenarios for finding in scenario.findings]
    findings += time_findings({scenario.config.name: scenario.times_s for scenario in scenarios})
    usable = tuple(scenario for scenario in scenarios if scenario.usable_frames)
    unusable = tuple(scenario for scenario in scenarios if not scenario.usable_frames)
    return Survey(root, usable, unusable, tuple(findings), bool(configs))


def survey_scenario(
    sensors: Sensors, frames: int, source: tuple[Path, ScenarioConfig | None]
) -> SurveyedScenario | Finding:
    """Survey one scenario; returns a Finding if it cannot be used at all."""
    try:
        scenario = open_scenario(*source, sensors)
    except ScenarioError as error:
        return Finding(error.reason, str(error))
    chosen = evenly_spread(scenario.frame_ids, frames)
    skipped = list(check_frames(scenario, sorted(set(scenario.frame_ids) - set(chosen))))
    statistics, start = Statistics(), time.perf_counter()
    before: dict[str, Frame] = {}
    previous = dict(zip(scenario.frame_ids[1:], scenario.frame_ids, strict=False))
    onset = scenario.frame_ids[-1] + 1
    for read in read_frames(scenario, chosen):
        if isinstance(read, ReadFrame):
            camera, frame_id = read.frame.camera_name, read.frame.frame_id
            last = before.get(camera)
            one = frame_statistics(read, last if last and last.frame_id == previous[frame_id] else None)
            onset = min(onset, frame_id) if one.frames_with_anomaly else onset
            statistics += one
            before[camera] = read.frame
        else:
            skipped.append(read)
    read_seconds = time.perf_counter() - start
    statistics += Statistics(drive=_drive(scenario))
    ids_seen = (statistics.point_classes > 0) | (statistics.pixel_classes > 0)
    return SurveyedScenario(
        path=scenario.path,
        config=scenario.config,
        type=type_by_labels(scenario.config.type, ids_seen),
        sensors=_sensors_in_words(scenario),
        cameras=len(scenario.views),
        lidar_channels=max(lidar.channels for lidar in scenario.lidars),
        image_sizes=tuple((view.camera.height_px, view.camera.width_px) for view in scenario.views),
        largest_cloud=largest_cloud(scenario),
        frames=len(scenario.frame_ids) * len(scenario.views),
        times_s=tuple(times_s(scenario).values()),
        frames_before_anomaly=sum(frame_id < onset for frame_id in scenario.frame_ids) * len(scenario.views),
        skipped=tuple(sorted(skipped, key=lambda frame: frame.frame_id)),
        statistics=statistics,
        read_seconds=read_seconds,
        findings=scenario.findings,
    )


def _drive(scenario: Scenario) -> DriveFacts:
    """Facts of the whole drive, by the poses of all ticks and the clouds of those that tell about their time."""
    ticks_s, poses = times_s(scenario), {}
    for frame_id, time_s in ticks_s.items():
        try:
            pose = read_ego_state(scenario, frame_id).world_SE3_ego
        except FileError:
            continue  # the frame is skipped, and the reader says why
        if pose is not None:
            poses[time_s] = pose
    needed = {time_s for pair in compared_ticks(poses) for time_s in pair}
    reads = read_frames(scenario, [frame_id for frame_id, time_s in ticks_s.items() if time_s in needed])
    clouds = [still_cloud(read.frame) for read in reads if isinstance(read, ReadFrame) and not read.shares_cloud]
    return drive_facts(tuple(ticks_s.values()), poses, [cloud for cloud in clouds if cloud is not None])


def evenly_spread(frame_ids: Sequence[int], number: int) -> tuple[int, ...]:
    """At most `number` of the frame ids, evenly spread from the first to the last; all if it is 0.

    They come in pairs of consecutive ticks, which are needed to detect a sensor that is delayed by a tick.
    """
    if number == 0 or number >= len(frame_ids):
        return tuple(frame_ids)
    pairs, single = divmod(number, 2)
    firsts = np.linspace(0, len(frame_ids) - 2 - single, pairs).round().astype(int)
    places = [int(place) for first in firsts for place in (first, first + 1)]
    return tuple(frame_ids[place] for place in (*places, *[len(frame_ids) - 1] * single))


def _sensors_in_words(scenario: Scenario) -> str:
    """Text such as `3 cameras of 512 x 768, 1 LiDAR of 64 channels`."""
    cameras = Counter((rig.args.image_height, rig.args.image_width) for rig in scenario.setup.cameras)
    lidars = Counter(rig.args.channels for rig in scenario.setup.lidars)
    words = [f"{n} camera{'s' * (n > 1)} of {height} x {width}" for (height, width), n in sorted(cameras.items())]
    words += [f"{n} LiDAR{'s' * (n > 1)} of {channels} channels" for channels, n in sorted(lidars.items())]
    return ", ".join(words)


def check_frames(scenario: Scenario, frame_ids: Iterable[int]) -> Iterator[SkippedFrame]:
    """Yield the frames that `read_frames` would skip, as far as names, sizes and headers show it.

    One SkippedFrame per tick and camera, as from `read_frames`; nothing for frames whose files pass the check.
    """
    for frame_id in frame_ids:
        try:
            _check_tick(scenario, frame_id)
        except FileError as error:
            yield from [SkippedFrame(frame_id, error.reason, str(error))] * len(scenario.views)
            continue
        for view in scenario.views:
            try:
                for kind in (layout.RGB, layout.DEPTH, layout.SEMANTIC):
                    path = required_file(scenario, view.rig.folders[kind], kind, frame_id)
                    files.check_image(path, view.camera.height_px, view.camera.width_px)
            except FileError as error:
                yield SkippedFrame(frame_id, error.reason, str(error))


def _check_tick(scenario: Scenario, frame_id: int) -> None:
    """Check the files that are common to all cameras; raises FileError."""
    for rig in scenario.lidar_rigs:
        cloud_size(required_file(scenario, rig.folders[layout.LIDAR], layout.LIDAR, frame_id))
        semantic = optional_file(scenario, rig.folders.get(layout.SEMANTIC_LIDAR), frame_id)
        if semantic is not None:
            check_semantic_cloud(semantic)
    voxels = optional_file(scenario, layout.VOXEL_GRID, frame_id)
    if voxels is not None:
        files.check_array(voxels, files.VOXEL_GRID)
    for kind in (layout.ACTION, layout.ANOMALY):
        text = optional_file(scenario, kind, frame_id)
        if text is not None:
            files.check_text(text)
