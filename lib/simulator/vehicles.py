"""Cars, vans, pickups, lorries and buses of the street: origin on the ground in the middle, x forward [m]."""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator

from lib.common.labels import BUS, CAR, TRUCK
from lib.simulator.assembly import Object, pieces, weighted
from lib.simulator.materials import (
    BLACK_PLASTIC,
    CHROME,
    DARK_STEEL,
    GLASS,
    HEADLIGHT,
    LIT_HEADLIGHT,
    LIT_TAIL_LIGHT,
    NUMBER_PLATE,
    RIM,
    TAIL_LIGHT,
    TYRE,
    advert,
    body_color,
    chance,
    darker,
    paint,
    plain,
    timber,
    varied,
)
from lib.simulator.scene import Material
from lib.simulator.shapes import Mesh, Point, block, box, disc_wheel, hull, rod


def car(rng: Generator, lights: bool = False) -> Object:
    """Any passenger vehicle: hatchback, saloon, estate or SUV, taxi, police car, van, pickup."""
    kinds: tuple[tuple[float, Callable[[Generator, bool], Object]], ...] = (
        *((0.30, hatchback), (0.24, saloon), (0.22, suv), (0.05, taxi)),
        *((0.03, police_car), (0.10, van), (0.06, pickup)),
    )
    return weighted(rng, kinds)(rng, lights)


def hatchback(rng: Generator, lights: bool = False) -> Object:
    """A small car with a steep tail."""
    length, width, height = rng.uniform(3.55, 4.25), rng.uniform(1.62, 1.80), rng.uniform(1.42, 1.56)
    return _passenger_car(rng, (length, width, height), (0.24, 0.05, 0.5), paint(body_color(rng)), lights)


def saloon(rng: Generator, lights: bool = False, body: Material | None = None) -> Object:
    """A car with a boot."""
    length, width, height = rng.uniform(4.35, 4.95), rng.uniform(1.74, 1.88), rng.uniform(1.38, 1.50)
    return _passenger_car(rng, (length, width, height), (0.27, 0.17, 0.7), body or paint(body_color(rng)), lights)


def suv(rng: Generator, lights: bool = False) -> Object:
    """A high car or estate; sometimes with a roof box, rails, or a roof of another colour."""
    length, width, height = rng.uniform(4.25, 4.95), rng.uniform(1.78, 1.96), rng.uniform(1.58, 1.86)
    body = paint(body_color(rng))
    roof = paint((0.06, 0.06, 0.07)) if chance(rng, 0.25) else None
    thing = _passenger_car(rng, (length, width, height), (0.25, 0.04, 0.35), body, lights, roof)
    if chance(rng, 0.25):
        y = width * 0.33
        rails = [box((length * 0.4, 0.05, 0.05), (-0.3, sign * y, height + 0.03)) for sign in (-1, 1)]
        thing += pieces(CAR, (CHROME, rails))
    if chance(rng, 0.12):
        thing += pieces(CAR, (BLACK_PLASTIC, [block((1.6, 0.75, 0.36), -0.3, 0.0, height)]))
    return thing


def taxi(rng: Generator, lights: bool = False) -> Object:
    """A yellow or ivory saloon with a sign on its roof."""
    color = varied(rng, (0.90, 0.70, 0.06) if chance(rng, 0.7) else (0.86, 0.82, 0.66), 0.02)
    sign = Material(advert(rng).texture, (0.92, 0.92, 0.85), (0.1, 0.1, 0.1), 0.2, emissive=0.6 if lights else 0.0)
    return saloon(rng, lights, paint(color)) + pieces(CAR, (sign, [block((0.25, 0.6, 0.16), -0.2, 0.0, 1.42)]))


