"""Damage that knows the format: well-formed text, images, arrays and clouds whose fields lie."""

import csv
import io
import json
import re
import struct
import zlib
from functools import cache
from typing import Any, Final

import numpy as np
import yaml

from tests.fuzz.mutations import chosen, flip_bits

BOMB_BYTES: Final = 200_000_000
VALUES: Final[tuple[Any, ...]] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, 10**400, -0.0, 1e308, float("nan"), float("inf"), 1e-320),
    *("", "nan", "1e999", "../../x", "/etc/passwd", "a" * 20_000, "\0", "\ud800", "<script>alert(1)</script>", "29"),
    *([], {}, [[]], [0] * 5_000, [1, 2], [1, 2, "3"], [None] * 3, {"": None}, {"a": {"b": {}}}),
)
"""Values that a field of another type, or of a narrower range, does not expect."""

_PNG_MAGIC: Final = b"\x89PNG\r\n\x1a\n"
_HEADER_NUMBERS: Final = (0, 1, 2, 3, 4, 6, 7, 8, 16, 32, 255, 4096, 65_535, 2**20, 2**31 - 1, 2**32 - 1)
_CHUNKS: Final = (b"IHDR", b"PLTE", b"tRNS", b"gAMA", b"iCCP", b"zTXt", b"iTXt", b"tEXt", b"eXIf", b"acTL", b"fcTL")
_SHAPES: Final = (
    *("()", "(0,)", "(0, 4)", "(1, 4)", "(-1, 4)", "(4,)", "(4, 4)", "(10**9, 4)", "(1000000000, 4)", "(True, 4)"),
    *("(9223372036854775807, 4)", "(2**40, 4)", "(4.0, 4)", "('4', 4)", "(4, 4, 1)", "4", "None", "[4, 4]"),
    *("(99999999999999999999999999, 4)", "(" * 200 + ")" * 200, "(" * 5000, "()" * 5000, "((1,), 4)"),
)
_TYPES: Final = (
    *("'<f4'", "'<f8'", "'<u2'", "'>f4'", "'|O'", "'O'", "'|V16'", "'<f2'", "'<c16'", "'<U1000000000'", "'|S0'", "'x'"),
    *("[('a', '<f4')]", "[('a', '|O')]", "[]", "None", "4", "'<m8'", "'<M8[s]'", "('<f4', (4,))", "'<f4,<f4'"),
)
_PCD_VALUES: Final = (
    *("", "0", "-1", "1", "2", "3", "4 4 4 4", "8 8 8", "F F F U", "I I I", "x y z", "x y z rgb", "x x x", "1e9"),
    *("99999999", "10000000", "4294967296", "99999999999999999999", "binary", "ascii", "binary_compressed", "zip"),
    *("nan", "x y z rgb " * 50, "4 " * 300, "1.0", "\N{ARABIC-INDIC DIGIT FIVE}", "0 0 0 1 0 0 0", "\0"),
)
_YAML_TRICKS: Final = (
    b"b0: &b0 [x, x]\n" + b"".join(b"b%d: &b%d [*b%d, *b%d]\n" % (i, i, i - 1, i - 1) for i in range(1, 40)),
    *(b"data: !!python/object/apply:os.system ['true']\n", b"data: !!binary x\n", b"data: !!timestamp 99\n"),
    *(b"data: 9999-99-99\n", b"data: !!int x\n", b"<<: [1]\n", b"? [a]\n: b\n", b"{{}: 1}\n", b"- &a [*a]\n"),
    *(b"a: &a {b: *a}\n", b"x: 0x" + b"f" * 90_000, b"x: " + b"1_" * 10_000, b"x: 1:" + b"59:" * 5_000),
    *(b"--- 1\n--- 2\n", b"%YAML 9.9\n--- a", b"[" * 3_000, b"%YAML 1.1\n---\na: yes\n", b"1: 2\n", b"null: 1\n"),
    *(
        b"train: {}\n",
        b"train: {epochs: 1, epochs: 2}\n",
        b"a: &a 1\nb: *a\n",
        b"=: 1\n",
        b"a: 1\xc2\x85b: 2\n",
        b"a\t: 1\n",
    ),
)
_NAME_PARTS: Final = (
    *(b"\x1b[2J", b"\x1b]0;title\x07", b"\xc2\x9b31m", b"\r", b"\n", b"\t", b"\x7f", b"\xe2\x80\xae", b"\xe2\x80\x8b"),
    *(
        b"\xff",
        b"\xed\xb3\xbf",
        b"\xc3",
        b"\xf0\x9f",
        b"..",
        b".",
        b"../x",
        b"/x",
        b"\\",
        b"\0",
        b" ",
        b"'",
        b'"',
        b"$(id)",
    ),
    *(
        b"a" * 255,
        b"a" * 256,
        b"a/" * 3_000,
        b"<script>",
        b"$x$",
        b"{x}",
        b"%s",
        b"-rf",
        b"Scenario_",
        b".h5",
        b"\xc2\xa0",
    ),
)
"""What names may hold that no terminal, page, table or path should meet."""
_YAML_WORDS: Final = (
    *(
        b"010",
        b"0o17",
        b"0x1F",
        b"0b11",
        b"1_000",
        b"1:30",
        b"1:30.5",
        b"08",
        b"1e3",
        b".5e3",
        b"1.e5",
        b"yes",
        b"no",
        b"off",
    ),
    *(b"y", b"~", b"", b"=", b"<<", b".inf", b".nan", b"2024-01-01", b"2024-01-01T10:00:00Z", b"1e400", b"9" * 5_000),
    *(
        b"1e10",
        b"-1e10",
        b"1000000000000",
        b"[]",
        b"{}",
        b"[1, 2",
        b"'010'",
        b'"\\x1b[2J"',
        b'"\\0"',
        b'"\\ud800"',
        b"!!int 3",
    ),
    *(b"&a 1", b"*a", b"|\n  x", b">\n  x", b"../../x", b"a" * 5_000, b"\xff", b"@x", b"%x", b"x # y", b"x: y"),
)
"""Values that versions of YAML read differently, that no parameter can have, or that are no values."""


