"""The label proof sheet: which frames it shows, and that points and outlines are on it."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from lib.anovox.reading.scenario import open_scenario
from lib.preprocessing.label_colors import ANOMALY_COLOR, class_colors
from lib.preprocessing.label_sheets import legend_names, write_label_sheets
from lib.shards.shard_reader import read_shard
from lib.shards.shard_writer import write_shard
from tests.anovox_sample import SCENARIOS
from tests.shard_data import shard_entry
from tests.sound_files import whole_frames


@pytest.fixture(scope="module")
def golden_shards(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    entries = []
    for path in SCENARIOS:
        frames = [read.frame for read in whole_frames(open_scenario(path, None))]
        write_shard(folder / f"{path.name}.h5", frames, 1536)
        entries.append(shard_entry(read_shard(folder / f"{path.name}.h5")))
    return folder, entries


def pixels_of(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).reshape(-1, 3).astype(int)


def has_color(pixels, color):
    return (np.abs(pixels - np.asarray(color)).max(axis=1) <= 2).sum() > 20


def test_sheets_show_classes_and_outlines(golden_shards, tmp_path):
    folder, entries = golden_shards
    sheets = write_label_sheets(folder, entries, tmp_path)
    assert [path.name for path in sheets] == ["anomalies.png", "normality.png"]
    anomalies, normality = map(pixels_of, sheets)
    colors = 255 * class_colors()
    for class_id in (1, 2, 14, 24):
        assert has_color(anomalies, colors[class_id]) and has_color(normality, colors[class_id])
    outline = 255 * np.array(to_rgb(ANOMALY_COLOR))
    assert has_color(anomalies, outline) and not has_color(normality, outline)
    assert not has_color(normality, colors[13])


def test_equal_data_give_equal_sheets(golden_shards, tmp_path):
    folder, entries = golden_shards
    sheets = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        sheets.append([path.read_bytes() for path in write_label_sheets(folder, entries, tmp_path / name)])
    assert sheets[0] == sheets[1]


@pytest.mark.parametrize(("anomalous", "name"), [(True, "anomalies.png"), (False, "normality.png")])
def test_a_sheet_without_frames_is_not_written(golden_shards, tmp_path, anomalous, name):
    folder, entries = golden_shards
    some = [entry for entry in entries if bool(entry.frames_with_anomaly) == anomalous]
    assert [path.name for path in write_label_sheets(folder, some, tmp_path)] == [name]


def test_the_legend_names_all_anomalies_in_one_entry():
    assert legend_names([1, 14, 30, 34, 100, 255]) == {
        1: "road",
        14: "car",
        30: "anomaly: animal, falling",
        255: "no label",
    }
    assert legend_names([100, 200]) == {100: "anomaly", 200: "class 200"}
    assert legend_names([15]) == {15: "truck"}
