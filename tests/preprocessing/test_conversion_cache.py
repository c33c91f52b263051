"""Only what is new or has changed is converted, and the result is that of a full rebuild, byte for byte."""

import os
import shutil

import pytest

from lib.common.cache import Cache
from lib.preprocessing.conversion import convert_data_set
from lib.preprocessing.label_report import label_sentences, scenario_rows
from tests.all_params import all_params
from tests.anovox_sample import MONO_NORMALITY, MONO_STATIC, STEREO, frame_path, golden_copy

PARAMS = all_params().preprocess


@pytest.fixture
def data(tmp_path):
    return golden_copy(tmp_path / "data", MONO_STATIC, MONO_NORMALITY)


@pytest.fixture
def cache(tmp_path):
    (tmp_path / "shelf").mkdir()
    return Cache(tmp_path / "shelf")


def convert(data, cache, **params):
    """How many scenarios were reused, and all that the stage makes its outs of."""
    folder = data.parent / "shards"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    found = convert_data_set(data, folder, PARAMS.model_copy(update=params), 1, cache)
    files = {file.name: file.read_bytes() for file in folder.iterdir()}
    tables = scenario_rows(found.entries, found.statistics), label_sentences(found.statistics)
    return found.reused, (files, found.entries, found.metrics, *tables)


def reused(data, cache, **params):
    """How many scenarios were reused; the result must be as without a shelf."""
    count, result = convert(data, cache, **params)
    assert (0, result) == convert(data, None, **params)
    return count


def the_entry(cache, name):
    [entry] = [entry for entry in cache.folder.iterdir() if (entry / f"{name}.h5").exists()]
    return entry


def test_one_new_scenario_and_one_changed_file_cost_one_scenario_each(data, cache):
    assert [reused(data, cache), reused(data, cache)] == [0, 2]
    golden_copy(data, STEREO)
    assert [reused(data, cache), reused(data, cache)] == [2, 3]
    image = frame_path(data / MONO_STATIC.name, "RGB-CAM", 1000)
    shutil.copyfile(frame_path(data / MONO_STATIC.name, "RGB-CAM", 996), image)
    assert [reused(data, cache), reused(data, cache)] == [2, 3]
    image.unlink()
    assert [reused(data, cache), reused(data, cache)] == [2, 3], "a missing frame is a fact, too"
    shutil.rmtree(data / STEREO.name)
    assert reused(data, cache) == 2
    assert not list(cache.folder.glob(".*"))


def test_a_cloud_beyond_all_others_changes_every_shard_and_so_do_params(data, cache):
    reused(data, cache)
    assert reused(data, cache, max_points=4096) == 0
    assert reused(data, cache, sensors="all", max_points=4096) == 0
    assert reused(data, cache, compression="gzip") == 0
    assert reused(data, cache) == 2


@pytest.mark.parametrize("name", ["note.json", f"{MONO_STATIC.name}.h5"])
def test_a_damaged_cache_entry_is_made_again(data, cache, name):
    reused(data, cache)
    place = the_entry(cache, MONO_STATIC.name)
    for change in (lambda content: content[: len(content) // 2], lambda content: content.replace(b"1", b"2", 1)):
        content = change((place / name).read_bytes())
        (place / name).unlink()
        (place / name).write_bytes(content)
        assert [reused(data, cache), reused(data, cache)] == [1, 2]


def test_a_shard_written_through_is_not_taken(data, cache):
    _, result = convert(data, cache)
    shard = data.parent / "shards" / f"{MONO_STATIC.name}.h5"
    assert shard.stat().st_mode & 0o777 == 0o444 and shard.stat().st_nlink == 2
    times = shard.stat()
    shard.chmod(0o644)
    with shard.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\xff")
    os.utime(shard, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert convert(data, cache) == (1, result)


def test_what_could_not_be_read_is_read_again(data, cache):
    image = frame_path(data / MONO_STATIC.name, "RGB-CAM", 1000)
    image.write_bytes(image.read_bytes()[:300])
    assert [reused(data, cache), reused(data, cache)] == [0, 1]
