"""Images of any camera: PNG and JPEG as Pillow reads them, and a sentence for those that cannot be taken."""

import numpy as np
import pytest
from PIL import Image

from lib.reading.file_errors import FileError, Reason
from lib.reading.images import image_size, read_image
from tests.sensor_files import image

PIXELS = image(0, 30, 50)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.JPEG"])
def test_colours_are_those_that_pillow_reads(tmp_path, name):
    Image.fromarray(PIXELS).save(tmp_path / name)
    with Image.open(tmp_path / name) as opened:
        expected = np.asarray(opened)
    np.testing.assert_array_equal(read_image(tmp_path / name, 30, 50), expected)
    assert image_size(tmp_path / name) == (30, 50)


def test_a_jpeg_is_read_whatever_its_name_says(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "a.png", "JPEG")
    with Image.open(tmp_path / "a.png") as opened:
        expected = np.asarray(opened)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png", 30, 50), expected)


@pytest.mark.parametrize(("name", "mode"), [("a.png", "L"), ("a.jpg", "L"), ("a.png", "RGBA"), ("a.png", "P")])
def test_other_modes_become_rgb(tmp_path, name, mode):
    Image.fromarray(PIXELS).convert(mode).save(tmp_path / name)
    with Image.open(tmp_path / name) as opened:
        expected = np.asarray(opened.convert("RGB"))
    np.testing.assert_array_equal(read_image(tmp_path / name, 30, 50), expected)


def turned(path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(PIXELS).save(path, exif=exif)


@pytest.mark.parametrize(
    ("name", "write", "part"),
    [
        ("a.png", lambda p: Image.fromarray(PIXELS[:, :, 0].astype(np.uint16) * 200).save(p), "grey has 16 bits"),
        ("a.jpg", lambda p: Image.fromarray(PIXELS).convert("CMYK").save(p), "pixels of mode CMYK"),
        ("a.jpg", turned, "EXIF data say that it is turned"),
        ("a.jpg", lambda p: Image.fromarray(PIXELS[:20]).save(p), "20 x 50 pixels (height x width), but its camera's"),
        ("a.jpg", lambda p: p.write_bytes(b"no image"), "cannot be decoded"),
        ("a.jpg", lambda p: p.write_bytes(b""), "cannot be decoded"),
        ("a.png", lambda p: Image.fromarray(PIXELS).save(p, "GIF"), "cannot be decoded"),
    ],
)
def test_what_cannot_be_taken(tmp_path, name, write, part):
    write(tmp_path / name)
    with pytest.raises(FileError) as caught:
        read_image(tmp_path / name, 30, 50)
    assert part in str(caught.value) and caught.value.reason is Reason.DAMAGED_IMAGE
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_a_truncated_image(tmp_path, name):
    Image.fromarray(PIXELS).save(tmp_path / name)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-200])
    with pytest.raises(FileError, match="cannot be decoded"):
        read_image(tmp_path / name, 30, 50)
