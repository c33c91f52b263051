"""A street's centre line and cross-section, and surfaces along it."""

from dataclasses import dataclass

import numpy as np

from lib.simulator.shapes import Float, Mesh, moved, patch, turned

BACK_M, FRONT_M = -100.0, 130.0
"""How far a street is built behind and, at least, in front of the ego's start."""


@dataclass(frozen=True)
class Side:
    """One side of the road, widths in metres; parking_m is 0 without a parking lane."""

    parking_m: float
    sidewalk_m: float
    verge_m: float


@dataclass(frozen=True)
class Street:
    """A street of constant curvature [1/m]; s runs along its centre line, d to the left [m].

    Traffic keeps right: right_lanes drive with rising s, left_lanes against it; at s = 0 the street runs along x.
    """

    curvature: float
    lane_m: float
    right_lanes: int
    left_lanes: int
    right: Side
    left: Side
    kerb_m: float
    junction: tuple[float, float, int] | None
    """Start and end (s) of a side street's mouth, and its side: 1 left, -1 right."""
    front_m: float = FRONT_M
    """How far the street is built in front of the ego's start."""

    @property
    def extra_m(self) -> float:
        """How much longer than usual the street is."""
        return self.front_m - FRONT_M

    def side(self, sign: int) -> Side:
        """The left (1) or right (-1) side."""
        return self.left if sign > 0 else self.right

    def lanes_end(self, sign: int) -> float:
        """Distance of the outermost lane's edge from the centre line, positive."""
        return self.lane_m * (self.left_lanes if sign > 0 else self.right_lanes)

    def kerb(self, sign: int) -> float:
        """Distance of the kerb from the centre line, positive."""
        return self.lanes_end(sign) + self.side(sign).parking_m

    def walk_end(self, sign: int) -> float:
        """Distance of the sidewalk's far edge from the centre line, positive."""
        return self.kerb(sign) + self.side(sign).sidewalk_m

    def front(self, sign: int) -> float:
        """Distance of the building line from the centre line, positive."""
        return self.walk_end(sign) + self.side(sign).verge_m

    def lane_center(self, lane: int) -> float:
        """Position d [m] of a lane's centre; lanes 0, 1 ... are right of the centre line, -1, -2 ... left."""
        return -(lane + 0.5) * self.lane_m

    def heading(self, s: float) -> float:
        """The street's direction at s [rad]."""
        return self.curvature * s

    def xy(self, s: Float, d: Float) -> tuple[Float, Float]:
        """World coordinates of street coordinates (arrays of one shape)."""
        if self.curvature == 0:
            return s + np.zeros_like(d), d + np.zeros_like(s)
        angle, radius = self.curvature * s, 1.0 / self.curvature - d
        return radius * np.sin(angle), 1.0 / self.curvature - radius * np.cos(angle)

    def place(self, s: float, d: float) -> tuple[float, float]:
        """World x, y of one point."""
        x, y = self.xy(np.array(s), np.array(d))
        return float(x), float(y)

    def placed(self, mesh: Mesh, s: float, d: float, z: float = 0.0) -> Mesh:
        """The mesh turned along the street and moved to s, d, z."""
        return moved(turned(mesh, self.heading(s)), (*self.place(s, d), z))

    def opening(self, sign: int) -> tuple[float, float] | None:
        """The side street's mouth on this side, if there is one."""
        return self.junction[:2] if self.junction and self.junction[2] == sign else None

    def in_opening(self, s: float, sign: int, margin_m: float = 0.8) -> bool:
        """Whether s is in the side street's mouth on this side, or within a margin of it."""
        opening = self.opening(sign)
        return opening is not None and opening[0] - margin_m < s < opening[1] + margin_m

    def runs(self, sign: int) -> list[tuple[float, float]]:
        """Intervals of s on this side, without the mouth of the side street."""
        gap = self.opening(sign)
        return [(BACK_M, gap[0]), (gap[1], self.front_m)] if gap else [(BACK_M, self.front_m)]


def draw_street(rng: np.random.Generator, extra_m: float = 0.0) -> Street:
    """Draw a street: 2 to 4 lanes, straight or slightly curved, 35 % with a side street; longer by `extra_m`."""
    curvature = 0.0 if rng.random() < 0.5 else float(rng.choice((-1, 1)) / rng.uniform(150, 600))
    right_lanes, left_lanes = ((1, 1), (1, 1), (2, 1), (1, 2), (2, 2))[int(rng.integers(5))]
    junction = None
    if rng.random() < 0.35:
        start = float(rng.uniform(14, 55))
        junction = (start, start + float(rng.uniform(7, 11)), int(rng.choice((-1, 1))))
    right, left = (
        Side(
            parking_m=float(rng.uniform(2.1, 2.4)) if rng.random() < 0.5 else 0.0,
            sidewalk_m=float(rng.uniform(2.0, 4.2)),
            verge_m=float(rng.uniform(0.6, 3.0) if rng.random() < 0.6 else rng.uniform(4.0, 9.0)),
        )
        for _ in range(2)
    )
    lane_m, kerb_m = float(rng.uniform(3.0, 3.7)), float(rng.uniform(0.08, 0.17))
    lanes = right_lanes, left_lanes
    return Street(curvature, lane_m, *lanes, right, left, kerb_m, junction, FRONT_M + extra_m)


def ribbon(street: Street, start: float, end: float, profile: list[tuple[float, float]], step_m: float = 6.0) -> Mesh:
    """A surface along the street from s = start to end, with cross-section points (d, z) in ascending d; normals up."""
    rows = max(2, round((end - start) / step_m) + 1) if street.curvature else 2
    s = np.linspace(start, end, rows)[:, None]
    d, z = np.array(profile, dtype=np.float64).T[:, None, :]
    x, y = street.xy(s, d)
    return patch(x, y, np.broadcast_to(z, x.shape))


def marks(street: Street, starts: Float, length_m: float, low_d: float, high_d: float, z: float) -> list[Mesh]:
    """Flat rectangles of one size at several s (dashes, stripes), at height z."""
    meshes = []
    for start in starts.tolist():
        s = np.array([[start], [start + length_m]])
        x, y = street.xy(s, np.array([[low_d, high_d]]))
        meshes.append(patch(x, y, np.full_like(x, z)))
    return meshes
