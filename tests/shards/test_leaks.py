"""Guards against data that would fool: each one fires, and none does on sound data."""

import dataclasses
import shutil

import numpy as np
import pytest

from lib.common.errors import DataError
from lib.geometry.frame import ScenarioType
from lib.preprocessing.agreement import Agreement
from lib.preprocessing.evidence import Evidence
from lib.preprocessing.label_guards import check_labels, type_sentences
from lib.preprocessing.statistics import Statistics
from lib.shards.digests import NO_CONTENT, digest
from lib.shards.index import open_entry, read_index, write_index
from lib.shards.leaks import check_no_leak
from lib.shards.shard_reader import read_shard
from lib.shards.shard_writer import padded_length, write_shard
from lib.shards.split import assign_splits
from lib.shards.split_params import SplitParams
from tests.shard_data import shard_entry, street_frame, write_street_shards

NORMALITY, STATIC = ScenarioType.NORMALITY, ScenarioType.STATIC
TYPES = {"n": NORMALITY, "s": STATIC}
SPLIT = SplitParams(seed=1, train_on="normality", validation_fraction=0.25, test_fraction=0.25)


def counts(**by_class):
    """Counts by class id: c1=5 means five of class 1."""
    found = np.zeros(256, dtype=np.int64)
    for name, number in by_class.items():
        found[int(name[1:])] = number
    return found


def statistics(points, pixels=None, frames=2, with_anomaly=0, agreement=None):
    pixels = counts(c1=50, c3=50) if pixels is None else pixels
    return Statistics(
        frames=frames,
        frames_with_anomaly=with_anomaly,
        point_classes=points,
        pixel_classes=pixels,
        by_camera={"": Evidence(agreement=agreement or Agreement(clear=1000, clear_same=998))},
    )


SOUND = {"n": statistics(counts(c1=50, c3=50)), "s": statistics(counts(c1=90, c30=10), with_anomaly=1)}


def test_sound_labels_pass():
    check_labels(SOUND, TYPES)
    assert type_sentences(SOUND, TYPES) == []


@pytest.mark.parametrize("unknown", [0, 7])
def test_constant_labels_are_refused(unknown):
    constant = {name: statistics(counts(c1=100, c255=unknown)) for name in TYPES}
    with pytest.raises(DataError, match=r"all labelled points are 'road'.*SEMANTIC-LIDAR"):
        check_labels(constant, TYPES)
    pixels = {name: statistics(counts(c1=1, c3=1), counts(c0=100, c255=unknown)) for name in TYPES}
    with pytest.raises(DataError, match=r"all labelled pixels are 'unlabeled'.*SEMANTIC-CAM"):
        check_labels(pixels, TYPES)


def test_labels_that_say_nothing_are_refused():
    with pytest.raises(DataError, match="none of the points has a label"):
        check_labels({name: statistics(counts(c255=100)) for name in TYPES}, TYPES)


@pytest.mark.parametrize("where", ["points", "pixels"])
def test_labels_that_are_the_folders_name_are_refused(where):
    everywhere, normal = counts(c100=100), counts(c1=50, c3=50)
    wrong = statistics(everywhere, normal) if where == "points" else statistics(normal, everywhere)
    with pytest.raises(DataError, match=r"s is labelled as an anomaly nearly everywhere \(100%\), as is every anomaly"):
        check_labels({"n": SOUND["n"], "s": wrong}, TYPES)
    with pytest.raises(DataError, match=r"one of 1 such scenarios: this is the folder's name"):
        check_labels({"n": wrong, "s": SOUND["s"]}, TYPES)


def test_frame_labels_that_are_the_scenarios_type_are_said():
    coincide = {"n": SOUND["n"], "s": dataclasses.replace(SOUND["s"], frames_with_anomaly=2)}
    check_labels(coincide, TYPES)
    [sentence] = type_sentences(coincide, TYPES)
    assert "each frame of the 1 anomaly scenarios shows an anomaly" in sentence and "frame AUROC only" in sentence


@pytest.fixture
def shards(tmp_path):
    write_street_shards(tmp_path)
    return tmp_path


def rewritten(folder, entry, frames):
    """Another shard in the place of one of the index, and the index told."""
    write_shard(folder / entry.file, frames, padded_length(len(frames[0].points)))
    entries = read_index(folder)
    write_index(folder, [shard_entry(read_shard(folder / entry.file)) for entry in entries])
    return read_index(folder)


def test_no_scenario_is_in_two_splits_and_sound_shards_pass(shards):
    entries = read_index(shards)
    splits = assign_splits(entries, SPLIT)
    assert {entry.scenario for entry in entries} == splits.keys() and len(set(splits.values())) == 3
    check_no_leak(shards, entries, splits)


@pytest.mark.parametrize("copied", ["image", "points"])
@pytest.mark.parametrize("seen", ["train", "validation"])
def test_a_frame_in_training_and_test_is_refused(shards, copied, seen):
    entries = read_index(shards)
    splits = assign_splits(entries, SPLIT)
    tested = next(e for e in entries if splits[e.scenario] == "test" and e.type is STATIC)
    source = next(e for e in entries if splits[e.scenario] == seen)
    number = int(source.scenario.removeprefix("Scenario_"))
    copy = street_frame(source.scenario, 996, NORMALITY, False, 10 * number)
    own = street_frame(tested.scenario, 2000, STATIC, True, 77)
    same = {"points": copy.points, "point_class": copy.point_class} if copied == "points" else {"image": copy.image}
    entries = rewritten(shards, tested, [dataclasses.replace(own, **same)])
    words = rf"frame 2000 of {tested.scenario}, which the split tests, is byte for byte frame 996 of {source.scenario}"
    with pytest.raises(DataError, match=words):
        check_no_leak(shards, entries, splits)


def test_dark_images_are_no_copies_of_each_other():
    assert digest(np.zeros((4, 6, 3), dtype=np.uint8)) == digest(np.full((2, 2), 9)) == NO_CONTENT
    assert digest(np.arange(6)) == digest(np.arange(6)) != digest(np.arange(1, 7))


def test_a_shard_of_another_scenario_in_its_place_is_refused(shards):
    first, second, *_ = read_index(shards)
    open_entry(shards, first)
    shutil.copy(shards / second.file, shards / first.file)
    with pytest.raises(DataError, match=r"is not the shard that .*index\.csv tells of; run `dvc repro preprocess`"):
        open_entry(shards, first)