def police_car(rng: Generator, lights: bool = False) -> Object:
    """A white saloon with a coloured band and a light bar."""
    band = paint(((0.08, 0.20, 0.55), (0.10, 0.40, 0.20), (0.05, 0.05, 0.06))[int(rng.integers(3))])
    blue = Material(plain((0, 0, 0)).texture, (0.10, 0.25, 0.85), specular=0.5, emissive=0.5 if lights else 0.1)
    thing = saloon(rng, lights, paint((0.86, 0.86, 0.87)))
    bands = [box((2.6, 0.03, 0.22), (-0.1, sign * 0.915, 0.62)) for sign in (-1, 1)]
    return thing + pieces(CAR, (band, bands), (blue, [block((0.3, 1.1, 0.12), -0.2, 0.0, 1.44)]))


def _passenger_car(
    rng: Generator, size: Point, profile: Point, body: Material, lights: bool, roof: Material | None = None
) -> Object:
    """A car by its proportions. profile: hood and boot as fractions of the length, slope [m] of the rear window."""
    (length, width, height), (hood, boot, slope) = size, profile
    front, rear, half = length / 2, -length / 2, width / 2
    belt = height * rng.uniform(0.60, 0.64)
    nose, clear = belt * rng.uniform(0.76, 0.86), rng.uniform(0.16, 0.22)
    cowl, tail = front - hood * length, rear + boot * length + 0.04
    top_front, top_rear = cowl - rng.uniform(0.55, 0.75), tail + slope
    shell = hull(
        (rear, clear + 0.20, belt - 0.16, half * 0.90, half * 0.86),
        (rear + 0.12, clear + 0.04, belt, half * 0.97, half * 0.92),
        (rear + 0.25 * length, clear, belt + 0.02, half, half * 0.95),
        (cowl, clear, belt, half, half * 0.95),
        (front - 0.35, clear + 0.02, nose + 0.02, half * 0.98, half * 0.90),
        (front - 0.06, clear + 0.06, nose - 0.12, half * 0.92, half * 0.84),
        (front, clear + 0.16, nose - 0.24, half * 0.84, half * 0.78),
    )
    lower, upper = half * 0.93, half * 0.76
    cabin = hull(
        (tail, belt, belt + 0.02, lower, lower * 0.98),
        (top_rear, belt, height - 0.05, lower, upper),
        (top_front, belt, height - 0.05, lower, upper),
        (cowl + 0.10, belt - 0.04, belt, lower, lower * 0.98),
    )
    panel = _roof_panel(top_rear, top_front, height, upper)
    pillars = _pillars(top_rear, top_front, tail, cowl + 0.08, belt, height - 0.05, lower, upper)
    mirrors = [block((0.10, 0.20, 0.14), cowl - 0.05, sign * (half + 0.06), belt - 0.02) for sign in (-1, 1)]
    axles = (rear + 0.20 * length, front - 0.19 * length)
    thing = pieces(CAR, (body, [shell, *pillars, *mirrors, *([] if roof else [panel])]), (GLASS, [cabin]))
    thing += pieces(CAR, (roof, [panel])) if roof else ()
    thing += _wheels(CAR, axles, half - 0.09, height * 0.215, 0.21)
    return thing + _details(CAR, front, rear, half * 0.80, nose - 0.20, belt - 0.18, clear + 0.12, lights)


def _roof_panel(rear: float, front: float, height: float, half: float) -> Mesh:
    """A slightly arched roof that overlaps the windows."""
    stations = (rear - 0.06, height - 0.02), ((rear + front) / 2, height), (front + 0.06, height - 0.03)
    return hull(*((x, height - 0.07, top, half + 0.02, half - 0.06) for x, top in stations))


def _pillars(
    top_rear: float, top_front: float, tail: float, cowl: float, low: float, high: float, lower: float, upper: float
) -> list[Mesh]:
    """Roof pillars along the cabin's edges, and the middle ones."""
    middle = (top_rear + top_front) / 2
    lines = ((tail, top_rear), (middle, middle), (cowl, top_front))
    return [rod((a, y * lower, low), (b, y * upper, high), 0.045, 0.04, 4) for a, b in lines for y in (-1, 1)]


