"""Drives in which the vehicle ahead brakes, gathered in the one pass over the test set; the block and its tables."""

import logging
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from lib.common.errors import DataError
from lib.common.labels import is_anomaly, is_ignored
from lib.evaluation.braking import QUESTIONS, WITHIN_S, Block, DriveScores, judge_drives, resampled
from lib.evaluation.braking_shortcuts import ego_deceleration_mps2, middle_of_drive, vehicle_ahead
from lib.evaluation.braking_truth import (
    CONTACT_M,
    is_agent,
    is_braking,
    is_judged,
    lead_range_m,
    lead_speed_mps,
)
from lib.evaluation.evaluate_params import EvaluateParams
from lib.evaluation.inputs import some_names
from lib.evaluation.levels import FramePoints, ScenarioScores, Scores, level_of
from lib.evaluation.plot_tables import Row
from lib.evaluation.pools import LevelCounter, level_metrics
from lib.geometry.frame import ScenarioType
from lib.geometry.merged import in_vehicle_frame
from lib.shards.predictions import Predictions
from lib.shards.sequences import ticks_of
from lib.shards.shard_reader import Shard
from lib.shards.tracks import Tracks, read_tracks

DETECTOR, TRACKER, LEAD_ALWAYS = "detector", "tracker", "lead_always"
POINT_METHODS: Final = (DETECTOR, TRACKER, LEAD_ALWAYS)
POINT, ANOVOX_RULE = "point", "point_anovox_rule"
_POINT_KEYS: Final = ("auroc", "auroc_low", "auroc_high", "ap", "ap_low", "ap_high", "positives", "negatives")
_LOWEST: Final = float(np.finfo(np.float16).min)
_ENDS: Final = ("", "_low", "_high")

_RATES: Final = tuple(f"{name}{end}" for name in WITHIN_S for end in _ENDS)
_OTHERS: Final = ("threshold", "false_alarms_per_minute", "median_delay_s", "already_alarmed")
BRAKING_COLUMNS: Final = (
    "method",
    *(f"{question}{end}" for question in QUESTIONS for end in _ENDS),
    *_RATES,
    *_OTHERS,
    *(f"{level}_ap{end}" for level in (POINT, ANOVOX_RULE) for end in _ENDS),
)
DRIVE_COLUMNS: Final = ("drive", "time_s", "labelled", "contact", DETECTOR, TRACKER, "range_m", "speed_mps")
_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True)
class BrakingReport:
    """The block `braking` of metrics/evaluate.json; rows of plots/braking.csv, and of plots/drives.csv."""

    block: Block
    methods: list[Row]
    drives: list[Row]


@dataclass(eq=False)
class _Drive:
    """A drive that is being read, frame by frame."""

    shard: Shard
    tracks: Tracks
    labelled: list[bool] = field(default_factory=list)
    range_m: list[float] = field(default_factory=list)
    nearest_m: list[float] = field(default_factory=list)
    ahead_m: list[float | None] = field(default_factory=list)

    def finish(self, predictions: Predictions) -> DriveScores:
        """The drive, with its frames' scores."""
        shard, longest_m = self.shard, max(lidar.range_m for lidar in self.shard.lidars)
        ticks = ticks_of(shard)
        assert ticks is not None, "a drive has times"
        return DriveScores(
            name=shard.scenario,
            type=shard.scenario_type,
            time_s=shard.time_s - shard.time_s[0],
            labelled=np.array(self.labelled),
            contact=np.logical_or.accumulate(np.array(self.nearest_m) < CONTACT_M),
            scores={
                DETECTOR: np.array(predictions.frame_score),
                TRACKER: np.array(self.tracks.frame_score),
                "middle_of_drive": middle_of_drive(len(shard)),
                "nearness": -np.array([longest_m if ahead is None else ahead for ahead in self.ahead_m]),
                "ego_deceleration": ego_deceleration_mps2(shard.world_SE3_ego, ticks),
                LEAD_ALWAYS: np.array([float(ahead is not None) for ahead in self.ahead_m]),
            },
            camera=shard.camera_name,
        )

    def rows(self, drive: DriveScores) -> Iterable[Row]:
        """Rows of plots/drives.csv; a cell is empty where a number is not known."""
        range_m = np.array(self.range_m)
        speed_mps = lead_speed_mps(range_m, self.shard.speed_mps, self.shard.time_s)
        name = f"{drive.name} {drive.camera}".strip()
        for i, time_s in enumerate(drive.time_s.tolist()):
            row: Row = {"drive": name, "time_s": round(time_s, 6)}
            row |= {"labelled": int(drive.labelled[i]), "contact": int(drive.contact[i])}
            # All digits of a float16 score: it may be a threshold.
            row |= {method: round(float(drive.scores[method][i]), 9) for method in (DETECTOR, TRACKER)}
            known = {"range_m": float(range_m[i]), "speed_mps": float(speed_mps[i])}
            yield row | {key: round(value, 3) if np.isfinite(value) else "" for key, value in known.items()}


