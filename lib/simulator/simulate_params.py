"""The section `simulate` of params.yaml."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from lib.common.params import Fraction, ImageSize, Metres, Section, Seed

TICKS_PER_SECOND = 10
"""AnoVox's recording rate."""

Offset = Annotated[float, Field(ge=-10, le=10)]
Range = Annotated[tuple[Metres, Metres], Field(strict=False)]


class SimulateParams(Section):
    """The built-in sample; docs/simulator.md describes the distributions."""

    seed: Seed
    sensor_set: Literal["mono", "stereo", "stereo_one_lidar", "multi", "surround"]
    normality_scenarios: Annotated[int, Field(ge=0, le=100_000)]
    anomaly_scenarios: Annotated[int, Field(ge=0, le=100_000)]
    frames_per_scenario: Annotated[int, Field(ge=1, le=10_000)]
    seconds_between_frames: Annotated[float, Field(ge=0.1, le=60)]
    image_height: ImageSize
    image_width: ImageSize
    camera_fov_deg: Annotated[float, Field(gt=10, lt=170)]
    lidar_channels: Annotated[int, Field(ge=4, le=256)]
    lidar_rays_per_channel: Annotated[int, Field(ge=32, le=8192)]
    lidar_range_m: Annotated[float, Field(ge=1, le=1_000)]
    lidar_noise_m: Annotated[float, Field(ge=0, le=10)]
    lidar_offset_m: Annotated[tuple[Offset, Offset, Offset], Field(strict=False)]
    lidar_time_offset_s: Annotated[float, Field(ge=-1, le=1)]
    calibration_jitter_deg: Annotated[float, Field(ge=0, le=30)]
    calibration_jitter_m: Annotated[float, Field(ge=0, le=5)]
    absent_fraction: Fraction
    anomaly_distance_m: Range
    anomaly_sizes_m: Annotated[dict[Literal["Tiny", "Small", "Medium", "Big", "Huge"], Range], Field(min_length=1)]
    night_fraction: Fraction
    fog_fraction: Fraction
    rain_fraction: Fraction

    @model_validator(mode="after")
    def _check(self) -> "SimulateParams":
        if self.normality_scenarios + self.anomaly_scenarios == 0:
            raise ValueError("simulate.normality_scenarios and anomaly_scenarios are both 0; make at least one")
        ticks = self.seconds_between_frames * TICKS_PER_SECOND
        if abs(ticks - round(ticks)) > 1e-6:
            raise ValueError(
                f"simulate.seconds_between_frames is {self.seconds_between_frames}, which is not a multiple of "
                f"{1 / TICKS_PER_SECOND} (AnoVox ticks at {TICKS_PER_SECOND} Hz)"
            )
        sizes = ((f"anomaly_sizes_m.{size}", reach) for size, reach in self.anomaly_sizes_m.items())
        named = [("anomaly_distance_m", self.anomaly_distance_m), *sizes]
        for name, (low, high) in named:
            if low > high:
                raise ValueError(f"simulate.{name} is [{low}, {high}]; the first number must not exceed the second")
        return self