def _wheels(class_id: int, axles: tuple[float, ...], y: float, radius: float, width: float) -> Object:
    """Wheels with rims at the given axles."""
    places = [(x, sign * y, radius) for x in axles for sign in (-1, 1)]
    tyres = [disc_wheel(radius, width, place) for place in places]
    rims = [disc_wheel(radius * 0.62, width + 0.02, place, 8) for place in places]
    return pieces(class_id, (TYRE, tyres), (RIM, rims))


def _details(
    class_id: int, front: float, rear: float, y: float, lamp_z: float, tail_z: float, plate_z: float, lights: bool
) -> Object:
    """Lamps, number plates and bumper shadows."""
    head, tail = (LIT_HEADLIGHT, LIT_TAIL_LIGHT) if lights else (HEADLIGHT, TAIL_LIGHT)
    lamps = [box((0.14, 0.30, 0.13), (front - 0.06, sign * (y - 0.12), lamp_z)) for sign in (-1, 1)]
    tails = [box((0.10, 0.24, 0.15), (rear + 0.04, sign * (y - 0.08), tail_z)) for sign in (-1, 1)]
    plates = [box((0.03, 0.50, 0.11), (x, 0.0, z)) for x, z in ((front + 0.01, plate_z), (rear - 0.005, tail_z - 0.04))]
    grille = [box((0.03, y * 1.0, 0.12), (front - 0.005, 0.0, plate_z + 0.13))]
    return pieces(class_id, (head, lamps), (tail, tails), (NUMBER_PLATE, plates), (BLACK_PLASTIC, grille))


def van(rng: Generator, lights: bool = False) -> Object:
    """A delivery van or minibus; many white, some with advertising."""
    length, width, height = rng.uniform(4.7, 5.7), rng.uniform(1.85, 2.05), rng.uniform(1.85, 2.45)
    front, rear, half = length / 2, -length / 2, width / 2
    body = paint((0.84, 0.84, 0.83) if chance(rng, 0.55) else body_color(rng))
    belt, cowl = 1.12, front - rng.uniform(0.75, 1.0)
    shell = hull(
        (rear, 0.30, height - 0.06, half * 0.97, half * 0.90),
        (rear + 0.10, 0.24, height, half, half * 0.93),
        (cowl - 0.75, 0.24, height, half, half * 0.93),
        (cowl + 0.05, 0.24, belt, half, half * 0.92),
        (front - 0.12, 0.26, belt - 0.20, half * 0.97, half * 0.86),
        (front, 0.36, belt - 0.42, half * 0.90, half * 0.82),
    )
    slope = (height - belt) / 0.8
    screen = hull(
        (cowl - 0.62, height - 0.30, height - 0.62 * 0.0 - 0.14, half * 0.84, half * 0.80),
        (cowl + 0.02, belt + 0.04, belt + 0.07 + 0.03 * slope, half * 0.90, half * 0.86),
    )
    windows = [box((0.75, width + 0.01, 0.48), (cowl - 0.95, 0.0, belt + 0.28))]
    if chance(rng, 0.4):
        windows += [box((length * 0.45, width + 0.01, 0.45), (rear + length * 0.30, 0.0, belt + 0.30))]
    windows += [box((0.06, width * 0.7, 0.5), (rear + 0.02, 0.0, height - 0.55))]
    thing = pieces(CAR, (body, [shell]), (GLASS, [screen, *windows]))
    if chance(rng, 0.3):
        panel = box((length * 0.40, width + 0.03, 0.5), (rear + length * 0.30, 0.0, 0.80))
        thing += pieces(CAR, (advert(rng), [panel]))
    if chance(rng, 0.15):
        thing += pieces(CAR, (DARK_STEEL, [block((length * 0.5, width * 0.7, 0.08), -0.5, 0.0, height + 0.06)]))
    wheels = _wheels(CAR, (rear + 0.95, front - 0.85), half - 0.09, 0.34, 0.22)
    return thing + wheels + _details(CAR, front, rear, half * 0.86, 0.72, 0.95, 0.42, lights)