def lying_png(data: bytes, generator: np.random.Generator) -> bytes:
    """A PNG with right checksums and a wrong header, chunks missing, doubled, changed or strange, or a bomb."""
    chunks = _png_chunks(data)
    kind = int(generator.integers(6))
    place = int(generator.integers(len(chunks)))
    if kind == 5:
        name, body = chunks[place]
        chunks[place] = name, flip_bits(body, generator)
    elif kind == 0:
        header = list(struct.unpack(">IIBBBBB", chunks[0][1][:13]))
        field = int(generator.integers(7))
        header[field] = chosen(_HEADER_NUMBERS, generator) % (2**32 if field < 2 else 256)
        chunks[0] = b"IHDR", struct.pack(">IIBBBBB", *header)
    elif kind == 1:
        del chunks[place]
    elif kind == 2:
        chunks.insert(place, chunks[int(generator.integers(len(chunks)))])
    elif kind == 3:
        body = chosen([generator.bytes(30), b"key\0\0" + _bomb(), _bomb(), b""], generator)
        chunks.insert(place, (chosen(_CHUNKS, generator), body))
    else:
        pixels = chosen([_bomb(), zlib.compress(b""), zlib.compress(bytes(1000)), b""], generator)
        chunks = [(name, pixels if name == b"IDAT" else body) for name, body in chunks]
    return _PNG_MAGIC + b"".join(_png_chunk(*chunk) for chunk in chunks)


def lying_array(data: bytes, generator: np.random.Generator) -> bytes:
    """An .npy file whose header promises another shape, type, order or version, or is none."""
    body = data[10 + int.from_bytes(data[8:10], "little") :]
    fields = {"descr": "'<f4'", "fortran_order": "False", "shape": "(4, 4)"}
    found = re.search(rb"'descr': ('[^']*').*'shape': (\([^)]*\))", data[:200])
    if found:
        fields |= {"descr": found[1].decode("latin-1"), "shape": found[2].decode("latin-1")}
    name = chosen(list(fields), generator)
    fields[name] = chosen(
        {"descr": _TYPES, "shape": _SHAPES}.get(name, ("True", "0", "None", "[]", "False")), generator
    )
    if generator.random() < 0.1:
        fields.pop(chosen(list(fields), generator))
    text = "{" + ", ".join(f"'{key}': {value}" for key, value in fields.items()) + "}\n"
    version = chosen([(1, 0), (2, 0), (3, 0), (9, 9)], generator) if generator.random() < 0.3 else (1, 0)
    header = text.encode("latin-1")
    length: int = chosen((len(header), 0, 65_535, 2**32 - 1), generator) if generator.random() < 0.1 else len(header)
    size = 2 if version == (1, 0) else 4
    return b"\x93NUMPY" + bytes(version) + (length % (1 << 8 * size)).to_bytes(size, "little") + header + body


