"""The section `evaluate` of params.yaml."""

from typing import Annotated, Literal

from pydantic import Field

from lib.common.params import Count, Fraction, Section, Seed


class EvaluateParams(Section):
    """What counts as an anomalous frame, how intervals are made, how long a drive's score is held [s]."""

    seed: Seed
    min_anomaly_image_fraction: Fraction
    min_anomaly_points: Count
    bootstrap_resamples: Annotated[int, Field(ge=100, le=20_000)]
    voxel_score: Literal["centerpoint", "mean", "median"]
    hold_s: Annotated[float, Field(ge=0, le=60)]
