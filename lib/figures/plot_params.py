"""The section `plot` of params.yaml."""

from typing import Annotated

from pydantic import Field

from lib.common.params import Section


class PlotParams(Section):
    """The figures and the gallery."""

    gallery_frames: Annotated[int, Field(ge=1, le=100)]
    score_bins: Annotated[int, Field(ge=5, le=500)]
    dpi: Annotated[int, Field(ge=40, le=600)]
