"""The section `track` of params.yaml."""

from typing import Annotated

from pydantic import Field

from lib.common.params import Section


class TrackParams(Section):
    """Where the vehicle ahead is looked for, and how its braking is read from the past."""

    seconds: Annotated[float, Field(ge=0.4, le=3)]
    usual_acceleration_mps2: Annotated[float, Field(ge=0.1, le=100)]
    lane_half_width_m: Annotated[float, Field(ge=0.3, le=5)]
    max_range_m: Annotated[float, Field(ge=5, le=300)]
