import numpy as np
import pytest

from lib.common.errors import DataError
from lib.geometry.frame import ScenarioType
from lib.shards.index import ShardEntry, read_index, write_index
from lib.shards.shard_reader import read_shard
from lib.shards.shard_writer import write_shard
from tests.shard_data import shard_entry
from tests.shards.test_shards import frame

ENTRIES = (
    ShardEntry(
        "Scenario_b", ScenarioType.DYNAMIC, "Scenario_b.h5", 200, 31, 124, 512, 768, 92032, 64, "Town10HD", "A, B"
    ),
    ShardEntry("Scenario_a", ScenarioType.NORMALITY, "Scenario_a.h5", 4, 0, 4, 512, 768, 92032, 64, "", ""),
)


def test_the_index_is_kept_sorted(tmp_path):
    write_index(tmp_path, ENTRIES)
    assert read_index(tmp_path) == ENTRIES[::-1]
    assert [path.name for path in tmp_path.iterdir()] == ["index.csv"]


def test_an_entry_says_what_the_shard_holds(tmp_path):
    points = np.full(20, 1, dtype=np.uint8)
    points[4] = 100
    write_shard(tmp_path / "a.h5", [frame(1), frame(2, point_class=points), frame(3)], 64, "Town03", "CLEAR")
    entry = shard_entry(read_shard(tmp_path / "a.h5"))
    assert entry == ShardEntry("Scenario_a", ScenarioType.STATIC, "a.h5", 3, 1, 1, 8, 12, 64, 16, "Town03", "CLEAR")


def test_a_missing_index_is_named(tmp_path):
    with pytest.raises(DataError, match=r"index\.csv: there is no index of shards; run `dvc repro preprocess`"):
        read_index(tmp_path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("NORMALITY", "NORMAL"),
        (",200,", ",many,"),
        ("town,", "city,"),
        (",512,768,92032,64,,", ""),
        ("Scenario_a,", "Scenario_c,"),
        (",200,", ",201,"),
    ],
)
def test_a_damaged_index_is_named(tmp_path, old, new):
    write_index(tmp_path, ENTRIES)
    path = tmp_path / "index.csv"
    lines = [line.replace(old, new) for line in path.read_text().splitlines(keepends=True)]
    assert "".join(lines) != path.read_text()
    path.write_text("".join(lines))
    with pytest.raises(DataError, match=r"index\.csv: damaged .*run `dvc repro preprocess`"):
        read_index(tmp_path)


def test_an_index_that_lost_a_line_is_named(tmp_path):
    write_index(tmp_path, ENTRIES)
    path = tmp_path / "index.csv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(DataError, match=r"index\.csv: damaged \(its lines do not match their checksum\)"):
        read_index(tmp_path)
