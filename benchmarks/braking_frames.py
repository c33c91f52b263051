"""Frames of simulated drives in memory, and what detectors score them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
import torch

from lib.common.ticks import SINGLE_FRAME, TICKS_PER_SECOND
from lib.geometry.calibration import Calibration
from lib.geometry.camera import Camera
from lib.geometry.frame import Frame, Lidar, ScenarioType
from lib.geometry.rigid import apply, invert
from lib.inference.predict_params import PredictParams
from lib.inference.scores import also_without_image, for_sensors
from lib.inference.shard_scoring import Scoring, score_batch
from lib.loading.dataset import FrameRef, batches
from lib.loading.shard_windows import ShardWindows
from lib.model.detector import Detector
from lib.model.devices import choose_precision
from lib.model.model_file import load_detector
from lib.shards.shard_reader import Shard, read_shard
from lib.shards.shard_writer import padded_length, write_shard
from lib.simulator.mounting import extrinsics, sensor_set
from lib.simulator.scenario_plan import ScenarioPlan
from lib.simulator.scene_builder import build_scene
from lib.simulator.sensors import sense_camera, sense_lidar
from lib.simulator.simulate_params import SimulateParams
from lib.simulator.textures import ValueNoise
from lib.simulator.world import SceneWorlds, world_SE3_ego
from lib.tracking.shard_tracks import tracks_of
from lib.tracking.track_params import TrackParams
from lib.training.training_setup import range_grid

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Models:
    """Detectors to score with: their files, by the names of their scores; and how frames are scored."""

    files: tuple[tuple[str, Path], ...]
    predict: PredictParams


def drive_frames(
    params: SimulateParams, plan: ScenarioPlan, frames: range, with_images: bool
) -> Iterator[tuple[Frame, Values]]:
    """Frames of a drive, unlabelled, and their clouds (N, 4) [m, vehicle frame], intensity.

    Of the clouds, the half ahead: nothing that is judged looks behind the ego.
    """
    scene, sensors = build_scene(plan, params), sensor_set(params)
    worlds, noise = SceneWorlds(scene), ValueNoise(scene.texture_seed)
    vehicle_SE3_lidar, vehicle_SE3_camera = (extrinsics(place[0]) for place in (sensors.lidars, sensors.cameras))
    camera = Camera.from_fov(params.image_width, params.image_height, params.camera_fov_deg)
    calibration = Calibration(camera, invert(vehicle_SE3_camera) @ vehicle_SE3_lidar)
    args, place = sensors.lidar_args, sensors.lidars[0]
    lidar = Lidar(args.channels, args.upper_fov, args.lower_fov, args.range, place.location, place.rotation)
    size = camera.height_px, camera.width_px
    for index in frames:
        time_s = index / TICKS_PER_SECOND
        pose, world = world_SE3_ego(scene, time_s), worlds.at(time_s)
        camera_rng, lidar_rng = np.random.default_rng([params.seed, 11, plan.index, index]).spawn(2)
        image = np.zeros((*size, 3), dtype=np.uint8)
        if with_images:
            at = pose @ vehicle_SE3_camera
            image = sense_camera(world, sensors.camera_args, at, pose, noise, camera_rng).rgb
        points = sense_lidar(world, args, pose @ vehicle_SE3_lidar, TICKS_PER_SECOND, lidar_rng, True).lidar
        frame = Frame(
            scenario=plan.name,
            frame_id=index,
            scenario_type=ScenarioType.NORMALITY,
            image=image,
            points=points,
            point_class=np.zeros(len(points), dtype=np.uint8),
            pixel_class=np.zeros(size, dtype=np.uint8),
            depth_m=np.ones(size, dtype=np.float32),
            calibration=calibration,
            lidars=(lidar,),
            voxels=np.zeros((0, 4), dtype=np.uint16),
            world_SE3_ego=pose,
            speed_mps=None,
            time_s=time_s,
            anomaly=None,
        )
        cloud_m = points.astype(np.float64)
        cloud_m[:, :3] = apply(vehicle_SE3_lidar, cloud_m[:, :3])
        yield frame, cloud_m


def detector_scores(models: Models, track: TrackParams, frames: Sequence[Frame], first: int) -> dict[str, Values]:
    """The frame scores of each detector, from frame number `first` on; what comes before is the past."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"{frames[0].scenario}.h5"
        write_shard(path, frames, padded_length(max(len(frame.points) for frame in frames)))
        shard = read_shard(path, verify=False)
        tracks = tracks_of(shard, track)
        found = {}
        for name, file in models.files:
            detector = _detector(file)
            windows = [ShardWindows(shard, detector.config.window, tracks)]
            found[name] = _scored(detector, models.predict, shard, windows, first)
        return found


def _scored(
    detector: Detector, predict: PredictParams, shard: Shard, windows: Sequence[ShardWindows], first: int
) -> Values:
    config, device = detector.config, torch.device("cpu")
    predict = for_sensors(predict, config.fusion)
    scorer, grid = also_without_image(detector, config.fuses, predict), range_grid(config, shard)
    scoring = Scoring(scorer, grid, predict, device, choose_precision(predict.precision, device))
    refs = [FrameRef(0, index) for index in range(first, len(shard))]
    past = None if config.window == SINGLE_FRAME else windows
    parts = [score_batch(scoring, batch).frame_B for batch in batches([shard], refs, predict.batch_size, device, past)]
    return torch.cat(parts).double().numpy()


@lru_cache(maxsize=8)
def _detector(file: Path) -> Detector:
    torch.set_num_threads(1)
    detector = load_detector(file).eval()
    detector.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return detector
