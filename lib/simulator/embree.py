"""Bindings to the part of Intel Embree's C API that the sensors need, through ctypes.

The library is the one in the package embreex. embreex's own wrapper copies meshes element by element in Python, which
took as long as casting all rays; here Embree reads NumPy's memory directly. Layouts and constants: Embree 4, rtcore*.h.
"""

import ctypes
import weakref
from collections.abc import Iterator
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt
from embreex import rtcore_scene

from lib.common.errors import DataError

Float32 = npt.NDArray[np.float32]
Int32 = npt.NDArray[np.int32]

_TRIANGLES: Final = 0
_INDEX_BUFFER, _VERTEX_BUFFER = 0, 1
_UINT3, _FLOAT3 = 0x5003, 0x9003
_ROBUST: Final = 4
_ONE_THREAD: Final = b"threads=1"
"""With several threads, the order of triangles in the BVH, and so the winner of a tie, may differ from run to run."""

_LANES: Final = 16
_ROWS: Final = 24
"""Rows of RTCRayHit16 (20, or 21 by build option), each one value of 16 rays; the remaining rows are padding."""
_ORIGIN, _NEAR, _DIRECTION, _TIME, _FAR, _MASK, _FLAGS = slice(0, 3), 3, slice(4, 7), 7, 8, 9, 11
_NORMAL, _TRIANGLE_ID, _IDS = slice(12, 15), 17, slice(17, 20)
_PACKET_BYTES: Final = _ROWS * _LANES * 4
_PACKETS_PER_BLOCK: Final = 256
"""Packets that fit into the processor's cache."""
_ALIGNMENT: Final = 64
_NO_HIT: Final = 0xFFFFFFFF
_FAR_AWAY: Final = np.float32(1e37)


class TriangleScene:
    """An immutable set of triangles for ray casting: vertices (V, 3) float32, faces (T, 3) int32, T > 0."""

    def __init__(self, vertices: Float32, faces: Int32) -> None:
        assert vertices.shape[1:] == faces.shape[1:] == (3,) and len(faces)
        assert faces.min() >= 0 and faces.max() < len(vertices)
        api, device = _api(), _device()
        self._vertices = np.empty((len(vertices) + 1, 3), dtype=np.float32)  # Embree reads 16 bytes per vertex
        self._vertices[:-1], self._vertices[-1] = vertices, 0
        self._faces = np.ascontiguousarray(faces, dtype=np.int32)
        self._scene = api.rtcNewScene(device)
        weakref.finalize(self, api.rtcReleaseScene, self._scene)
        api.rtcSetSceneFlags(self._scene, _ROBUST)
        mesh = api.rtcNewGeometry(device, _TRIANGLES)
        for kind, number, array, count in (
            (_VERTEX_BUFFER, _FLOAT3, self._vertices, len(vertices)),
            (_INDEX_BUFFER, _UINT3, self._faces, len(faces)),
        ):
            api.rtcSetSharedGeometryBuffer(mesh, kind, 0, number, array.ctypes.data, 0, array.strides[0], count)
        api.rtcCommitGeometry(mesh)
        api.rtcAttachGeometry(self._scene, mesh)
        api.rtcReleaseGeometry(mesh)
        api.rtcCommitScene(self._scene)
        error = api.rtcGetDeviceError(device)
        if error:
            raise DataError(f"Intel Embree could not build a scene (error {error}); try a lower execution.workers")

    def first_hits(
        self, origins: Float32, directions: Float32, limit: Float32 | None
    ) -> tuple[Float32, Int32, Float32]:
        """First hits: distance (N,) in units of the direction's length; triangle (N,), -1 for none; normal (3, N).

        Origins (3, N) or (3, 1), directions (3, N); hits beyond `limit` (N,) are ignored. Without a hit, the distance
        is the limit and the normal 0. Normals are not normalized and may point to either side.
        """
        count = directions.shape[1]
        distance, normal = np.empty(count, dtype=np.float32), np.empty((3, count), dtype=np.float32)
        triangle = np.empty(count, dtype=np.int32)
        for rays, rows, ids in self._traced(_api().rtcIntersect16, origins, directions, limit):
            used = rays.stop - rays.start
            distance[rays] = rows[_FAR].reshape(-1)[:used]
            triangle[rays] = ids[_TRIANGLE_ID].reshape(-1)[:used].view(np.int32)
            normal[:, rays] = rows[_NORMAL].reshape(3, -1)[:, :used]
        return distance, triangle, normal

    def blocked(self, origins: Float32, directions: Float32, limit: Float32) -> npt.NDArray[np.bool_]:
        """Whether each ray (3, N) hits anything within `limit` (N,)."""
        hit = np.empty(directions.shape[1], dtype=bool)
        for rays, rows, _ in self._traced(_api().rtcOccluded16, origins, directions, limit):
            hit[rays] = rows[_FAR].reshape(-1)[: rays.stop - rays.start] < 0
        return hit

    def _traced(
        self, query: "ctypes._NamedFuncPointer", origins: Float32, directions: Float32, limit: Float32 | None
    ) -> Iterator[tuple[slice, Float32, npt.NDArray[np.uint32]]]:
        """Query rays block by block; yield which, and their packets by rows, as floats and as integers."""
        count, block = directions.shape[1], _LANES * _PACKETS_PER_BLOCK
        packets = _packets(count)
        rows, ids = packets.transpose(1, 0, 2), packets.view(np.uint32).transpose(1, 0, 2)
        for start in range(0, count, block):
            rays = slice(start, min(start + block, count))
            _write_rows(rows[_ORIGIN], origins if origins.shape[1] == 1 else origins[:, rays])
            _write_rows(rows[_DIRECTION], directions[:, rays])
            if limit is None:
                rows[_FAR] = _FAR_AWAY
            else:
                _write_rows(rows[_FAR, None], limit[None, rays])
            rows[_NEAR] = rows[_TIME] = rows[_NORMAL] = 0
            ids[_MASK], ids[_FLAGS], ids[_IDS] = _NO_HIT, 0, _NO_HIT
            whole, rest = divmod(rays.stop - start, _LANES)
            first, every = packets.ctypes.data, _LANES_USED[_LANES].ctypes.data
            end = first + whole * _PACKET_BYTES
            for packet in range(first, end, _PACKET_BYTES):
                query(every, self._scene, packet, None)
            if rest:
                query(_LANES_USED[rest].ctypes.data, self._scene, end, None)
            yield rays, rows, ids


