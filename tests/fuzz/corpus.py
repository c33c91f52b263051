"""Real files to damage: a small sample through the simulator, preprocessing, a model and scores."""

import shutil
import tarfile
import zipfile
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from lib.anovox.format import layout
from lib.anovox.format.configurations import ScenarioDefinition, write_scenario_configuration, write_simulator_notes
from lib.anovox.format.writing import write_array, write_scenario
from lib.common.outputs import write_text
from lib.export.model_record import write_record
from lib.model.detector import DetectorConfig, build_detector
from lib.model.model_file import save_detector
from lib.model.weights_file import TrainedOn, read_model
from lib.preprocessing.conversion import convert_data_set
from lib.preprocessing.preprocess_params import PreprocessParams
from lib.reading.pcd import StoredCloud
from lib.sensors.sensor_statistics import measure
from lib.shards.index import INDEX_FILE
from lib.shards.predictions import Predictions, to_float16, write_predictions
from lib.shards.shard_reader import Shard, read_shard
from lib.simulator.mounting import sensor_set
from lib.simulator.recordings import record_scenario, scenario_definition, simulator_notes
from lib.simulator.scenario_plan import ScenarioPlan, plan_scenarios
from lib.simulator.scene_builder import build_scene
from lib.simulator.simulate_params import SimulateParams
from tests.exported import made_up_record
from tests.old_layout_files import write_old_scenario, write_pcd
from tests.sensor_files import HEIGHT, P2, WIDTH, image, write_folder, write_kitti_object

SMALL: Final = {
    "sensor_set": "mono",
    "normality_scenarios": 1,
    "anomaly_scenarios": 1,
    "frames_per_scenario": 2,
    "image_height": 24,
    "image_width": 36,
    "lidar_channels": 4,
    "lidar_rays_per_channel": 48,
}


def make_corpus(folder: Path, simulate: SimulateParams, preprocess: PreprocessParams, params_file: Path) -> None:
    """Fill a folder with one small file or more of every kind that the pipeline reads.

    data/: two scenarios in the release layout, old/: in the old one; shards/, predictions/; and beside them the rest.
    """
    small = simulate.model_copy(update=SMALL)
    plans = plan_scenarios(small)
    write_scenario_configuration(folder / "data", [_record(folder, small, plan) for plan in plans])
    write_simulator_notes(folder / "data", simulator_notes(plans, small))
    shards = folder / "shards"
    shards.mkdir()
    entries = convert_data_set(folder / "data", shards, preprocess, workers=1).entries
    for entry in entries:
        write_predictions(folder / "predictions" / entry.file, _scores(shards / entry.file))
    shutil.copy(shards / INDEX_FILE, folder / INDEX_FILE)
    shutil.copy(params_file, folder / "params.yaml")
    write_text(
        folder / "frames.json", '{"100": {"anomaly_in_view": true, "size": "Tiny"}, "7": {"anomaly_in_view": false}}'
    )
    write_text(folder / "name.txt", "Town10HD drive (1), [a]")
    voxels = np.array([[500, 500, 30, 0.25], [501, 500, 30, 0.75]])
    write_array(folder / "pred_100.npy", voxels)
    write_array(folder / "gt_100.npy", np.array([[500, 500, 30, 1], [501, 500, 30, 33]], dtype=np.uint16))
    _models(folder, read_shard(shards / entries[0].file))
    _pcd_files(folder, np.random.default_rng(1))
    _ply_files(folder, np.random.default_rng(1))
    _other_sensors(folder / "other")
    _pack(folder)


def _record(folder: Path, params: SimulateParams, plan: ScenarioPlan) -> ScenarioDefinition:
    scene = build_scene(plan, params)
    definition = scenario_definition(plan, scene)
    recordings = list(record_scenario(scene, plan, params))
    write_scenario(folder / "data", definition.config, sensor_set(params), recordings)
    write_old_scenario(folder / "old", definition.config, recordings)
    return definition


def _scores(path: Path) -> Predictions:
    shard, generator = read_shard(path), np.random.default_rng(1)
    shapes = shard.point_class.shape, shard.pixel_class.shape, (len(shard),)
    point_score, pixel_score, frame_score = (to_float16(generator.normal(size=shape)) for shape in shapes)
    return Predictions(
        scenario=shard.scenario,
        shard_fingerprint=shard.fingerprint,
        model_fingerprint="of no model",
        frame_id=np.asarray(shard.frame_id),
        num_points=np.asarray(shard.num_points),
        point_score=point_score,
        pixel_score=pixel_score,
        frame_score=frame_score,
    )


def _models(folder: Path, shard: Shard) -> None:
    """Weights, and the same as `export` writes them."""
    weights = folder / "weights.safetensors"
    trained_on = TrainedOn((shard.scenario,), shard.fingerprint, measure([shard.frame(0)]), "2.13.0")
    save_detector(weights, build_detector(DetectorConfig("concat", 8, 8, 8, 4, 48, 15.0, -25.0)), trained_on)
    write_record(folder / "detector.safetensors", read_model(weights), made_up_record(trained_on))


def _pcd_files(folder: Path, generator: np.random.Generator) -> None:
    """A cloud in each of the format's three encodings."""
    colors = np.tile(np.array([[128, 64, 128]], dtype=np.uint8), (40, 1))
    intensity = generator.random(40, dtype=np.float32)
    cloud = StoredCloud(generator.normal(size=(40, 3)).astype(np.float32), intensity, colors)
    for encoding in ("ascii", "binary", "binary_compressed"):
        write_pcd(folder / f"{encoding}.pcd", cloud, encoding)


def _ply_files(folder: Path, generator: np.random.Generator) -> None:
    """A semantic cloud as CARLA saves it, as text and as numbers."""
    fields = [("x", "f4"), ("y", "f4"), ("z", "f4"), ("CosAngle", "f4"), ("ObjIdx", "u4"), ("ObjTag", "u4")]
    data = np.zeros(40, dtype=fields)
    for name, _ in fields[:3]:
        data[name] = generator.normal(size=40)
    data["ObjTag"] = 1
    lines = [
        f"element vertex {len(data)}",
        *(f"property {'float32' if t == 'f4' else 'uint32'} {n}" for n, t in fields),
    ]
    text = "".join(" ".join(map(str, row)) + "\n" for row in data.tolist())
    for order, content in (("ascii", text.encode()), ("binary_little_endian", data.tobytes())):
        header = "\n".join(["ply", f"format {order} 1.0", *lines, "end_header", ""])
        (folder / f"{order}.ply").write_bytes(header.encode() + content)


def _other_sensors(folder: Path) -> None:
    """A frame in KITTI's layout and a plain folder, and an image as JPEG."""
    write_kitti_object(folder / "training", {"000001": (P2, (HEIGHT, WIDTH))})
    write_folder(folder / "plain", ["000001"])
    Image.fromarray(image(1)).save(folder / "image.jpg")


def _pack(folder: Path) -> None:
    """Both kinds of archive, with a scenario's small files in them."""
    names = [layout.ACTION, layout.VOXEL_GRID, layout.ANOMALY]
    members = sorted(path for path in (folder / "data").rglob("*") if path.is_file() and path.parent.name in names)
    with tarfile.open(folder / "archive.tar.gz", "w:gz", compresslevel=1) as tar:
        for path in members:
            tar.add(path, path.relative_to(folder / "data"))
    with zipfile.ZipFile(folder / "archive.zip", "w", zipfile.ZIP_DEFLATED) as file:
        for path in members:
            file.write(path, path.relative_to(folder / "data"))
