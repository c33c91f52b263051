"""calibration.yaml: the camera, the LiDAR and how they stand to each other, of a plain folder (docs/sensors.md)."""

from pathlib import Path
from typing import Annotated, Final, Literal

import numpy as np
from pydantic import Field, field_validator

from lib.common.errors import ParamsError
from lib.common.params import Section, read_sections
from lib.geometry.axes import rigid, vehicle_axes
from lib.geometry.calibration import Calibration
from lib.geometry.camera import Camera
from lib.geometry.distortion import COEFFICIENTS
from lib.geometry.rigid import Matrix
from lib.reading.findings import ScenarioError, ScenarioReason

CALIBRATION_FILE: Final = "calibration.yaml"
DOCUMENTED: Final = "docs/sensors.md shows a whole file"

Pixels = Annotated[float, Field(gt=-1e6, lt=1e6)]
Focal = Annotated[float, Field(gt=0, lt=1e6)]
Size = Annotated[int, Field(ge=16, le=16_384)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Column = Literal["x", "y", "z", "intensity", "ring", "other"]
COLUMNS: Final[tuple[Column, ...]] = ("x", "y", "z", "intensity")
Elevation = Annotated[float, Field(ge=-90, le=90)]


class CameraSection(Section):
    """Intrinsics [px]. `distortion`: OpenCV's k1, k2, p1, p2[, k3[, k4, k5, k6]], undone when an image is read."""

    width_px: Size
    height_px: Size
    fx_px: Focal
    fy_px: Focal
    cx_px: Pixels
    cy_px: Pixels
    distortion: list[Number] = Field(default_factory=list)

    @field_validator("distortion")
    @classmethod
    def _check_distortion(cls, distortion: list[float]) -> list[float]:
        if distortion and len(distortion) not in COEFFICIENTS:
            raise ValueError("must be 4, 5 or 8 numbers: k1, k2, p1, p2, then k3, then k4, k5, k6")
        return distortion

    @property
    def camera(self) -> Camera:
        """The camera without its distortion."""
        return Camera(self.width_px, self.height_px, self.fx_px, self.fy_px, self.cx_px, self.cy_px)


class LidarSection(Section):
    """The clouds. `columns`: of .npy and .bin, in order (`other`: not read). `intensity_range`: what becomes 0 and 1.

    `elevations_deg`: of the channels, where they need not be found in the clouds.
    """

    columns: list[Column] = Field(default_factory=lambda: list(COLUMNS))
    intensity_range: Annotated[list[Number], Field(min_length=2, max_length=2)]
    range_m: Annotated[float, Field(gt=0, le=10_000)]
    elevations_deg: list[Elevation] = Field(default_factory=list, max_length=1024)

    @field_validator("columns")
    @classmethod
    def _check_columns(cls, columns: list[Column]) -> list[Column]:
        named = [column for column in columns if column != "other"]
        if len(set(named)) < len(named) or not {"x", "y", "z"} <= set(named):
            raise ValueError("must name x, y and z, and nothing but `other` twice")
        return columns

    @field_validator("elevations_deg")
    @classmethod
    def _check_elevations(cls, elevations_deg: list[float]) -> list[float]:
        if elevations_deg and (len(elevations_deg) < 2 or len(set(elevations_deg)) < len(elevations_deg)):
            raise ValueError("must be the elevations of at least 2 channels, all different")
        return elevations_deg

    @field_validator("intensity_range")
    @classmethod
    def _check_range(cls, ends: list[float]) -> list[float]:
        if ends[0] >= ends[1]:
            raise ValueError("must be two numbers that ascend, such as [0, 255]")
        return ends


class CalibrationFile(Section):
    """The content of calibration.yaml."""

    camera: CameraSection
    camera_axes: Literal["opencv", "vehicle"]
    camera_SE3_lidar: list[list[Number]]
    lidar: LidarSection
    frames_per_second: Annotated[float, Field(gt=0, le=1e6)] | None = None
    max_time_apart_s: Annotated[float, Field(ge=0, le=3600)] = 0.05

    @field_validator("camera_SE3_lidar")
    @classmethod
    def _check_rows(cls, rows: list[list[float]]) -> list[list[float]]:
        if len(rows) not in (3, 4) or any(len(row) != 4 for row in rows):
            raise ValueError("must be 3 or 4 rows of 4 numbers: [R | t], or with the row [0, 0, 0, 1]")
        rigid(np.array([*rows[:3], rows[3] if rows[3:] else [0.0, 0.0, 0.0, 1.0]]))
        return rows

    @property
    def transform(self) -> Matrix:
        """camera_SE3_lidar (4, 4), the nearest rigid one, in the axes that the file names."""
        return rigid(np.vstack([np.array(self.camera_SE3_lidar[:3]), [0.0, 0.0, 0.0, 1.0]]))

    @property
    def calibration(self) -> Calibration:
        """The calibration without the lens's distortion, in our axes."""
        return Calibration(self.camera.camera, vehicle_axes(self.transform, self.camera_axes))


def read_calibration(path: Path) -> CalibrationFile:
    """Read and check a calibration.yaml; raises ScenarioError that names the key and what would be accepted."""
    try:
        return read_sections(CalibrationFile, path, DOCUMENTED, DOCUMENTED)
    except ParamsError as error:
        raise ScenarioError(ScenarioReason.BAD_SENSOR_SETUP, str(error)) from None
