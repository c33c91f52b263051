"""Public names of this project, for notebooks and other programs: `import anovox_fusion` (docs/python.md).

What is not named here may change at any time. Errors that a user can mend are `DataError` and `ParamsError`.
"""

import logging
import os
import sys
from collections.abc import Iterable, Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

_HERE: Final = Path(__file__).resolve().parent


def _load_lib() -> None:
    """Import the package lib beside this file, wherever else on the path a folder of that name lies."""
    if "lib" not in sys.modules:
        spec = spec_from_file_location("lib", _HERE / "lib" / "__init__.py")
        assert spec is not None and spec.loader is not None
        sys.modules["lib"] = module_from_spec(spec)
        try:
            spec.loader.exec_module(sys.modules["lib"])
        except FileNotFoundError:
            del sys.modules["lib"]
            raise ImportError(f"{_HERE} has no package lib; install with `pip install -e` in the repository") from None
    if Path(sys.modules["lib"].__file__ or "").resolve().parent != _HERE / "lib":
        raise ImportError("another package named lib is imported already; import anovox_fusion before it")


_load_lib()

from lib.anovox.format.folders import find_scenarios
from lib.anovox.reading.frames import read_frames as _read_scenario
from lib.anovox.reading.scenario import Sensors, open_scenario
from lib.common.errors import DataError, ParamsError
from lib.common.labels import ANOMALY_IDS, LABELS, UNKNOWN, Label, is_anomaly, is_ignored
from lib.common.params import DataFormat
from lib.detection.anomaly_detector import AnomalyDetector, load
from lib.detection.detection_stream import DetectionStream
from lib.detection.detections import Detections
from lib.export.model_record import ModelRecord
from lib.export.model_record import load_record as _load_record
from lib.folder.calibration_file import read_calibration as _read_calibration
from lib.geometry.axes import vehicle_axes
from lib.geometry.calibration import Calibration
from lib.geometry.camera import Camera
from lib.geometry.frame import Anomaly, Frame, Lidar, ScenarioType
from lib.loading.dataset import ShardDataset, as_read
from lib.model.detector import Detector, DetectorConfig
from lib.model.model_file import scenarios_seen
from lib.preprocessing.data_formats import find_recordings, guess_format
from lib.preprocessing.resize import resize_frame
from lib.reading.findings import Finding, ScenarioError
from lib.reading.recorded_frames import ReadFrame, SkippedFrame, open_recording
from lib.sensors.sensor_statistics import SensorStatistics
from lib.sensors.sensor_statistics import measure as measure_sensors
from lib.shards.index import open_entry, read_index
from lib.shards.predictions import Predictions, read_predictions
from lib.shards.shard_reader import Shard, read_shard
from lib.views.frame_batch import FrameBatch

__all__ = [
    "ANOMALY_IDS",
    "LABELS",
    "UNKNOWN",
    "Anomaly",
    "AnomalyDetector",
    "Calibration",
    "Camera",
    "DataError",
    "DetectionStream",
    "Detections",
    "Detector",
    "DetectorConfig",
    "Frame",
    "FrameBatch",
    "Label",
    "Lidar",
    "ModelRecord",
    "ParamsError",
    "Predictions",
    "ScenarioType",
    "SensorStatistics",
    "Shard",
    "ShardDataset",
    "as_read",
    "calibration_from_opencv",
    "is_anomaly",
    "is_ignored",
    "load",
    "load_record",
    "measure_sensors",
    "read_calibration",
    "read_frames",
    "read_predictions",
    "read_scenario",
    "read_shard",
    "read_shards",
    "resize_frame",
    "scenario_folders",
    "scenarios_seen",
]

AnyPath = str | os.PathLike[str]
_LOG: Final = logging.getLogger(__name__)


def load_record(path: AnyPath) -> ModelRecord:
    """Read what `export` has stored with a detector: params, thresholds, sensors, metrics, the model card.

    Raises DataError for a file that is missing, damaged or not a detector, or that holds only weights.
    """
    return _load_record(Path(path))


