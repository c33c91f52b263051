"""Frames of the gallery: their selection, their captions, and how rare a score is among normal ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from lib.evaluation.truth import FrameTruth, State

Category = Literal["hits", "misses", "false_alarms"]
CATEGORIES: Final[tuple[Category, ...]] = ("hits", "misses", "false_alarms")
_DIFFERENCES: Final = {"geometry": "shape only", "appearance": "surface only", "both": "shape and surface"}


@dataclass(frozen=True, eq=False)
class ScoredFrame:
    """One frame of the test set: number `index` of its scenario, or of the scenario's `camera`."""

    scenario: str
    index: int
    frame_id: int
    score: float
    state: State
    truth: FrameTruth
    groups: dict[str, str]
    camera: str = ""


@dataclass(frozen=True, eq=False)
class NormalScores:
    """Scores (N,) of normal points, pixels or frames, ascending, with which other scores are compared."""

    ascending: npt.NDArray[np.float32]

    def surprise(self, scores: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """-log10 of the fraction of normal scores that are at least as high; 3 = one in 1,000."""
        higher = len(self.ascending) - np.searchsorted(self.ascending, scores, side="left")
        return np.asarray(np.log10(len(self.ascending) + 1) - np.log10(higher + 1))


def choose_cases(frames: Sequence[ScoredFrame], category: Category, count: int) -> list[ScoredFrame]:
    """Choose a category's most extreme frames, at most one per scenario: anomalous frames with the highest (hits) or
    lowest scores (misses), normal frames with the highest scores (false alarms).
    """
    state: State = "negative" if category == "false_alarms" else "positive"
    sign = 1.0 if category == "misses" else -1.0
    chosen = (frame for frame in frames if frame.state == state)
    ordered = sorted(chosen, key=lambda frame: (sign * frame.score, frame.scenario, frame.camera, frame.index))
    first_of_scenario = {frame.scenario: frame for frame in reversed(ordered)}
    return [frame for frame in ordered if first_of_scenario[frame.scenario] is frame][:count]


def describe(frame: ScoredFrame) -> tuple[str, str]:
    """Captions: the frame's origin, and its contents."""
    name = frame.scenario.removeprefix("Scenario_")
    where = f"{name if len(name) <= 12 else name[:8]}, frame {frame.frame_id}"
    if frame.camera:
        where += f", {frame.camera}"
    if frame.state == "negative":
        return where, "no anomaly in view"
    groups, truth = frame.groups, frame.truth
    parts = [groups.get("class"), groups.get("size")]
    if kind := groups.get("kind"):
        parts.append(f"differs by {_DIFFERENCES.get(kind, kind)}")
    if truth.distance_m is not None:
        parts.append(f"{truth.distance_m:.1f} m")
    parts.append(f"{truth.pixels:,} pixels, {truth.points:,} points")
    return where, ", ".join(part for part in parts if part)


def standing(frame: ScoredFrame, frames: Sequence[ScoredFrame]) -> str:
    """Caption: rank of the frame's score among the normal frames of the test set."""
    normal = [other.score for other in frames if other.state == "negative"]
    if frame.state == "negative":
        rank = 1 + sum(score > frame.score for score in normal)
        return f"score {frame.score:.2f}: {_ordinal(rank)} highest of {len(normal):,} normal frames"
    lower = sum(score < frame.score for score in normal)
    percent = 100 * lower / len(normal) if normal else 0.0
    return f"score {frame.score:.2f}: above {lower:,} of {len(normal):,} normal frames ({percent:.0f} %)"


def _ordinal(rank: int) -> str:
    return {1: "the", 2: "2nd", 3: "3rd"}.get(rank, f"{rank}th")
