"""Recordings scored frame by frame: what cannot be read is noted, and the rest goes on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Final

import numpy as np

from lib.anovox.reading.scenario import Sensors
from lib.common.errors import DataError
from lib.common.params import DataFormat
from lib.common.ticks import SINGLE_FRAME
from lib.detection.anomaly_detector import AnomalyDetector
from lib.detection.detections import Detections
from lib.detection.frame_history import FrameHistory
from lib.detection.sensor_match import scaled_to_training
from lib.inference.threads import Threads
from lib.loading.frame_windows import FrameWindow
from lib.preprocessing.data_formats import find_recordings, guess_format
from lib.reading.findings import Finding, ScenarioReason
from lib.reading.recorded_frames import Opener, ReadFrame, Recording, SkippedFrame, open_recording
from lib.sensors.sensor_statistics import evenly_spread, measure
from lib.shards.sequences import is_sequence_at
from lib.views.range_view import RangeGrid

MEASURED_FRAMES: Final = 40
"""So many frames at most tell how the sensors differ from the training's."""


@dataclass(frozen=True, eq=False)
class ScoredFrame:
    """A frame as it was read, and its detections."""

    read: ReadFrame
    detections: Detections


_Waiting = tuple[ReadFrame, FrameWindow]
"""A frame that waits for the others of its batch."""


@dataclass
class Recordings:
    """Recordings found in some folders. `failures`: what cannot be used, a sentence each, growing as frames are read;
    `notes`: what else was noticed.
    """

    openers: list[Opener] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def opened(self) -> Iterator[Recording]:
        """Open one after another."""
        for opener in self.openers:
            found = open_recording(opener)
            if isinstance(found, Finding):
                self.failures.append(found.message)
            else:
                self.notes += [finding.message for finding in found.findings]
                yield found


def find_all(folders: Sequence[Path], data_format: DataFormat | None, sensors: Sensors) -> Recordings:
    """Find the recordings in folders of one format, or each of the format that it looks like."""
    found = Recordings()

    def report(finding: Finding) -> None:
        (found.failures if isinstance(finding.reason, ScenarioReason) else found.notes).append(finding.message)

    for folder in folders:
        try:
            chosen = data_format or guess_format(folder)
            found.openers += find_recordings(chosen, folder, sensors, report, labelled=False)
        except DataError as error:
            found.failures.append(str(error))
    return found


def score_recording(
    detector: AnomalyDetector, recording: Recording, threads: Threads, failures: list[str], notes: list[str]
) -> Iterator[ScoredFrame]:
    """Score a recording's frames, camera by camera where there are several; what is skipped goes to `failures`.

    A detector with a window sees them as a stream, in the order of time; `notes` says which are scored without a past.
    Frames are scored in the batches in which `predict` scores those of a shard, so that scores are equal to the bit.
    """
    grids: dict[str, RangeGrid] = {}

    def score(batch: Sequence[_Waiting]) -> list[ScoredFrame]:
        frames = [read.frame for read, _ in batch]
        scored = detector.score_windows(frames, [window for _, window in batch], grids[frames[0].camera_name])
        return [ScoredFrame(read, detections) for (read, _), detections in zip(batch, scored, strict=True)]

    def batches() -> Iterator[list[_Waiting]]:
        waiting: dict[str, list[_Waiting]] = {}
        for read, window in _with_pasts(detector, recording, failures, notes):
            camera = read.frame.camera_name
            waiting.setdefault(camera, []).append((read, window))
            if len(waiting[camera]) == detector.record.predict.batch_size:
                yield with_grid(waiting.pop(camera))
        yield from map(with_grid, waiting.values())

    def with_grid(batch: list[_Waiting]) -> list[_Waiting]:
        """A camera's first batch sets its range view: a poor first cloud does not say what the LiDAR is like."""
        largest = max((read.frame for read, _ in batch), key=lambda frame: len(frame.points))
        if largest.camera_name not in grids:
            grids[largest.camera_name] = detector.range_view(largest)
        return batch

    return chain.from_iterable(threads.map(score, batches()))


def _with_pasts(
    detector: AnomalyDetector, recording: Recording, failures: list[str], notes: list[str]
) -> Iterator[_Waiting]:
    """The frames of a recording that can be read, with what came before them."""
    times_s = np.array([recording.times_s.get(frame_id, np.nan) for frame_id in recording.cloud_sizes])
    # As stage `track` does it, and so the training: what is no sequence has no vehicle that is followed.
    sequence = is_sequence_at(times_s)
    # The ids that the reader gives are in the order of time, unless a clock goes back.
    ordered = bool(np.isfinite(times_s).all() and (np.diff(times_s) >= 0).all())
    histories: dict[str, FrameHistory] = {}
    frames, posed = 0, 0
    for read in recording.frames(None):
        if isinstance(read, SkippedFrame):
            failures.append(read.message)
            continue
        frame = read.frame
        frames, posed = frames + 1, posed + (frame.world_SE3_ego is not None)
        if frame.camera_name not in histories:
            histories[frame.camera_name] = detector.history(followed=sequence)
        past = histories[frame.camera_name]
        yield read, past.window(frame if ordered else replace(frame, time_s=None))
    if detector.window == SINGLE_FRAME or not frames:
        return
    if not ordered:
        notes.append(f"{recording.name}: times are missing or go back, so its frames are scored without a past")
    elif posed < frames:
        unposed = f"{frames - posed} of {frames} frames have no pose"
        notes.append(f"{recording.name}: {unposed}, so these are scored without a past")
    elif not sequence:
        notes.append(f"{recording.name}: is not at 10 Hz for a second, so that no vehicle ahead is followed")


def sensor_differences(detector: AnomalyDetector, recordings: Sequence[Recording]) -> list[str]:
    """Sentences on what in some of the frames, spread evenly, lies far from the training's."""
    some = evenly_spread(recordings, MEASURED_FRAMES) if recordings else []
    share = max(MEASURED_FRAMES // max(len(some), 1), 1)
    reads = (read for each in some for read in each.frames(evenly_spread(list(each.cloud_sizes), share)))
    frames = [scaled_to_training(r.frame, detector.trained_sensors) for r in reads if isinstance(r, ReadFrame)]
    return detector.trained_sensors.differences(measure(frames)) if frames else []