def pickup(rng: Generator, lights: bool = False) -> Object:
    """A pickup truck, its bed empty or loaded with planks or bags."""
    length, width, height = rng.uniform(5.0, 5.5), rng.uniform(1.82, 1.98), rng.uniform(1.72, 1.86)
    front, rear, half = length / 2, -length / 2, width / 2
    body, belt = paint(body_color(rng)), 1.08
    bed_front, cowl = rear + 0.36 * length, front - 0.26 * length
    shell = hull(
        (rear, 0.42, 0.72, half * 0.96, half * 0.96),
        (bed_front, 0.36, 0.72, half, half),
        (bed_front + 0.01, 0.36, belt, half, half * 0.95),
        (cowl, 0.36, belt, half, half * 0.95),
        (front - 0.12, 0.40, 0.96, half * 0.98, half * 0.88),
        (front, 0.50, 0.78, half * 0.92, half * 0.84),
    )
    bed_length = bed_front - rear
    sides = [block((bed_length, 0.08, 0.46), rear + bed_length / 2, sign * (half - 0.06), 0.66) for sign in (-1, 1)]
    gate = block((0.07, width - 0.1, 0.46), rear + 0.04, 0.0, 0.66)
    lower, upper = half * 0.93, half * 0.80
    cabin = hull(
        (bed_front + 0.05, belt, belt + 0.02, lower, lower),
        (bed_front + 0.18, belt, height - 0.05, lower, upper),
        (cowl - 0.55, belt, height - 0.05, lower, upper),
        (cowl + 0.08, belt, belt + 0.02, lower, lower),
    )
    roof = block((cowl - bed_front - 0.66, upper * 2, 0.06), (bed_front + cowl - 0.40) / 2, 0.0, height - 0.06)
    pillars = _pillars(bed_front + 0.18, cowl - 0.55, bed_front + 0.05, cowl + 0.08, belt, height - 0.05, lower, upper)
    thing = pieces(CAR, (body, [shell, *sides, gate, roof, *pillars]), (GLASS, [cabin]))
    if chance(rng, 0.35):
        planks = [block((bed_length * 0.9, 0.25, 0.2), rear + bed_length / 2, y, 0.72) for y in (-0.4, 0.0, 0.38)]
        thing += pieces(CAR, (timber(rng), planks))
    wheels = _wheels(CAR, (rear + 1.15, front - 0.95), half - 0.10, 0.38, 0.25)
    return thing + wheels + _details(CAR, front, rear, half * 0.88, 0.80, 0.85, 0.55, lights)


