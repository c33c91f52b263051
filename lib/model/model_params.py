"""The section `model` of params.yaml, and the scores of a detector."""

from itertools import pairwise
from typing import Annotated, Final, Literal

from pydantic import Field, field_validator

from lib.common.params import Section
from lib.common.ticks import HISTORY_TICKS

Fusion = Literal["image", "lidar", "concat", "cross_attention"]
Encoding = Literal["none", "sine", "learned"]
Score = Literal["anomaly_logit", "max_softmax", "max_logit", "energy", "rejected_by_all", "combined"]
Channels = Annotated[int, Field(ge=1, le=1_024)]
Lag = Annotated[int, Field(ge=0, le=HISTORY_TICKS)]

MAX_LAGS: Final = 8


class ModelParams(Section):
    """The detector. window: the frames that it looks at, as lags in ticks of 0.1 s; 0 is the frame itself."""

    fusion: Fusion
    positional_encoding: Encoding
    window: Annotated[tuple[Lag, ...], Field(strict=False)]
    image_channels: Channels
    lidar_channels: Channels
    fusion_channels: Channels
    range_view_rows: Annotated[int, Field(ge=2, le=1_024)] | None
    range_view_columns: Annotated[int, Field(ge=16, le=16_384)] | None

    @field_validator("window")
    @classmethod
    def _check_window(cls, window: tuple[int, ...]) -> tuple[int, ...]:
        rising = all(earlier < later for earlier, later in pairwise(window))
        if window[:1] != (0,) or not rising or len(window) > MAX_LAGS:
            raise ValueError(f"must be 1 to {MAX_LAGS} lags that rise from 0, such as [0, 2, 5, 10]")
        return window