def calibration_from_opencv(
    camera_matrix: npt.ArrayLike, camera_SE3_lidar: npt.ArrayLike, width_px: int, height_px: int
) -> Calibration:
    """A calibration by OpenCV's conventions: intrinsics (3, 3) [px]; the pose, (3, 4) or (4, 4) [m], from the
    LiDAR's frame, of a camera with x right, y down, z forward.

    OpenCV counts from the centres of pixels, this project from their corners: the principal point moves by half of one.
    Raises DataError for matrices that are none of a camera.
    """
    matrix = np.asarray(camera_matrix, dtype=np.float64)
    pose = np.asarray(camera_SE3_lidar, dtype=np.float64)
    if matrix.shape != (3, 3) or matrix[[0, 1, 2, 2, 2], [1, 0, 0, 1, 2]].tolist() != [0, 0, 0, 0, 1]:
        raise DataError("camera_matrix: must be [[fx, 0, cx], [0, fy, cy], [0, 0, 1]], without skew")
    if pose.shape not in ((3, 4), (4, 4)):
        raise DataError(f"camera_SE3_lidar: got shape {pose.shape}; give (3, 4) or (4, 4)")
    (fx, _, cx), (_, fy, cy), _ = matrix.tolist()
    camera = Camera(width_px, height_px, fx, fy, cx + 0.5, cy + 0.5)
    return Calibration(camera, vehicle_axes(np.vstack([pose[:3], [0, 0, 0, 1]]), "opencv"))


def read_calibration(path: AnyPath) -> Calibration:
    """Read a calibration.yaml (docs/sensors.md); distortion is left out: `detect` takes images without it.

    Raises DataError.
    """
    try:
        return _read_calibration(Path(path)).calibration
    except ScenarioError as error:
        raise DataError(str(error)) from None


def read_frames(folder: AnyPath, data_format: DataFormat | None = None, labelled: bool = True) -> Iterator[Frame]:
    """Read the frames of all recordings in a folder of any format of `data.format`; without one, it is guessed.

    `labelled`: whether AnoVox's labels are needed and read; other formats have none. Recordings and frames that cannot
    be used are left out and logged. Raises DataError if there is no recording.
    """
    root = Path(folder)
    for opener in find_recordings(data_format or guess_format(root), root, "forward", _report, labelled):
        recording = open_recording(opener)
        if isinstance(recording, Finding):
            _report(recording)
        else:
            yield from _usable(recording.frames(None))


def read_shards(folder: AnyPath) -> Iterator[Shard]:
    """Open the shards of a folder (data/shards), one after another; each is compared with its checksums.

    `shard.frame(index)` gives a Frame. Raises DataError when the index or a shard is missing or damaged.
    """
    for entry in read_index(Path(folder)):
        yield open_entry(Path(folder), entry)


def scenario_folders(root: AnyPath) -> tuple[Path, ...]:
    """All `Scenario_*` folders of an AnoVox download, at any depth, sorted by name; what is left out is logged."""
    return find_scenarios(Path(root), _report)


def read_scenario(folder: AnyPath, sensors: Sensors = "forward") -> Iterator[Frame]:
    """Read the frames of one AnoVox scenario folder; frames that cannot be used are left out and logged.

    `sensors`: `forward` for the forward camera and its LiDAR; `all` for one frame per camera, with the merged clouds of
    all LiDARs. Raises DataError when the scenario cannot be used.
    """
    yield from _usable(_read_scenario(open_scenario(Path(folder), None, sensors)))


def _usable(frames: Iterable[ReadFrame | SkippedFrame]) -> Iterator[Frame]:
    for read in frames:
        if isinstance(read, SkippedFrame):
            _LOG.warning("%s", read.message)
        else:
            yield read.frame


def _report(finding: Finding) -> None:
    _LOG.warning("%s", finding.message)