def _packets(rays: int) -> Float32:
    """Uninitialized, aligned packets (packets, _ROWS, 16) for the given number of rays, at most one block."""
    packets = min(-(-rays // _LANES), _PACKETS_PER_BLOCK)
    memory = np.empty(packets * _PACKET_BYTES + _ALIGNMENT, dtype=np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT
    aligned = memory[start : start + packets * _PACKET_BYTES].view(np.float32)
    return aligned.reshape(packets, _ROWS, _LANES)


def _write_rows(rows: Float32, values: Float32) -> None:
    """Write values (k, N) or (k, 1) to rows (k, packets, 16)."""
    if values.shape[1] == 1:
        rows[...] = values[:, :, None]
        return
    whole, rest = divmod(values.shape[1], _LANES)
    rows[:, :whole] = values[:, : whole * _LANES].reshape(len(values), whole, _LANES)
    if rest:
        rows[:, whole, :rest] = values[:, whole * _LANES :]


_LANES_USED: Final = np.array([[-(lane < used) for lane in range(_LANES)] for used in range(_LANES + 1)], np.int32)
"""Row n is the mask that selects the first n rays of a packet."""


@cache
def _device() -> int:
    """Embree's device of this process."""
    device = _api().rtcNewDevice(_ONE_THREAD)
    if device is None:
        raise DataError(f"Intel Embree cannot start on this computer (error {_api().rtcGetDeviceError(None)})")
    return int(device)


@cache
def _api() -> ctypes.PyDLL:
    """The functions of the Embree library that embreex is linked to."""
    api = ctypes.PyDLL(rtcore_scene.__file__)
    pointer, number, size = ctypes.c_void_p, ctypes.c_uint, ctypes.c_size_t
    signatures = {
        "rtcNewDevice": (pointer, ctypes.c_char_p),
        "rtcGetDeviceError": (number, pointer),
        "rtcNewScene": (pointer, pointer),
        "rtcReleaseScene": (None, pointer),
        "rtcSetSceneFlags": (None, pointer, number),
        "rtcNewGeometry": (pointer, pointer, number),
        "rtcSetSharedGeometryBuffer": (None, pointer, number, number, number, pointer, size, size, size),
        "rtcCommitGeometry": (None, pointer),
        "rtcAttachGeometry": (number, pointer, pointer),
        "rtcReleaseGeometry": (None, pointer),
        "rtcCommitScene": (None, pointer),
        "rtcIntersect16": (None, pointer, pointer, pointer, pointer),
        "rtcOccluded16": (None, pointer, pointer, pointer, pointer),
    }
    try:
        for name, (answer, *arguments) in signatures.items():
            function = getattr(api, name)
            function.restype, function.argtypes = answer, arguments
    except AttributeError as error:
        raise DataError(f"embreex: does not give access to Intel Embree 4 ({error}); reinstall embreex") from None
    return api
