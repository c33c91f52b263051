"""Scores of one test scenario: raw, higher = more anomalous."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from lib.common.errors import DataError
from lib.shards.schema import ANY
from lib.shards.storage import ArraySpec, FileKind, read_arrays, write_arrays

PREDICTIONS_KIND: Final = FileKind("prediction file", 3, "run `dvc repro predict` to write the predictions anew")
_ATTRIBUTES: Final = ("scenario", "shard_fingerprint", "model_fingerprint")
_LARGEST: Final = np.finfo(np.float16).max


def to_float16(scores: npt.NDArray[np.floating]) -> npt.NDArray[np.float16]:
    """Scores (of any shape) as they are stored and counted; finite ones beyond float16's range become its ends."""
    return np.where(np.isinf(scores), scores, np.clip(scores, -_LARGEST, _LARGEST)).astype(np.float16)


@dataclass(frozen=True, eq=False)
class Predictions:
    """Scores of a shard's F frames, in its order: point_score (F, P) float16 (padding after num_points (F,) int32),
    pixel_score (F, h, w) float16, frame_score (F,) float16; the fingerprints say which shard and model they are of.
    """

    scenario: str
    shard_fingerprint: str
    model_fingerprint: str
    frame_id: npt.NDArray[np.int64]
    num_points: npt.NDArray[np.int32]
    point_score: npt.NDArray[np.float16]
    pixel_score: npt.NDArray[np.float16]
    frame_score: npt.NDArray[np.float16]


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Write a scenario's scores; the file appears whole or not at all, the same bytes for the same scores."""
    p = predictions
    specs = _arrays(p.pixel_score.shape[1], p.pixel_score.shape[2], p.point_score.shape[1])
    assert len({len(getattr(p, spec.name)) for spec in specs}) == 1, "every array has one row per frame"
    write_arrays(path, PREDICTIONS_KIND, specs, p, {name: getattr(p, name) for name in _ATTRIBUTES})


def read_predictions(path: Path, verify: bool = True) -> Predictions:
    """Open a scenario's scores as read-only memory maps; `verify` compares them with their checksums.

    Raises DataError when the file is missing, damaged or of another schema version.
    """
    arrays, attributes = read_arrays(path, PREDICTIONS_KIND, _arrays(), verify)
    try:
        texts: dict[str, Any] = {name: str(attributes[name]) for name in _ATTRIBUTES}
        return Predictions(**texts, **arrays)
    except KeyError as error:
        raise DataError(f"{path}: damaged (attribute {error} is missing); {PREDICTIONS_KIND.remedy}") from None


def _arrays(height: int = ANY, width: int = ANY, max_points: int = ANY) -> tuple[ArraySpec, ...]:
    return (
        ArraySpec("frame_id", "<i8"),
        ArraySpec("num_points", "<i4"),
        ArraySpec("point_score", "<f2", (max_points,)),
        ArraySpec("pixel_score", "<f2", (height, width)),
        ArraySpec("frame_score", "<f2"),
    )