def lorry(rng: Generator, lights: bool = False) -> Object:
    """A lorry (class truck): box body often with advertising, flatbed with load, or tipper."""
    length, width = rng.uniform(6.2, 9.5), rng.uniform(2.25, 2.5)
    front, rear, half = length / 2, -length / 2, width / 2
    cab_length, cab_top = rng.uniform(1.6, 2.1), rng.uniform(2.4, 3.0)
    back = front - cab_length
    cab_paint = paint(body_color(rng))
    cab = hull(
        (back, 0.45, cab_top, half * 0.98, half * 0.95),
        (front - 0.35, 0.45, cab_top, half * 0.98, half * 0.93),
        (front - 0.02, 0.45, 1.55, half * 0.97, half * 0.95),
        (front, 0.40, 1.40, half * 0.95, half * 0.93),
    )
    shoulder = (front - 0.33, 1.6, cab_top - 0.15, half * 0.86, half * 0.82)
    screen = hull(shoulder, (front, 1.56, 1.64, half * 0.86, half * 0.84))
    windows = box((cab_length * 0.5, half * 1.98, 0.6), (back + cab_length * 0.58, 0.0, cab_top - 0.55))
    frame = block((length - cab_length, 0.9, 0.3), (rear + back) / 2, 0.0, 0.6)
    load_length = back - rear - 0.12
    middle = rear + load_length / 2
    thing = pieces(TRUCK, (cab_paint, [cab]), (GLASS, [screen, windows]), (DARK_STEEL, [frame]))
    style = int(rng.choice(4, p=(0.62, 0.14, 0.12, 0.12)))
    if style == 0:
        top = rng.uniform(1.9, 2.6)
        side = advert(rng) if chance(rng, 0.5) else paint(varied(rng, (0.82, 0.82, 0.81)))
        trim = block((load_length + 0.02, width + 0.02, 0.12), middle, 0.0, 0.88)
        thing += pieces(TRUCK, (side, [block((load_length, width, top), middle, 0.0, 0.92)]), (DARK_STEEL, [trim]))
    elif style == 1:
        deck = block((load_length, width, 0.16), middle, 0.0, 0.90)
        logs = [block((load_length * 0.9, 0.5, 0.45), middle, y, 1.06) for y in (-0.7, 0.0, 0.7)]
        thing += pieces(TRUCK, (DARK_STEEL, [deck]), (timber(rng), logs))
    elif style == 2:
        bed = hull((rear, 0.95, 1.9, half * 0.8, half), (back - 0.12, 0.95, 2.1, half * 0.8, half))
        thing += pieces(TRUCK, (paint(body_color(rng)), [bed]))
    else:
        cover = paint(darker(body_color(rng), 0.8))
        thing += pieces(TRUCK, (cover, [block((load_length, width, 1.8), middle, 0.0, 1.25)]))
        thing += pieces(TRUCK, (timber(rng), [block((load_length + 0.02, width + 0.02, 0.38), middle, 0.0, 0.88)]))
    wheels = _wheels(TRUCK, (rear + 1.1, rear + 2.15, front - 1.0), half - 0.16, 0.48, 0.30)
    return thing + wheels + _details(TRUCK, front, rear, half * 0.9, 0.75, 0.80, 0.55, lights)


def bus(rng: Generator, lights: bool = False) -> Object:
    """A city bus (class bus), often with an advertisement along its side."""
    length, width, height = rng.uniform(9.5, 12.2), rng.uniform(2.45, 2.55), rng.uniform(2.9, 3.2)
    front, rear, half = length / 2, -length / 2, width / 2
    body = paint(body_color(rng))
    shell = hull(
        (rear, 0.34, height - 0.1, half * 0.98, half * 0.93),
        (rear + 0.2, 0.30, height, half, half * 0.95),
        (front - 0.3, 0.30, height, half, half * 0.95),
        (front, 0.34, height - 0.2, half * 0.97, half * 0.90),
    )
    band = box((length * 0.90, width + 0.02, 0.95), (-0.1, 0.0, 1.95))
    posts = [box((0.12, width + 0.03, 1.0), (x, 0.0, 1.95)) for x in np.linspace(rear + 1.2, front - 1.4, 6)]
    doors = [box((1.1, 0.04, 2.1), (x, -half - 0.005, 1.40)) for x in (front - 1.0, -0.3)]
    screen = box((0.05, width * 0.86, 1.35), (front - 0.02, 0.0, 1.75))
    display = Material(plain((0, 0, 0)).texture, (0.95, 0.60, 0.10), emissive=0.9 if lights else 0.3)
    sign = box((0.06, 1.4, 0.24), (front - 0.02, 0.0, 2.62))
    thing = pieces(BUS, (body, [shell, *posts]), (GLASS, [band, *doors, screen]), (display, [sign]))
    if chance(rng, 0.4):
        board = box((length * 0.35, width + 0.03, 0.7), (rear + length * 0.28, 0.0, 0.95))
        thing += pieces(BUS, (advert(rng), [board]))
    wheels = _wheels(BUS, (rear + 2.8, front - 2.6), half - 0.15, 0.48, 0.30)
    return thing + wheels + _details(BUS, front, rear, half * 0.9, 0.72, 0.95, 0.48, lights)