def lying_cloud(data: bytes, generator: np.random.Generator) -> bytes:
    """A .pcd or .ply file with another value in its header, a line less or a line twice; or with strange ascii data."""
    match = re.search(rb"(DATA [a-z_]+|end_header)\n", data)
    assert match is not None
    lines, body = data[: match.end()].decode().splitlines(), data[match.end() :]
    place = int(generator.integers(len(lines)))
    kind = int(generator.integers(6))
    if kind == 0:
        del lines[place]
    elif kind == 1:
        lines.insert(place, chosen(lines, generator))
    elif kind == 2:
        ascii_line, text = (1, "format ascii 1.0") if data.startswith(b"ply") else (-1, "DATA ascii")
        lines[ascii_line] = text
        rows = [[str(chosen(VALUES[:20], generator))[:30] for _ in range(4)] for _ in range(50)]
        body = "\n".join(" ".join(row) for row in rows).encode()
    else:
        key = lines[place].split(" ")[0]
        lines[place] = f"{key} {chosen(_PCD_VALUES, generator)}"
    return "".join(f"{line}\n" for line in lines).encode() + body


def lying_rows(data: bytes, generator: np.random.Generator) -> bytes:
    """Rows of float32 in which some numbers are others, or the file ends within one."""
    if generator.random() < 0.2:
        return data[: int(generator.integers(len(data)))]
    numbers = np.frombuffer(data, "<f4").copy()
    places = generator.integers(len(numbers), size=1 + int(generator.integers(4)))
    numbers[places] = chosen((np.nan, np.inf, -np.inf, 3e38, -1.0, 1.5, 1e-45, 1e5, 0.0), generator)
    return numbers.tobytes()


def lying_matrix(data: bytes, generator: np.random.Generator) -> bytes:
    """Lines of a name and numbers in which one number is another, or one line is missing, doubled or renamed."""
    lines = data.decode().splitlines()
    place = int(generator.integers(len([line for line in lines if line])))
    name, *numbers = lines[place].split()
    kind = int(generator.integers(5))
    if kind < 2:
        words = ("nan", "inf", "-1", "0", "1e308", "1e-308", "2", "x", "", "1 2", "1_0", "\u0664")
        numbers[int(generator.integers(len(numbers)))] = chosen(words, generator)
        lines[place] = " ".join([name, *numbers])
    else:
        renamed = f"{chosen(('P2:', 'Tr:', 'R_rect', ''), generator)} {' '.join(numbers)}"
        others: tuple[list[str], ...] = [], [lines[place]] * 2, [renamed]
        lines[place : place + 1] = others[kind - 2]
    return "".join(f"{line}\n" for line in lines).encode()


def lying_jpeg(data: bytes, generator: np.random.Generator) -> bytes:
    """A JPEG whose header promises another size, or with a segment cut, doubled or of another kind."""
    frame = data.index(b"\xff\xc0")
    changed = bytearray(data)
    kind = int(generator.integers(4))
    if kind < 2:
        size = int(chosen((0, 1, 39, 41, 4096, 65535), generator))
        at = frame + 5 + 2 * kind
        changed[at : at + 2] = size.to_bytes(2, "big")
    elif kind == 2:
        changed[frame + 1] = int(chosen((0xC1, 0xC2, 0xC3, 0xC9, 0xD9, 0xE1), generator))
    else:
        del changed[int(generator.integers(2, len(changed))) :]
    return bytes(changed)


def lying_json(data: bytes, generator: np.random.Generator) -> bytes:
    """JSON in which one value, key or branch is another."""
    if generator.random() < 0.02:
        return b"[" * 100_000 if generator.random() < 0.5 else b'{"a":' * 100_000
    return json.dumps(_with_lie(json.loads(data), generator)).encode()


def lying_yaml(data: bytes, generator: np.random.Generator) -> bytes:
    """YAML in which one value, key or branch is another; or with tags, merges and aliases that explode."""
    if generator.random() < 0.3:
        trick = chosen(_YAML_TRICKS, generator)
        return trick if generator.random() < 0.5 else data + trick
    if generator.random() < 0.5:
        return _with_word(data, generator)
    text = yaml.safe_dump(_with_lie(yaml.safe_load(data), generator), allow_unicode=True)
    return text.encode("utf-8", "surrogatepass")


def _with_word(data: bytes, generator: np.random.Generator) -> bytes:
    """YAML text in which the value of one line is another, or a line is there twice."""
    lines = data.split(b"\n")
    place = chosen([number for number, line in enumerate(lines) if b": " in line], generator)
    if generator.random() < 0.1:
        lines.insert(place, lines[place])
    else:
        lines[place] = lines[place].partition(b": ")[0] + b": " + chosen(_YAML_WORDS, generator)
    return b"\n".join(lines)


def lying_name(data: bytes, generator: np.random.Generator) -> bytes:
    """A file's or folder's name with escape sequences, bytes that are not UTF-8, or ways out of its folder in it."""
    part, place = chosen(_NAME_PARTS, generator), int(generator.integers(len(data) + 1))
    return chosen((part, data + part, part + data, data[:place] + part + data[place:]), generator)


