"""The section `model` of params.yaml, and the scores of a detector."""

from typing import Annotated, Literal

from pydantic import Field

from lib.common.params import Section

Fusion = Literal["image", "lidar", "concat", "cross_attention"]
Encoding = Literal["none", "sine", "learned"]
Score = Literal["anomaly_logit", "max_softmax", "max_logit", "energy", "rejected_by_all", "combined"]
Channels = Annotated[int, Field(ge=1, le=1_024)]


class ModelParams(Section):
    """The detector."""

    fusion: Fusion
    positional_encoding: Encoding
    image_channels: Channels
    lidar_channels: Channels
    fusion_channels: Channels
    range_view_rows: Annotated[int, Field(ge=2, le=1_024)] | None
    range_view_columns: Annotated[int, Field(ge=16, le=16_384)] | None
