"""Voxel predictions and ground truths in the files of AnoVox's benchmark, and the table of their frames.

`pred_<frame>.npy` (M, 4): ix, iy, iz, score in [0, 1]; `gt_<frame>.npy` (M, 4): ix, iy, iz, class id; the frame is the
number at the end of the name, leading zeros or not. The table: {"100": {"anomaly_in_view": true, "size": "Tiny"}, ...}.
"""

import json
import math
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, BeforeValidator, ConfigDict, StrictBool, TypeAdapter, ValidationError

from lib.anovox.format.layout import frame_id_of
from lib.common.errors import DataError
from lib.common.labels import ANOMALY_SIZES
from lib.common.reading import check_regular, open_file, read_bytes
from lib.common.terminal import readable
from lib.evaluation.anovox_protocol import ProtocolFrame, shared_voxels, sigmoid
from lib.geometry.voxels import GRID_SHAPE, voxel_keys
from lib.reading.arrays import read_header

MAX_TABLE_BYTES: Final = 32_000_000


def _known_size(value: Any) -> Any:
    size = value.capitalize() if isinstance(value, str) else value
    if size is not None and size not in ANOMALY_SIZES:
        raise ValueError(f"must be one of {', '.join(ANOMALY_SIZES)}, or null")
    return size


class FrameFacts(BaseModel):
    """What the protocol needs to know of a frame beside its voxels; `scenario` is for people."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    anomaly_in_view: StrictBool
    size: Annotated[str | None, BeforeValidator(_known_size)] = None
    scenario: str | None = None


_FRAME_TABLE = TypeAdapter(dict[int, FrameFacts])


def read_protocol_frames(
    predictions: Path, ground_truth: Path, frames: Path, anomaly_ids: Sequence[int], squash: bool = False
) -> Iterator[ProtocolFrame]:
    """The frames that the table names, in its order, each with the voxels that both folders hold for it.

    `squash`: the scores are raw and pass through a sigmoid first. Raises DataError for a file that is missing, belongs
    to no frame or cannot be used.
    """
    table = read_frame_table(frames)
    predicted = _files_of_frames(predictions, "prediction", frames, table)
    true = _files_of_frames(ground_truth, "ground truth", frames, table)
    for frame_id, facts in table.items():
        found, truth = _predicted(predicted[frame_id], squash), _true(true[frame_id])
        rows, true_rows = shared_voxels(voxel_keys(found[:, :3].astype(np.int64)), voxel_keys(truth))
        is_anomaly = np.isin(truth[:, 3], anomaly_ids)
        shared = found[rows, 3], is_anomaly[true_rows]
        yield ProtocolFrame(*shared, facts.anomaly_in_view, facts.size, len(truth), int(is_anomaly.sum()))


def read_frame_table(path: Path) -> dict[int, FrameFacts]:
    """Read frames.json; raises DataError that names the frame and what is wrong with it."""
    try:
        content = read_bytes(path, MAX_TABLE_BYTES)
        table = _FRAME_TABLE.validate_json(content)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); give the table of frames") from None
    except ValidationError as error:
        detail = error.errors()[0]
        place = " ".join(readable(str(part)[:60]) for part in detail["loc"] if part != "[key]")
        problem = detail["msg"].removeprefix("Value error, ")
        raise DataError(
            f"{path}: {f'frame {place}: ' if place else ''}{problem}; "
            'it should look like {"100": {"anomaly_in_view": true, "size": "Tiny"}, ...}'
        ) from None
    _check_named_once(path, content)
    if not table:
        raise DataError(f"{path}: names no frame; list the frames to score")
    return table


def _check_named_once(path: Path, content: bytes) -> None:
    """Raise DataError where a valid table names a frame twice, of which JSON's readers keep the last."""
    pairs: list[tuple[str, Any]] = json.loads(content, object_pairs_hook=list)
    ids = Counter(int(key) for key, _ in pairs)
    if twice := [frame_id for frame_id, times in ids.items() if times > 1]:
        raise DataError(f"{path}: names frame {twice[0]} more than once; remove one of them")