def lying_pairs(data: bytes, generator: np.random.Generator) -> bytes:
    """A `key ; value` file in which one value is another, or one line is missing, doubled or broken."""
    lines = data.decode().splitlines()
    place = int(generator.integers(len(lines)))
    key = lines[place].partition(";")[0]
    value = chosen(VALUES, generator)
    texts = (str(value)[:20_000], json.dumps(value), json.dumps([[value] * 4] * 4), "[" * 3_000, "[[1,2],[3]]", ";;")
    replacements: tuple[list[str], ...] = ([f"{key}; {chosen(texts, generator)}"], [], [lines[place]] * 2, [key], [";"])
    lines[place : place + 1] = chosen(replacements[:1] * 4 + replacements[1:], generator)
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogatepass")


def lying_table(data: bytes, generator: np.random.Generator) -> bytes:
    """A CSV file in which one field, row or column is another."""
    rows = list(csv.reader(io.StringIO(data.decode())))
    row = chosen(rows, generator)
    kind = int(generator.integers(8))
    if kind == 0:
        rows.remove(row)
    elif kind == 1:
        rows.append(row)
    elif kind == 2:
        row.pop()
    elif kind == 3:
        row.append("x")
    else:
        row[int(generator.integers(len(row)))] = str(chosen(VALUES, generator))[:200_000]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode("utf-8", "surrogatepass")


def lying_tensors(data: bytes, generator: np.random.Generator) -> bytes:
    """A safetensors file whose header promises other tensors, places, or another detector."""
    length = int.from_bytes(data[:8], "little")
    header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    if generator.random() < 0.5:
        own = _with_lie(json.loads(header["__metadata__"]["detector"]), generator)
        if isinstance(own, dict) and "crc32" in own:  # else all lies would be found by it
            own["crc32"] = _tensors_checksum({key: own[key] for key in own if key != "crc32"}, header, body)
        header["__metadata__"]["detector"] = json.dumps(own)
    else:
        header = _with_lie(header, generator)
    text = json.dumps(header).encode()
    promised: int = chosen((0, 2**40, 2**63), generator) if generator.random() < 0.05 else len(text)
    return promised.to_bytes(8, "little") + text + body


def _tensors_checksum(about: Any, header: Any, body: bytes) -> int:
    """The checksum that a model file carries, made to fit."""
    checksum = zlib.crc32(json.dumps(about, sort_keys=True).encode())
    for name in sorted(header.keys() - {"__metadata__"}):
        start, stop = header[name]["data_offsets"]
        checksum = zlib.crc32(body[start:stop], zlib.crc32(name.encode(), checksum))
    return checksum


def _with_lie(document: Any, generator: np.random.Generator) -> Any:
    """A copy of a tree of dicts and lists in which one node is another, has another key, or is missing."""
    nodes: list[tuple[Any, Any]] = []
    waiting = [document]
    while waiting:
        parent = waiting.pop()
        keys = parent.keys() if isinstance(parent, dict) else range(len(parent))
        for key in keys:
            nodes.append((parent, key))
            if isinstance(parent[key], dict | list) and len(nodes) < 5_000:
                waiting.append(parent[key])
    if not nodes or generator.random() < 0.03:
        return chosen(VALUES, generator)
    parent, key = nodes[_skewed(len(nodes), generator)]
    kind = int(generator.integers(8))
    if kind == 0:
        del parent[key]
    elif kind == 1 and isinstance(parent, dict):
        parent[chosen(("", "x", "../x", "a" * 5_000, "0", "29", "-1", "<b>"), generator)] = parent.pop(key)
    elif kind == 2 and isinstance(parent, dict):
        parent[chosen(("", "x", "__proto__"), generator)] = chosen(VALUES, generator)
    elif kind == 3 and isinstance(parent[key], int | float):
        parent[key] = parent[key] * chosen((-1, 0, 0.5, 2, 1000, 1e30), generator)
    else:
        parent[key] = chosen(VALUES, generator)
    return document


def _skewed(number: int, generator: np.random.Generator) -> int:
    """An index, every other time among the first, which lie near the root."""
    return int(generator.integers(min(number, 12) if generator.random() < 0.5 else number))


def _png_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    chunks, place = [], len(_PNG_MAGIC)
    while place + 12 <= len(data):
        length = int.from_bytes(data[place : place + 4], "big")
        chunks.append((data[place + 4 : place + 8], data[place + 8 : place + 8 + length]))
        place += length + 12
    return chunks


def _png_chunk(name: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + name + body + zlib.crc32(name + body).to_bytes(4, "big")


@cache
def _bomb() -> bytes:
    """200 MB of zeros in 200 kB."""
    return zlib.compress(bytes(BOMB_BYTES), 9)
