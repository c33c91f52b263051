"""Images and clouds find each other by name or by time."""

from pathlib import Path

import pytest

from lib.reading.findings import Notice, ScenarioError
from lib.reading.pairing import listed, paired


def files(*names):
    return {name: Path(name) for name in sorted(names)}


def pairs(images, clouds, apart=0.05):
    found, findings = paired(Path("drive"), files(*images), files(*clouds), apart)
    return [(p.frame_id, str(p.image), str(p.cloud), p.time_s) for p in found], findings


def test_equal_names():
    found, findings = pairs(["10", "9", "11"], ["9", "10", "12"])
    assert found == [(9, "9", "9", None), (10, "10", "10", None)]
    assert [finding.reason for finding in findings] == [Notice.UNPAIRED_FILES]
    assert findings[0].message == "drive: 2 images or clouds have no partner and are left out (11, 12)"


def test_names_that_are_no_numbers_are_counted():
    found, findings = pairs(["b", "a"], ["a", "b"])
    assert found == [(0, "a", "a", None), (1, "b", "b", None)] and not findings
    assert [frame[0] for frame in pairs(["01", "1"], ["01", "1"])[0]] == [0, 1]


@pytest.mark.parametrize(
    ("unit", "digits"),
    [(1.0, "{:.6f}"), (1e3, "{:.0f}"), (1e6, "{:.0f}"), (1e9, "{:.0f}")],
    ids=["s", "ms", "us", "ns"],
)
def test_nearest_times(unit, digits):
    start = 1_700_000_000
    images = [digits.format((start + 0.033 * number) * unit) for number in range(12)]
    clouds = [digits.format((start + 0.004 + 0.1 * number) * unit) for number in range(4)]
    found, findings = pairs(images, clouds)
    assert [(image, cloud) for _, image, cloud, _ in found] == [
        (images[index], clouds[number]) for number, index in enumerate([0, 3, 6, 9])
    ]
    assert [time_s - start for *_, time_s in found] == pytest.approx([0, 0.099, 0.198, 0.297], abs=1e-3)
    assert "8 images or clouds" in findings[0].message


def test_times_too_far_apart_do_not_pair():
    found, _ = pairs(["1.00", "2.00"], ["1.04", "2.06"])
    assert [(image, cloud) for _, image, cloud, _ in found] == [("1.00", "1.04")]
    assert [frame[0] for frame in found] == [0]
    assert len(pairs(["1.00", "2.00"], ["1.04", "2.06"], apart=0.1)[0]) == 2


def test_long_numbers_that_begin_with_zero_are_no_times():
    assert pairs(["0000000007"], ["0000000007"])[0] == [(7, "0000000007", "0000000007", None)]


@pytest.mark.parametrize(
    ("images", "clouds", "part"),
    [
        (["a", "b"], ["c"], "2 images (a, b) and 1 clouds (c) do not pair: no two have the same name"),
        (["1.0"], ["9.0"], "no two are at most 0.05 s apart"),
        ([], ["1.0"], "0 images () and 1 clouds"),
    ],
)
def test_nothing_in_common(images, clouds, part):
    with pytest.raises(ScenarioError) as caught:
        pairs(images, clouds)
    assert part in str(caught.value) and "\n" not in str(caught.value)


def test_two_files_of_one_name(tmp_path):
    for name in ("1.png", "1.JPG", ".2.png", "notes.txt"):
        (tmp_path / name).touch()
    with pytest.raises(ScenarioError, match=r"holds 1\.JPG and 1\.png; keep one of the two"):
        listed(tmp_path, (".png", ".jpg"))
    (tmp_path / "1.JPG").unlink()
    assert listed(tmp_path, (".png", ".jpg")) == {"1": tmp_path / "1.png"}
    with pytest.raises(ScenarioError, match="cannot be listed"):
        listed(tmp_path / "nowhere", (".png",))
