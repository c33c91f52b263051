"""What `tools.detect` writes: scores as .npy, a table of all frames, pictures and a video of each recording."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from lib.common.errors import DataError, ParamsError
from lib.common.outputs import atomic_file, atomic_folder, write_csv
from lib.detection.scored_recordings import ScoredFrame
from lib.figures.video import write_video
from lib.reading.recorded_frames import Recording

FRAME_SCORES: Final = "frame_scores.npy"
POINTS, PIXELS, PICTURES = "points", "pixels", "pictures"
HOLDS: Final = (FRAME_SCORES, "points/", "pixels/", "pictures/", "drive*.mp4", "drive*.gif")
COLUMNS: Final = {
    "recording": "string",
    "camera": "string",
    "frame_id": "int64",
    "time_s": "float64",
    "frame_score": "float32",
    "frame_alarm": "bool",
    "points": "int64",
    "points_in_view": "int64",
    "point_alarms": "int64",
    "highest_point_score": "float32",
    "highest_point_x_m": "float32",
    "highest_point_y_m": "float32",
    "highest_point_z_m": "float32",
    "pixel_alarms": "int64",
    "highest_pixel_score": "float32",
    "highest_pixel_row": "int64",
    "highest_pixel_column": "int64",
}
"""Of the table, with their types in Parquet. Points that are alarms, and the highest one, are those in the camera's
view, if any are.
"""
FEWEST_FOR_VIDEO: Final = 3
FRAMES_PER_SECOND: Final = 10.0

Row = dict[str, Any]


def write_recording(
    output: Path, recording: Recording, scored: Iterable[ScoredFrame], pictures: bool, video: bool
) -> tuple[list[Row], list[str]]:
    """Write a folder of the recording's name, whole or not at all; without a frame, none is written.

    frame_scores.npy (F,), points/FRAME.npy, as many as the file has rows, nan for rays without an echo, and
    pixels/FRAME.npy (H, W) are float16. A video is made of pictures, for each camera. Returns the rows of the table,
    and a sentence for each video that could not be made.
    """
    rows: list[Row] = []
    problems: list[str] = []
    drawn: dict[str, list[Path]] = {}
    frames = iter(scored)
    first = next(frames, None)
    if first is None:
        return [], []
    with atomic_folder(output / recording.name, HOLDS, FRAME_SCORES) as folder:
        for kind in (POINTS, PIXELS, *([PICTURES] if pictures else [])):
            (folder / kind).mkdir()
        for item in chain([first], frames):
            frame = item.detections.frame
            name = f"{frame.camera_name}_{frame.frame_id:06d}" if frame.camera_name else f"{frame.frame_id:06d}"
            np.save(folder / POINTS / f"{name}.npy", _by_row_of_the_file(item), allow_pickle=False)
            np.save(folder / PIXELS / f"{name}.npy", item.detections.pixel_scores, allow_pickle=False)
            if pictures:
                picture = folder / PICTURES / f"{name}.png"
                item.detections.save_picture(picture)
                drawn.setdefault(frame.camera_name, []).append(picture)
            rows.append(_row(item))
        np.save(
            folder / FRAME_SCORES, np.array([row["frame_score"] for row in rows], dtype=np.float16), allow_pickle=False
        )
        for camera, paths in drawn.items():
            if video and len(paths) >= FEWEST_FOR_VIDEO:
                times_s = [row["time_s"] for row in rows if row["camera"] == camera]
                try:
                    write_video(paths, folder / (f"drive_{camera}" if camera else "drive"), _frames_per_second(times_s))
                except DataError as error:
                    problems.append(str(error))
    return rows, problems


def write_table(path: Path, rows: Sequence[Row]) -> None:
    """Write the rows by the path's ending: .csv, or .parquet (extra `parquet`), whole or not at all."""
    if path.suffix == ".csv":
        write_csv(path, list(COLUMNS), rows)  # None becomes an empty field
        return
    pyarrow, parquet = parquet_library()
    schema = pyarrow.schema([(name, pyarrow.type_for_alias(kind)) for name, kind in COLUMNS.items()])
    table = pyarrow.Table.from_pylist(list(rows), schema=schema)
    with atomic_file(path) as partial:
        parquet.write_table(table, partial)


def parquet_library() -> tuple[Any, Any]:
    """The modules pyarrow and pyarrow.parquet; raises ParamsError if they are not installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise ParamsError("--table parquet needs pyarrow: `pip install pyarrow`, or use --table csv") from None
    return pyarrow, pyarrow.parquet


def _by_row_of_the_file(item: ScoredFrame) -> npt.NDArray[np.float16]:
    scores, kept = item.detections.point_scores, item.read.kept_rows
    if kept is None:
        return scores
    rows = np.full(len(kept), np.nan, dtype=np.float16)
    rows[kept] = scores
    return rows


def _row(item: ScoredFrame) -> Row:
    detections, frame = item.detections, item.detections.frame
    in_view = detections.points_in_view
    chosen = np.flatnonzero(in_view) if in_view.any() else np.arange(len(in_view))
    highest = int(chosen[np.argmax(detections.point_scores[chosen])])
    row, column = np.unravel_index(int(np.argmax(detections.pixel_scores)), detections.pixel_scores.shape)
    place: Mapping[str, float] = {
        f"highest_point_{axis}_m": round(float(value), 3)
        for axis, value in zip("xyz", frame.points[highest, :3], strict=True)
    }
    return {
        "recording": frame.scenario,
        "camera": frame.camera_name,
        "frame_id": frame.frame_id,
        "time_s": frame.time_s,
        "frame_score": detections.frame_score,
        "frame_alarm": detections.frame_alarm,
        "points": len(frame.points),
        "points_in_view": int(in_view.sum()),
        "point_alarms": int(detections.point_alarms[chosen].sum()),
        "highest_point_score": float(detections.point_scores[highest]),
        **place,
        "pixel_alarms": int(detections.pixel_alarms.sum()),
        "highest_pixel_score": float(detections.pixel_scores[row, column]),
        "highest_pixel_row": int(row),
        "highest_pixel_column": int(column),
    }


def _frames_per_second(times_s: Sequence[float | None]) -> float:
    known = [time_s for time_s in times_s if time_s is not None]
    steps_s = [step for step in np.diff(known).tolist() if step > 0]
    return round(1 / median(steps_s), 3) if steps_s else FRAMES_PER_SECOND
