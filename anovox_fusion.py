"""Public names of this project, for notebooks and other programs: `import anovox_fusion` (docs/python.md).

What is not named here may change at any time. Errors that a user can mend are `DataError` and `ParamsError`.
"""

import logging
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import torch

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
from lib.anovox.reading.frames import read_frames
from lib.anovox.reading.scenario import Sensors, open_scenario
from lib.common.errors import DataError, ParamsError
from lib.common.labels import ANOMALY_IDS, LABELS, UNKNOWN, Label, is_anomaly, is_ignored
from lib.export.model_record import ModelRecord
from lib.export.model_record import load_record as _load_record
from lib.geometry.camera import Camera
from lib.geometry.frame import Anomaly, Frame, Lidar, ScenarioType
from lib.inference.scores import also_without_image, for_sensors
from lib.inference.shard_scoring import Scoring, score_one_frame
from lib.loading.dataset import ShardDataset, as_read
from lib.model.detector import Detector, DetectorConfig
from lib.model.devices import choose_device, choose_precision
from lib.model.model_file import load_detector as _load_detector
from lib.model.model_file import scenarios_seen
from lib.preprocessing.resize import resize_frame
from lib.reading.findings import Finding
from lib.reading.recorded_frames import SkippedFrame
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
    "Camera",
    "DataError",
    "Detector",
    "DetectorConfig",
    "Frame",
    "FrameBatch",
    "FrameScores",
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
    "is_anomaly",
    "is_ignored",
    "load_detector",
    "load_record",
    "measure_sensors",
    "read_predictions",
    "read_scenario",
    "read_shard",
    "read_shards",
    "resize_frame",
    "scenario_folders",
    "scenarios_seen",
    "score_frame",
]

AnyPath = str | os.PathLike[str]
_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class FrameScores:
    """Raw scores of one frame, higher = more anomalous: frame, points (N,) float32, pixels (H, W) float32."""

    frame: float
    points: npt.NDArray[np.float32]
    pixels: npt.NDArray[np.float32]


def load_detector(path: AnyPath, device: Literal["auto", "cpu", "cuda"] = "auto") -> Detector:
    """Read a detector from a model file, ready to score frames on a device.

    Raises DataError for a file that is missing, damaged or not a detector.
    """
    detector = _load_detector(Path(path)).to(choose_device(device)).eval()
    detector.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return detector


def load_record(path: AnyPath) -> ModelRecord:
    """Read what `export` has stored with a detector: params, thresholds, sensors, metrics, the model card.

    Raises DataError for a file that is missing, damaged or not a detector, or that holds only weights.
    """
    return _load_record(Path(path))


def score_frame(detector: Detector, frame: Frame, record: ModelRecord) -> FrameScores:
    """Score a frame as the stage `predict` did; `record`: that of the detector's file."""
    predicting = for_sensors(record.predict, detector.config.fusion)
    device = next(detector.parameters()).device
    scoring = Scoring(
        also_without_image(detector, detector.config.fuses, predicting),
        detector.config.grid(),
        predicting,
        device,
        choose_precision(predicting.precision, device),
        record.outside_shift,
    )
    scores = score_one_frame(scoring, frame)
    return FrameScores(float(scores.frame_B[0]), scores.point_BP[0].numpy(), scores.pixel_BHW[0].numpy())


def read_shards(folder: AnyPath) -> Iterator[Shard]:
    """Open the shards of a folder (data/shards), one after another; each is compared with its checksums.

    `shard.frame(index)` gives a Frame. Raises DataError when the index or a shard is missing or damaged.
    """
    for entry in read_index(Path(folder)):
        yield open_entry(Path(folder), entry)


def scenario_folders(root: AnyPath) -> tuple[Path, ...]:
    """All `Scenario_*` folders of an AnoVox download, at any depth, sorted by name; what is left out is logged."""

    def report(finding: Finding) -> None:
        _LOG.warning("%s", finding.message)

    return find_scenarios(Path(root), report)


def read_scenario(folder: AnyPath, sensors: Sensors = "forward") -> Iterator[Frame]:
    """Read the frames of one AnoVox scenario folder; frames that cannot be used are left out and logged.

    `sensors`: `forward` for the forward camera and its LiDAR; `all` for one frame per camera, with the merged clouds of
    all LiDARs. Raises DataError when the scenario cannot be used.
    """
    for read in read_frames(open_scenario(Path(folder), None, sensors)):
        if isinstance(read, SkippedFrame):
            _LOG.warning("%s", read.message)
        else:
            yield read.frame