def _files_of_frames(folder: Path, what: str, frames: Path, frame_ids: Collection[int]) -> dict[int, Path]:
    """One file of the folder for each frame of the table, none for another."""
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder of {what} files (<name>_<frame>.npy)")
    found: dict[int, Path] = {}
    for path in sorted(folder.glob("*.npy")):
        frame_id = frame_id_of(path)
        if frame_id is None:
            raise DataError(f"{path}: its name does not end with a frame number, as pred_100.npy does; rename it")
        if frame_id not in frame_ids:
            raise DataError(f"{path}: frame {frame_id} is not in {frames}; add it there or remove the file")
        if found.setdefault(frame_id, path) != path:
            raise DataError(f"{path}: frame {frame_id} is also in {found[frame_id].name}; remove one of them")
    if lacking := [frame_id for frame_id in frame_ids if frame_id not in found]:
        others = f" (and for {len(lacking) - 1} more)" if lacking[1:] else ""
        raise DataError(
            f"{folder}: holds no {what} for frame {lacking[0]}{others}, which {frames} names; "
            "add the file or remove the frame"
        )
    return found


def _predicted(path: Path, squash: bool) -> npt.NDArray[np.float64]:
    array = _read(path).astype(np.float64)
    if not np.isfinite(array).all():
        raise DataError(f"{path}: holds NaN or infinite values; every voxel needs a finite score")
    _check_voxels(path, array[:, :3])
    if squash:
        array[:, 3] = sigmoid(array[:, 3])
    elif ((array[:, 3] < 0) | (array[:, 3] > 1)).any():
        low, high = array[:, 3].min(), array[:, 3].max()
        raise DataError(
            f"{path}: scores from {low:.4g} to {high:.4g}, but AnoVox's thresholds lie between 0 and 1; "
            "scale the scores, or give --sigmoid for raw ones"
        )
    return array


def _true(path: Path) -> npt.NDArray[np.int64]:
    array = _read(path)
    if array.dtype.kind not in "iu":
        raise DataError(f"{path}: {array.dtype} numbers where voxels and class ids should be integers")
    if len(array) == 0:
        raise DataError(f"{path}: holds no voxel")
    _check_voxels(path, array[:, :3])
    return array.astype(np.int64)


def _read(path: Path) -> npt.NDArray[Any]:
    """An (M, 4) array of numbers; its header cannot ask for more memory than the file has."""
    try:
        header, size = read_header(path), check_regular(path).st_size
    except OSError as error:
        raise DataError(f"{path}: not a readable .npy array ({error.strerror})") from None
    except ValueError as error:
        raise DataError(f"{path}: {error}") from None
    if len(header.shape) != 2 or header.shape[1] != 4:
        raise DataError(f"{path}: {header.dtype} array of shape {header.shape}, expected numbers of shape (M, 4)")
    if size - header.start != header.num_bytes:
        raise DataError(f"{path}: {size - header.start} bytes of data where its header promises {header.num_bytes}")
    if header.shape[0] > math.prod(GRID_SHAPE):
        raise DataError(f"{path}: {header.shape[0]} rows, more than the grid of {GRID_SHAPE} has voxels")
    with open_file(path) as file:
        array: npt.NDArray[Any] = np.fromfile(file, header.dtype, offset=header.start)
    return array.reshape(header.shape, order="F" if header.fortran_order else "C")


def _check_voxels(path: Path, voxels: npt.NDArray[Any]) -> None:
    if (voxels != np.floor(voxels)).any():
        raise DataError(
            f"{path}: voxel coordinates (columns 1 to 3) are not whole numbers; give ix, iy, iz, not metres"
        )
    if ((voxels < 0) | (voxels >= GRID_SHAPE)).any():
        raise DataError(f"{path}: holds a voxel outside the grid of {GRID_SHAPE}")
    keys = voxel_keys(voxels.astype(np.int64))
    if len(np.unique(keys)) != len(keys):
        raise DataError(f"{path}: holds a voxel more than once; give each voxel one row")
