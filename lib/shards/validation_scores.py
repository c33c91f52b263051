"""Scores of the validation scenarios' frames, as they are and with pseudo-anomalies: what evaluation calibrates by."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from lib.common.errors import DataError
from lib.shards.schema import ANY
from lib.shards.storage import ArraySpec, Attributes, FileKind, read_arrays, write_arrays

VALIDATION_KIND: Final = FileKind("file of validation scores", 4, "run `dvc repro predict` to write it anew")
NORMAL, PASTED, NOT_SCORED = 0, 1, 255


@dataclass(frozen=True, eq=False)
class ValidationScores:
    """F frames as they are, in the order of `drives` (D of them: scenario and camera) and of time: drive (F,) int32,
    time_s (F,) float64 (nan: unknown), frame_score (F,) float16.

    G frames with pseudo-anomalies pasted into half of them: pasted_drive (G,) int32, pasted_score (G,) float16;
    pasted_image_fraction (G,) float32, pasted_points (G,) int32: how much of them is in view; point_score (G, K)
    float16 of K cells, point_label (G, K) uint8: NORMAL, PASTED, or NOT_SCORED (empty, out of view, unsure);
    pixel_score (G, L) float16 and pixel_label (G, L) uint8 of L pixels of a quarter of the image's size.
    outside_shift: what was added to the scores of points outside the image, in the predictions that go with these.
    """

    model_fingerprint: str
    outside_shift: float
    drives: tuple[tuple[str, str], ...]
    drive: npt.NDArray[np.int32]
    time_s: npt.NDArray[np.float64]
    frame_score: npt.NDArray[np.float16]
    pasted_drive: npt.NDArray[np.int32]
    pasted_score: npt.NDArray[np.float16]
    pasted_image_fraction: npt.NDArray[np.float32]
    pasted_points: npt.NDArray[np.int32]
    point_score: npt.NDArray[np.float16]
    point_label: npt.NDArray[np.uint8]
    pixel_score: npt.NDArray[np.float16]
    pixel_label: npt.NDArray[np.uint8]


def write_validation(path: Path, scores: ValidationScores) -> None:
    """Write the scores; the file appears whole or not at all, the same bytes for the same scores."""
    own: Attributes = {"model_fingerprint": scores.model_fingerprint, "outside_shift": scores.outside_shift}
    own["drives"] = json.dumps(scores.drives)
    write_arrays(path, VALIDATION_KIND, _arrays(scores.point_score.shape[1], scores.pixel_score.shape[1]), scores, own)


def read_validation(path: Path) -> ValidationScores:
    """Read the scores; raises DataError when the file is missing, damaged or contradicts itself."""
    arrays, attributes = read_arrays(path, VALIDATION_KIND, _arrays(), verify=True)
    try:
        drives = tuple((str(scenario), str(camera)) for scenario, camera in json.loads(str(attributes["drives"])))
        own = str(attributes["model_fingerprint"]), float(attributes["outside_shift"])
        scores = ValidationScores(*own, drives, **arrays)
    except (KeyError, ValueError, TypeError) as error:
        raise _damaged(path, f"its attributes: {error}") from None
    for drive in (scores.drive, scores.pasted_drive):
        if len(drive) and not 0 <= drive.min() <= drive.max() < len(drives):
            raise _damaged(path, "a frame is of no drive")
    normal = {len(getattr(scores, name)) for name in ("drive", "time_s", "frame_score")}
    pasted = {
        len(getattr(scores, spec.name)) for spec in _arrays() if spec.name.startswith(("pasted_", "point_", "pixel_"))
    }
    shapes = [
        (scores.point_score.shape, scores.point_label.shape),
        (scores.pixel_score.shape, scores.pixel_label.shape),
    ]
    if len(normal) > 1 or len(pasted) > 1 or any(score != label for score, label in shapes):
        raise _damaged(path, "its arrays differ in length")
    finite = (
        scores.frame_score,
        scores.pasted_score,
        scores.point_score,
        scores.pixel_score,
        np.array(scores.outside_shift),
    )
    if not all(np.isfinite(part).all() for part in finite):
        raise DataError(f"{path}: holds scores that are not finite; train the model anew (`dvc repro -f train`)")
    return scores


def _damaged(path: Path, problem: str) -> DataError:
    return DataError(f"{path}: damaged ({problem}); {VALIDATION_KIND.remedy}")


def _arrays(cells: int = ANY, pixels: int = ANY) -> tuple[ArraySpec, ...]:
    return (
        ArraySpec("drive", "<i4"),
        ArraySpec("time_s", "<f8"),
        ArraySpec("frame_score", "<f2"),
        ArraySpec("pasted_drive", "<i4"),
        ArraySpec("pasted_score", "<f2"),
        ArraySpec("pasted_image_fraction", "<f4"),
        ArraySpec("pasted_points", "<i4"),
        ArraySpec("point_score", "<f2", (cells,)),
        ArraySpec("point_label", "|u1", (cells,)),
        ArraySpec("pixel_score", "<f2", (pixels,)),
        ArraySpec("pixel_label", "|u1", (pixels,)),
    )
