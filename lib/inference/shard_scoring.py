"""Scoring of batches and of whole shards by any scorer of views, on a device."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
import torch

from lib.inference.predict_params import PredictParams
from lib.inference.scores import Scorer, Scores, score_both_ways, scores_of
from lib.loading.dataset import FrameRef, batches
from lib.loading.shard_windows import ShardWindows
from lib.model.class_scores import rescored
from lib.model.detector import Logits
from lib.model.devices import Precision, autocast
from lib.shards.predictions import Predictions, to_float16
from lib.shards.shard_reader import Shard
from lib.views.frame_batch import FrameBatch
from lib.views.past_views import views_of
from lib.views.range_view import RangeGrid, Views
from lib.views.sensor_dropout import without_image, without_lidar


@dataclass(frozen=True, eq=False)
class Scoring:
    """How shards are scored; `outside_shift` is added to the scores of points outside the image."""

    scorer: Scorer
    grid: RangeGrid
    params: PredictParams
    device: torch.device
    precision: Precision
    outside_shift: float = 0.0


def blacked_out(views: Views, sensor: Literal["none", "image", "lidar"]) -> Views:
    """The views without one sensor, in all frames."""
    lost_B = torch.ones_like(views.has_lidar_B)
    if sensor == "image":
        return without_image(views, lost_B)
    return without_lidar(views, lost_B) if sensor == "lidar" else views


def logits_of(scoring: Scoring, views: Views) -> Logits:
    """Logits of a batch, with the score of predict.score in place of the anomaly logits."""
    views = blacked_out(views, scoring.params.blackout)
    with autocast(scoring.device, scoring.precision):
        logits = score_both_ways(scoring.scorer, views)
    return rescored(logits, scoring.params.score)


def score_shard(scoring: Scoring, shard: Shard, windows: Sequence[ShardWindows] | None = None) -> Scores:
    """Scores of all frames of a shard, moved to the CPU; windows: of this one, for a detector that looks at a past."""
    refs = [FrameRef(0, index) for index in range(len(shard.frame_id))]
    frames = batches([shard], refs, scoring.params.batch_size, scoring.device, windows)
    parts = [score_batch(scoring, batch) for batch in frames]
    return Scores(*(torch.cat([getattr(part, field.name) for part in parts]) for field in fields(Scores)))


@torch.inference_mode()
def score_batch(scoring: Scoring, batch: FrameBatch) -> Scores:
    """Scores of a batch on the device, moved to the CPU."""
    views, cell_BP = views_of(batch, scoring.grid)
    scores = scores_of(logits_of(scoring, views), views, cell_BP, scoring.params, scoring.outside_shift)
    return Scores(scores.point_BP.cpu(), scores.pixel_BHW.cpu(), scores.frame_B.cpu())


def predictions_of(
    scoring: Scoring, shard: Shard, model_fingerprint: str, windows: Sequence[ShardWindows] | None = None
) -> Predictions:
    """A shard's scores as they are stored; on the CPU they do not depend on the number of threads."""
    scores = score_shard(scoring, shard, windows)
    return Predictions(
        scenario=shard.scenario,
        frame_id=np.asarray(shard.frame_id),
        num_points=np.asarray(shard.num_points),
        point_score=to_float16(scores.point_BP.numpy()),
        pixel_score=to_float16(scores.pixel_BHW.numpy()),
        frame_score=to_float16(scores.frame_B.numpy()),
        shard_fingerprint=shard.fingerprint,
        model_fingerprint=model_fingerprint,
    )
