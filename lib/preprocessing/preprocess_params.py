"""The section `preprocess` of params.yaml."""

from typing import Annotated, Literal

from pydantic import Field

from lib.common.params import ImageSize, Section


class PreprocessParams(Section):
    """From AnoVox files to shards; null uses the data's own sizes."""

    sensors: Literal["forward", "all"]
    image_height: ImageSize | None
    image_width: ImageSize | None
    max_points: Annotated[int, Field(ge=1, le=10_000_000)] | None
    compression: Literal["none", "gzip", "lz4"]
    point_dtype: Literal["float32", "float16"]
    poses: Literal["action", "odometry"]
    trust_labels: bool
