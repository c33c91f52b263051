"""The section `predict` of params.yaml."""

from typing import Annotated, Literal

from pydantic import Field

from lib.common.params import BatchSize, Count, Fraction, Metres, Section
from lib.model.model_params import Score

FrameScore = Literal["points_or_pixels", "top_points", "pooled", "cluster"]


class PredictParams(Section):
    """Scoring of the test scenarios."""

    blackout: Literal["none", "image", "lidar"]
    score: Score
    without_image_weight: Fraction
    outside_false_alarms: Annotated[float, Field(gt=0, lt=1)] | None
    batch_size: BatchSize
    precision: Literal["auto", "float32", "bfloat16"]
    frame_score: FrameScore
    frame_top_points: Count
    frame_top_pixels: Count
    frame_radius_m: Metres
    vehicle_ahead_shift: Annotated[float, Field(ge=-20, le=20)]
    validation_frames: Annotated[int, Field(ge=1, le=10_000)]
    validation_clean_fraction: Annotated[float, Field(ge=0, le=0.9)]