class BrakingCounter:
    """Gathers drives part by part, each scenario's parts one after another: `add` them, then `finish`.

    Memory grows with the number of frames by a few numbers each.
    """

    def __init__(self, tracks: Path, params: EvaluateParams) -> None:
        """tracks: the folder of the tracker's results, one file for each drive."""
        self._folder, self._params = tracks, params
        self._open: _Drive | None = None
        self._drives: list[DriveScores] = []
        self._rows: list[Row] = []
        kinds = product(POINT_METHODS, (POINT, ANOVOX_RULE))
        self._points = {kind: LevelCounter(broken_down=False) for kind in kinds}
        self._columns: dict[str, int] = {}
        self._not_judged: list[str] = []
        self._without_lead: list[str] = []

    def add(self, shard: Shard, predictions: Predictions, part: ScenarioScores) -> None:
        """Count some successive frames of a shard, the first of which begins it anew.

        Raises DataError where a drive has no tracks, or those of another shard.
        """
        rows = np.searchsorted(shard.frame_id, part.frame_id)
        if rows[0] == 0:
            self._open = self._begin(shard)
        drive = self._open
        if drive is None:
            return
        pairs = defaultdict[tuple[str, str], list[tuple[Scores, npt.NDArray[np.bool_]]]](list)
        for index, points in zip(rows.tolist(), part.points, strict=True):
            points_m = in_vehicle_frame(points.points_m, shard.lidars)
            range_m, nearest_m = lead_range_m(points_m, points.classes)
            ahead_m, ahead = vehicle_ahead(points_m)
            drive.labelled.append(is_braking(points.classes) or is_braking(shard.pixel_class[index]))
            drive.range_m.append(range_m)
            drive.nearest_m.append(nearest_m)
            drive.ahead_m.append(ahead_m)
            scores = {
                DETECTOR: predictions.point_score[index, : len(points_m)],
                TRACKER: _marked(len(points_m), drive.tracks.points(index), drive.tracks.frame_score[index], _LOWEST),
                LEAD_ALWAYS: _marked(len(points_m), ahead, np.float16(1), 0.0),
            }
            for level, kept in _judged_points(points, shard.scenario_type is ScenarioType.DYNAMIC).items():
                anomalous = is_anomaly(points.classes[kept])
                for method, found in scores.items():
                    pairs[method, level].append((found[kept], anomalous))
        column = self._columns.setdefault(shard.scenario, len(self._columns))
        for key, of_frames in pairs.items():
            self._points[key].add(column, level_of(of_frames), ())
        if len(drive.labelled) == len(shard):
            self._close(drive, predictions)

    def finish(self) -> BrakingReport | None:
        """The report; None where no drive is a dynamic one."""
        for names, problem in (
            (self._not_judged, "not at 10 Hz, with unknown times, or of no more than 10 frames: left out"),
            (self._without_lead, "no LiDAR point of the vehicle ahead in any frame"),
        ):
            if names:
                _LOG.warning("braking: %s: %s", some_names(names), problem)
        if not any(drive.is_dynamic for drive in self._drives):
            return None
        params = self._params
        block = judge_drives(self._drives, params.hold_s, params.bootstrap_resamples, params.seed)
        weights, columns = resampled(self._drives, params.bootstrap_resamples, params.seed)
        assert columns == self._columns
        for (method, level), counter in self._points.items():
            if pool := counter.finish(weights):
                numbers = level_metrics(pool)
                block[method][level] = {key: numbers[key] for key in _POINT_KEYS}
        methods = [_method_row(method, block[method]) for method in self._drives[0].scores]
        return BrakingReport(block, methods, self._rows)

    def _begin(self, shard: Shard) -> _Drive | None:
        if not is_judged(shard):
            if shard.scenario_type is ScenarioType.DYNAMIC:
                self._not_judged.append(shard.scenario)
            return None
        path = self._folder / shard.path.name
        tracks = read_tracks(path)
        if (tracks.scenario, tracks.shard_fingerprint) != (shard.scenario, shard.fingerprint) or not np.array_equal(
            tracks.frame_id, shard.frame_id
        ):
            raise DataError(f"{path}: was made from another shard than {shard.path}; run `dvc repro track`")
        if not np.isfinite(tracks.frame_score).all():
            raise DataError(f"{path}: holds scores that are not finite; run `dvc repro -f track`")
        return _Drive(shard, tracks)

    def _close(self, drive: _Drive, predictions: Predictions) -> None:
        scored = drive.finish(predictions)
        self._drives.append(scored)
        if scored.is_dynamic:
            self._rows += drive.rows(scored)
            if not np.isfinite(drive.range_m).any():
                self._without_lead.append(scored.name)


def _judged_points(points: FramePoints, dynamic: bool) -> dict[str, npt.NDArray[np.bool_]]:
    """Points (N,) in view that count, by level: AnoVox's rule leaves out agents, of which one is the vehicle ahead."""
    known = points.in_view & ~is_ignored(points.classes)
    agents = points.in_view & is_agent(points.classes)
    return {POINT: known | agents if dynamic else known, ANOVOX_RULE: known}


def _marked(points: int, rows: npt.NDArray[np.integer], score: np.float16, others: float) -> Scores:
    scores = np.full(points, others, dtype=np.float16)
    scores[rows] = score
    return scores


def _method_row(method: str, block: Block) -> Row:
    found: dict[str, float] = {key: block[key] for key in (*_RATES, *_OTHERS) if key in block}
    for question in QUESTIONS:
        found |= {f"{question}{end}": block[question][f"auroc{end}"] for end in _ENDS if question in block}
    for level in (POINT, ANOVOX_RULE):
        found |= {f"{level}_ap{end}": block[level][f"ap{end}"] for end in _ENDS if level in block}
    return {"method": method} | {column: found.get(column, "") for column in BRAKING_COLUMNS[1:]}
