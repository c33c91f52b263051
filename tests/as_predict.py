"""The scores of frames by way of a shard: what the stages `track` and `predict` do."""

from collections.abc import Sequence
from pathlib import Path

from lib.detection.anomaly_detector import AnomalyDetector
from lib.geometry.frame import Frame
from lib.inference.scores import also_without_image, for_sensors
from lib.inference.shard_scoring import Scoring, predictions_of
from lib.loading.shard_windows import windows_of
from lib.model.devices import choose_precision
from lib.shards.predictions import Predictions
from lib.shards.shard_reader import read_shard
from lib.shards.shard_writer import write_shard
from lib.shards.tracks import write_tracks
from lib.tracking.shard_tracks import tracks_of
from tests.all_params import all_params


def as_predict(
    detector: AnomalyDetector, frames: Sequence[Frame], folder: Path, batch_size: int | None = None
) -> Predictions:
    """Predictions of a shard of the frames, written into `folder`; batch_size: None for that of the model's file."""
    shard_path, tracks = folder / "shards" / "Scenario_1.h5", folder / "tracks"
    write_shard(shard_path, frames, max(len(frame.points) for frame in frames))
    shard = read_shard(shard_path)
    write_tracks(tracks / shard_path.name, tracks_of(shard, all_params().track))
    config, params = detector.network.config, detector.record.predict
    params = params.model_copy(update={"batch_size": batch_size or params.batch_size})
    scorer = also_without_image(detector.network, config.fuses, params)
    precision = choose_precision(params.precision, detector.device)
    sensors = for_sensors(params, config.fusion)
    scoring = Scoring(scorer, config.grid(), sensors, detector.device, precision, detector.record.outside_shift)
    return predictions_of(scoring, shard, "0123", windows_of([shard], config.window, tracks))
