"""PNG files: the same pixels whichever decoder takes them, and no damage that is read as sound."""

import io
import zlib

import numpy as np
import pytest
from PIL import Image

from lib.anovox.format import files
from lib.reading import png
from lib.reading.file_errors import FileError

MODES = ("L", "RGB", "LA", "RGBA", "P", "I;16")
HEIGHT, WIDTH = 9, 12


def picture(mode, height=HEIGHT, width=WIDTH):
    generator = np.random.default_rng(1)
    if mode == "I;16":
        return Image.fromarray(generator.integers(0, 300, (height, width), dtype=np.uint16))
    return Image.fromarray(generator.integers(0, 255, (height, width, 3), dtype=np.uint8)).convert(mode)


def encoded(mode, **options):
    stream = io.BytesIO()
    picture(mode).save(stream, format="PNG", **options)
    return stream.getvalue()


def chunks(data):
    """(kind, body) of each chunk."""
    place, found = len(png.MAGIC), []
    while place < len(data):
        length = int.from_bytes(data[place : place + 4], "big")
        found.append((data[place + 4 : place + 8], data[place + 8 : place + 8 + length]))
        place += length + 12
    return found


def joined(parts):
    """A PNG of chunks, each with the checksum that it has to have."""
    sealed = (
        len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big") for kind, body in parts
    )
    return png.MAGIC + b"".join(sealed)


def read(folder, data):
    path = folder / "x.png"
    path.write_bytes(data)
    return files.read_png(path, HEIGHT, WIDTH)


@pytest.mark.parametrize("mode", MODES)
def test_both_decoders_give_the_same_pixels(tmp_path, mode, monkeypatch):
    found = read(tmp_path, encoded(mode))
    monkeypatch.setattr(png, "decode_image_png_u8", None)
    assert np.array_equal(found, read(tmp_path, encoded(mode)))
    if mode in ("L", "RGB"):
        assert np.array_equal(found, picture(mode))


@pytest.mark.parametrize("decoder", ["fast", "Pillow's"])
@pytest.mark.parametrize("mode", ["L", "RGB", "P", "I;16"])
def test_no_bit_can_be_turned_unseen(tmp_path, mode, decoder, monkeypatch):
    """Of the header, the palette, transparency, the pixels, the end, their lengths, names and checksums."""
    if decoder != "fast":
        monkeypatch.setattr(png, "decode_image_png_u8", None)
    data = encoded(mode, transparency=3) if mode == "P" else encoded(mode)
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(FileError):
            read(tmp_path, bytes(damaged))


def test_a_damaged_chunk_is_named(tmp_path):
    data = bytearray(encoded("L"))
    data[data.index(b"IDAT") + 20] ^= 1
    with pytest.raises(FileError, match=r"cannot be decoded \(its chunk b'IDAT' does not match its checksum\); unpack"):
        read(tmp_path, bytes(data))


@pytest.mark.parametrize("mode", ["L", "RGB", "P"])
def test_what_is_missing_doubled_or_cut_off_is_refused_and_what_follows_the_end_does_no_harm(tmp_path, mode):
    data = encoded(mode)
    sound, parts = read(tmp_path, data), chunks(data)
    assert np.array_equal(read(tmp_path, data + b"garbage" * 100), sound)
    assert np.array_equal(read(tmp_path, joined([*parts[:-1], (b"tEXt", b"a\0b"), parts[-1]])), sound)
    for cut in range(len(data)):
        with pytest.raises(FileError):
            read(tmp_path, data[:cut])
    for wrong in (parts[1:], parts[:-1], [parts[0], *parts], [*parts[:-1], parts[0], parts[-1]], [parts[0], parts[-1]]):
        with pytest.raises(FileError):
            read(tmp_path, joined(wrong))


def test_a_png_far_larger_than_its_pixels_is_refused(tmp_path):
    parts = chunks(encoded("L"))
    with pytest.raises(FileError, match=r"larger than 1.* MB, which no such file is"):
        read(tmp_path, joined([parts[0], (b"tEXt", b"a\0" + bytes(2_000_000)), *parts[1:]]))


def test_an_image_of_more_pixels_than_any_camera_has_is_refused_by_its_header(tmp_path):
    header, *rest = chunks(encoded("L"))
    body = (8192).to_bytes(4, "big") * 2 + header[1][8:]
    (tmp_path / "x.png").write_bytes(joined([(b"IHDR", body), *rest]))
    with pytest.raises(FileError, match=r"8192 x 8192 pixels .*, more than the 16,777,216 of any camera"):
        files.read_rgb(tmp_path / "x.png", 8192, 8192)
