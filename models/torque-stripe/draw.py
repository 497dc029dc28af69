"""Draws what the model is trained and measured on: bolts with torque stripes, and what is none.

Nothing here is a photograph. Lengths are given in `unit`s, pixels of the model's input, times the canvas's pixels per
unit. Light, blur, noise and compression come last (`Camera`). Corrosion and cracks are drawn in `surface.py`, whole
pictures in `scenes.py` (training) and `heldout.py` (measuring). The demo clip is drawn with the code of this file.
"""

from dataclasses import dataclass

import cv2
import numpy as np

OK, MISALIGNED, MISSING, CORROSION, CRACK = range(5)
CLASSES = ["torque_stripe_ok", "torque_stripe_misaligned", "torque_stripe_missing", "corrosion", "crack"]
BOLTS = 3  # the first so many are about bolts, the others about surfaces
# Too small, hidden or cut off to be judged: neither right nor wrong to find.
IGNORED, IGNORED_SURFACE = -1, -2

DIAMETER = (11.5, 42.0)  # of bolts, px of the model's input: 35 to 130 px in a picture of 1280 x 720

SHIFT = 4  # sub-pixel bits of OpenCV's drawing functions


def _points(points):
    return np.round(np.asarray(points, np.float64) * (1 << SHIFT)).astype(np.int32).reshape(-1, 1, 2)


def polygon(canvas, points, colour):
    cv2.fillPoly(canvas, [_points(points)], tuple(float(c) for c in colour), cv2.LINE_AA, SHIFT)


def line(canvas, points, colour, thickness):
    colour = tuple(float(c) for c in colour)
    cv2.polylines(canvas, [_points(points)], False, colour, max(1, int(round(thickness))), cv2.LINE_AA, SHIFT)


def ring(radius, count=40, start=0.0, centre=(0.0, 0.0)):
    angles = start + np.linspace(0, 2 * np.pi, count, endpoint=False)
    return np.stack([centre[0] + radius * np.cos(angles), centre[1] + radius * np.sin(angles)], 1)


def blend(canvas, points, colour, alpha):
    """A polygon that lets through what is under it."""
    points = np.asarray(points, np.float64)
    height, width = canvas.shape[:2]
    x0, y0 = np.maximum(np.floor(points.min(0)).astype(int) - 2, 0)
    x1, y1 = np.minimum(np.ceil(points.max(0)).astype(int) + 3, (width, height))
    if x1 <= x0 or y1 <= y0:
        return
    part = canvas[y0:y1, x0:x1]
    over = part.copy()
    polygon(over, points - (x0, y0), colour)
    cv2.addWeighted(over, alpha, part, 1 - alpha, 0, part)


# Colours are RGB.
PAINTS = [(176, 38, 36), (28, 74, 148), (222, 178, 40), (214, 212, 204), (44, 104, 62), (112, 116, 120), (52, 54, 58),
          (196, 98, 34), (92, 142, 178), (236, 236, 232), (120, 76, 52), (84, 60, 104)]
METALS = [(168, 172, 176), (196, 198, 200), (142, 146, 150), (60, 60, 64), (40, 40, 44), (186, 164, 104),
          (120, 92, 74), (206, 206, 208)]
STRIPES = [(244, 212, 24), (250, 228, 60), (240, 120, 20), (226, 34, 34), (246, 246, 242), (40, 160, 226), (60, 200, 80),
           (250, 90, 150), (230, 240, 60)]


def vary(rng, colour, by=14):
    return np.clip(np.asarray(colour, np.float64) + rng.normal(0, by, 3) * 0.5 + rng.normal(0, by), 0, 255)


def shade(colour, factor):
    return np.clip(np.asarray(colour, np.float64) * factor, 0, 255)


def soft_noise(rng, height, width, cell):
    """Noise that changes over `cell` pixels, mean 0, about -1 to 1."""
    small = rng.normal(0, 0.5, (max(2, int(height / cell) + 2), max(2, int(width / cell) + 2))).astype(np.float32)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def texture(rng, canvas, strength=1.0):
    """Stains, wear and grain, on all of the canvas."""
    height, width = canvas.shape[:2]
    shading = soft_noise(rng, height, width, max(height, width) / 4) * rng.uniform(4, 22) * strength
    shading += soft_noise(rng, height, width, rng.uniform(8, 40)) * rng.uniform(0, 9) * strength
    if rng.random() < 0.4:
        brushed = rng.normal(0, 1, (height, max(2, width // 60))).astype(np.float32)
        shading += cv2.resize(brushed, (width, height), interpolation=cv2.INTER_LINEAR) * rng.uniform(1, 5) * strength
    canvas[:] = np.clip(canvas.astype(np.float32) + shading[..., None], 0, 255).astype(np.uint8)
    if rng.random() < 0.4:
        # A brownish tinge, as of dust and of water from elsewhere: far too faint to be corrosion.
        tinge = 0.22 * np.clip(soft_noise(rng, height, width, rng.uniform(20, 90)) - rng.uniform(0.4, 0.9), 0, 1)[..., None]
        brown = np.array(vary(rng, (122, 70, 40)), np.float32)
        canvas[:] = (canvas * (1 - tinge) + brown * tinge).astype(np.uint8)


@dataclass
class Light:
    """Where light comes from, as an angle in the picture, and how hard it is."""

    angle: float
    hard: float

    @staticmethod
    def random(rng):
        return Light(rng.uniform(0, 2 * np.pi), rng.uniform(0.3, 1.0))

    def towards(self):
        return np.array([np.cos(self.angle), np.sin(self.angle)])


@dataclass
class BoltStyle:
    """What the bolts of one group have in common."""

    metal: np.ndarray
    stripe: np.ndarray
    washer: float  # radius in head radii; 0: none
    washer_metal: np.ndarray
    across: bool  # the stripe crosses the whole head
    both: bool  # ... and goes on at both sides
    width: float  # of the stripe, in head radii
    inner: float  # where a stripe that doesn't cross begins, in head radii
    reach: float  # how far the stripe goes, in washer radii
    height: float  # of the head, in head radii, seen from the side
    chamfer: bool
    nut: bool  # a nut with the bolt's end showing

    @staticmethod
    def random(rng, plate):
        metal = vary(rng, METALS[rng.integers(len(METALS))] if rng.random() < 0.85 else plate)
        washer_metal = vary(rng, METALS[rng.integers(len(METALS))], 8) if rng.random() < 0.5 else vary(rng, metal, 8)
        best = None
        for _ in range(24):  # one that can be told from what it is painted on
            stripe = vary(rng, STRIPES[rng.integers(len(STRIPES))], 8)
            apart = min(np.linalg.norm(stripe - c) for c in (metal, washer_metal, plate))
            if best is None or apart > best[0]:
                best = (apart, stripe)
            if apart > 110:
                break
        across = rng.random() < 0.25
        return BoltStyle(metal, best[1], rng.uniform(1.15, 1.5) if rng.random() < 0.85 else 0.0, washer_metal, across,
                         across and rng.random() < 0.6, rng.uniform(0.2, 0.36), rng.uniform(0.0, 0.35),
                         rng.uniform(1.2, 1.6), rng.uniform(0.0, 0.45), rng.random() < 0.7, rng.random() < 0.3)


def _stripe_part(rng, radii, angle, width):
    """A painted stroke from radius to radius at an angle, with uneven edges, in head radii."""
    steps = 5
    r = np.linspace(radii[0], radii[1], steps)
    rough = width * 0.12
    left = np.stack([r, width / 2 + rng.normal(0, rough, steps)], 1)
    right = np.stack([r[::-1], -width / 2 + rng.normal(0, rough, steps)], 1)
    points = np.concatenate([left, right])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return points @ turn.T


def bolt(rng, canvas, centre, radius, style, state, view, light, stripe_angle=None, slip=None):
    """Draws a bolt whose head (centre to corner) has `radius` px. Gives its box (left, top, right, bottom) and stripe.

    `view` is the 2x2 matrix that a circle on the wall is seen through. The box is that of washer and head. The stripe
    is where it points on the head and on the plate (x, y, as seen), and how sure that is: 0 without one, 1 when it is
    known as a line only, 2 when it has a direction.
    """
    centre = np.asarray(centre, np.float64)
    matrix = np.asarray(view) * radius
    place = lambda points, lift=0.0: centre + np.asarray(points) @ matrix.T + rise * lift  # noqa: E731
    # The head stands up from the wall: its top is seen shifted against its foot, across the squashed direction.
    squash = np.linalg.svd(np.asarray(view))
    away = squash[0][:, 1] * np.sqrt(max(0.0, 1 - min(1.0, squash[1][1] / squash[1][0]) ** 2))
    rise = away * radius * style.height * 1.6
    side = light.towards()
    outer = style.washer or 1.0
    shadow = ring(outer * 1.06) @ matrix.T + centre - side * radius * 0.16 * (0.6 + style.height)
    blend(canvas, shadow, (8, 8, 10), 0.45 * light.hard)

    if style.washer:
        polygon(canvas, place(ring(style.washer)), shade(style.washer_metal, 0.62))
        polygon(canvas, place(ring(style.washer * 0.965)) + side * radius * 0.03, shade(style.washer_metal, 0.98))
        blend(canvas, place(ring(1.04)) - side * radius * 0.1, (10, 10, 12), 0.4 * light.hard)

    first = rng.uniform(0, 2 * np.pi) if stripe_angle is None else stripe_angle
    turn = 0.0
    if state == MISALIGNED:
        limit = np.radians(155 if style.both else 180)
        turn = rng.choice([-1, 1]) * rng.uniform(np.radians(32), limit) if slip is None else slip
    elif state == OK:
        turn = np.radians(np.clip(rng.normal(0, 2.0), -5, 5))
    flats = rng.uniform(0, np.pi / 3)

    def stroke(radii, angle, lift):
        colour = shade(style.stripe, rng.uniform(0.88, 1.05))
        points = place(_stripe_part(rng, radii, angle, style.width), lift)
        blend(canvas, points, colour, rng.uniform(0.85, 1.0))

    reach = style.reach * outer
    if state != MISSING:
        stroke((0.9, reach), first, 0.0)
        if style.both:
            stroke((0.9, reach), first + np.pi, 0.0)

    hexagon = ring(1.0, 6, flats)
    foot, top = place(hexagon), place(hexagon, 1.0)
    for i in range(6):
        j = (i + 1) % 6
        face = np.array([foot[i], foot[j], top[j], top[i]])
        normal = (foot[i] + foot[j]) / 2 - centre
        facing = normal @ side / (np.linalg.norm(normal) + 1e-9)
        polygon(canvas, face, shade(style.metal, 0.62 + 0.3 * facing * light.hard))
    polygon(canvas, top, shade(style.metal, 0.8 + 0.1 * rng.random()))
    crown = 0.84 if style.chamfer else 0.93
    lit = shade(style.metal, 1.0 + 0.12 * light.hard)
    polygon(canvas, place(ring(crown), 1.0) + side * radius * 0.02, lit)
    if style.nut:
        polygon(canvas, place(ring(0.56), 1.0), shade(style.metal, 0.5))
        polygon(canvas, place(ring(0.5), 1.0 + 0.5 * style.height), shade(style.metal, rng.uniform(0.7, 1.1)))
    elif rng.random() < 0.5:  # the maker's mark
        for angle in np.arange(rng.integers(3, 7)) * np.pi / 3 + flats:
            a, b = [place([[r * np.cos(angle), r * np.sin(angle)]], 1.0)[0] for r in (0.45, 0.65)]
            line(canvas, [a, b], shade(style.metal, 0.72), radius * 0.07)
    glint = place(ring(rng.uniform(0.12, 0.3), 16, 0, side * rng.uniform(0.2, 0.45)), 1.0)
    blend(canvas, glint, (255, 255, 255), 0.35 * light.hard)

    if state != MISSING:
        inner = -0.93 if style.across else style.inner
        stroke((inner, 0.95), first + turn, 1.0)
        # Down the side of the head, where it is seen.
        if style.height > 0.1 and np.linalg.norm(rise) > 1:
            edge = [[0.97 * np.cos(first + turn), 0.97 * np.sin(first + turn)]]
            line(canvas, [place(edge, 1.0)[0], place(edge, 0.0)[0]], shade(style.stripe, 0.85), style.width * radius * 0.8)
        if rng.random() < 0.3:  # wear
            spot = rng.uniform(-0.1, 0.8)
            point = place([[spot * np.cos(first + turn), spot * np.sin(first + turn)]], 1.0)[0]
            polygon(canvas, point + ring(radius * rng.uniform(0.05, 0.11), 8), lit)

    extent = np.concatenate([place(ring(outer)), foot, top])
    pointing = []
    for angle, line_only in ((first + turn, style.across), (first, style.both)):
        along = matrix @ (np.cos(angle), np.sin(angle))
        pointing += [*(along / np.linalg.norm(along)), 0 if state == MISSING else 1 if line_only else 2]
    return [*extent.min(0), *extent.max(0)], pointing


def view_of(rng, most=0.45):
    """How a circle on a wall is seen: squashed by up to `most` in some direction."""
    squash = 1 - rng.uniform(0, most) * rng.random()
    angle = rng.uniform(0, np.pi)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return turn @ np.diag([1.0, squash]) @ turn.T


# --- what is no bolt ---------------------------------------------------------------------------------------------


def plate(rng, canvas, centre, half, view, colour, light, round_=False):
    """A plate or flange that lies on the wall."""
    corners = ring(1.0, 48) if round_ else np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float64)
    points = np.asarray(centre) + (corners * half) @ np.asarray(view).T
    blend(canvas, points - light.towards() * min(half) * 0.06, (6, 6, 8), 0.5 * light.hard)
    polygon(canvas, points, shade(colour, 0.7))
    polygon(canvas, points + light.towards() * 1.5, colour)


def rivets(rng, canvas, unit, light, colour):
    start = rng.uniform(0, 1, 2) * canvas.shape[1::-1]
    step = rng.normal(0, 1, 2)
    step *= rng.uniform(8, 22) * unit / (np.linalg.norm(step) + 1e-9)
    radius = rng.uniform(1.6, 3.6) * unit
    for i in range(rng.integers(3, 12)):
        centre = start + step * i
        blend(canvas, ring(radius * 1.15) + centre - light.towards() * radius * 0.4, (8, 8, 8), 0.4 * light.hard)
        polygon(canvas, ring(radius) + centre, shade(colour, 0.85))
        polygon(canvas, ring(radius * 0.7) + centre + light.towards() * radius * 0.2, shade(colour, 1.05))
        blend(canvas, ring(radius * 0.3, 12) + centre + light.towards() * radius * 0.4, (255, 255, 255), 0.6)


def gauge(rng, canvas, unit, light, colour):
    centre = rng.uniform(0, 1, 2) * canvas.shape[1::-1]
    radius = rng.uniform(9, 34) * unit
    view = view_of(rng, 0.3) * radius
    place = lambda points: np.asarray(points) @ view.T + centre  # noqa: E731
    polygon(canvas, place(ring(1.14)), shade(vary(rng, METALS[rng.integers(len(METALS))]), 0.8))
    polygon(canvas, place(ring(1.0)), vary(rng, (236, 236, 230) if rng.random() < 0.8 else (30, 30, 34), 6))
    ink = vary(rng, (20, 20, 20) if rng.random() < 0.7 else (200, 30, 30), 5)
    for angle in np.linspace(-3.9, 0.8, rng.integers(6, 13)):
        a, b = place([[0.78 * np.cos(angle), 0.78 * np.sin(angle)], [0.92 * np.cos(angle), 0.92 * np.sin(angle)]])
        line(canvas, [a, b], ink, radius * 0.04)
    angle = rng.uniform(-3.9, 0.8)
    needle = [[-0.15 * np.cos(angle), -0.15 * np.sin(angle)], [0.75 * np.cos(angle), 0.75 * np.sin(angle)]]
    line(canvas, place(needle), vary(rng, STRIPES[rng.integers(len(STRIPES))] if rng.random() < 0.5 else (20, 20, 20)), radius * 0.07)
    polygon(canvas, place(ring(0.1, 12)), (40, 40, 40))


def label(rng, canvas, unit, light, colour):
    centre = rng.uniform(0, 1, 2) * canvas.shape[1::-1]
    half = np.array([rng.uniform(10, 40), rng.uniform(5, 20)]) * unit
    view = view_of(rng, 0.3)
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float64) * half
    paper = vary(rng, STRIPES[rng.integers(len(STRIPES))])
    polygon(canvas, centre + corners @ view.T, paper)
    dark = shade(paper, 0.2) if paper.sum() > 300 else shade(paper, 2.5)
    if rng.random() < 0.6:
        text = "".join(rng.choice(list("ABCDEFHKLMNPRSTUXYZ0123456789-."), rng.integers(2, 9)))
        origin = (int(centre[0] - half[0] * 0.85), int(centre[1] + half[1] * 0.35))
        cv2.putText(canvas, text, origin, cv2.FONT_HERSHEY_SIMPLEX, half[1] / 22, tuple(float(c) for c in dark),
                    max(1, int(half[1] / 12)), cv2.LINE_AA)
    else:
        for y in np.linspace(-0.7, 0.7, rng.integers(2, 6)):
            end = rng.uniform(0.2, 0.85)
            line(canvas, centre + np.array([[-0.85, y], [end, y]]) * half @ view.T, dark, half[1] * 0.12)


def pipe(rng, canvas, unit, light, colour):
    a = rng.uniform(-0.2, 1.2, 2) * canvas.shape[1::-1]
    b = rng.uniform(-0.2, 1.2, 2) * canvas.shape[1::-1]
    across = np.array([-(b - a)[1], (b - a)[0]]) / (np.linalg.norm(b - a) + 1e-9)
    radius = rng.uniform(1, 22) * unit
    tint = vary(rng, PAINTS[rng.integers(len(PAINTS))])
    edges = np.linspace(-1, 1, 9)
    for low, high in zip(edges, edges[1:]):
        level = 1.15 - 0.8 * abs((low + high) / 2 - 0.3 * np.sign(across @ light.towards() + 1e-9))
        polygon(canvas, [a + across * low * radius, b + across * low * radius, b + across * high * radius,
                         a + across * high * radius], shade(tint, level))


def discs(rng, canvas, unit, light, colour):
    """Holes, caps, painted spots, lamps, rings: round, but no bolts."""
    centre = rng.uniform(0, 1, 2) * canvas.shape[1::-1]
    for _ in range(rng.integers(1, 4)):
        radius = rng.uniform(3, 16) * unit
        view = view_of(rng) * radius
        kind = rng.integers(5)
        if kind == 0:
            polygon(canvas, ring(1.0) @ view.T + centre, shade(colour, 0.75))
            polygon(canvas, ring(0.9) @ view.T + centre, vary(rng, (14, 14, 16), 6))
        elif kind == 1:
            polygon(canvas, ring(1.0) @ view.T + centre, vary(rng, PAINTS[rng.integers(len(PAINTS))]))
        elif kind == 2:
            tint = vary(rng, PAINTS[rng.integers(len(PAINTS))])
            line(canvas, np.vstack([ring(1.0), ring(1.0)[:1]]) @ view.T + centre, tint, rng.uniform(0.15, 0.4) * radius)
        elif kind == 3:
            tint = vary(rng, METALS[rng.integers(len(METALS))])
            for r in np.linspace(1, 0.1, 6):
                polygon(canvas, ring(r) @ view.T + centre + light.towards() * radius * 0.3 * (1 - r), shade(tint, 1.15 - 0.5 * r))
        else:
            tint = vary(rng, PAINTS[rng.integers(len(PAINTS))])
            for r in np.linspace(1, 0.25, rng.integers(2, 5)):
                polygon(canvas, ring(r) @ view.T + centre, tint)
                tint = vary(rng, PAINTS[rng.integers(len(PAINTS))])
        centre = centre + rng.normal(0, 30, 2) * unit


def marks(rng, canvas, unit, light, colour):
    """Paint that is no torque stripe: hazard bands, strokes, arrows, tape."""
    centre = rng.uniform(0, 1, 2) * canvas.shape[1::-1]
    tint = vary(rng, STRIPES[rng.integers(len(STRIPES))])
    if rng.random() < 0.4:
        along = rng.normal(0, 1, 2)
        along /= np.linalg.norm(along) + 1e-9
        across = np.array([-along[1], along[0]])
        step = rng.uniform(5, 16) * unit
        for i in range(rng.integers(3, 10)):
            p = centre + along * step * i * 1.6
            polygon(canvas, [p, p + along * step * 0.8, p + along * step * 1.3 + across * step, p + along * step * 0.5 + across * step], tint)
    else:
        for _ in range(rng.integers(1, 4)):
            end = centre + rng.normal(0, 14, 2) * unit
            line(canvas, [centre, end], tint, rng.uniform(0.8, 4) * unit)
            centre = end + rng.normal(0, 12, 2) * unit


def chain(rng, canvas, unit, light, colour):
    """Links, slots or a ladder of holes: the same thing many times in a row."""
    start = rng.uniform(-0.1, 0.8, 2) * canvas.shape[1::-1]
    along = rng.normal(0, 1, 2)
    along /= np.linalg.norm(along) + 1e-9
    turn = np.array([[along[0], -along[1]], [along[1], along[0]]])
    half = np.array([rng.uniform(3, 14), rng.uniform(1.5, 7)]) * unit
    step = along * half[0] * rng.uniform(2.05, 3.2)
    outside = vary(rng, METALS[rng.integers(len(METALS))])
    inside = vary(rng, (24, 24, 26) if rng.random() < 0.4 else METALS[rng.integers(len(METALS))])
    hollow = rng.random() < 0.75
    for index in range(rng.integers(4, 20)):
        centre = start + step * index
        blend(canvas, (ring(1.05, 24) * half) @ turn.T + centre - light.towards() * unit, (8, 8, 10), 0.3 * light.hard)
        polygon(canvas, (ring(1.0, 24) * half) @ turn.T + centre, outside)
        if hollow:
            polygon(canvas, (ring(1.0, 24) * half * (0.65, 0.5)) @ turn.T + centre, inside)


def beams(rng, canvas, unit, light, colour):
    """An edge across the picture: another part of the structure, nearer or farther."""
    height, width = canvas.shape[:2]
    middle = rng.uniform(0, 1, 2) * (width, height)
    angle = rng.choice([0, np.pi / 2, rng.uniform(0, np.pi)]) + rng.normal(0, 0.08)
    along = np.array([np.cos(angle), np.sin(angle)]) * (width + height)
    across = np.array([-np.sin(angle), np.cos(angle)]) * rng.uniform(8, 160) * unit
    tint = vary(rng, PAINTS[rng.integers(len(PAINTS))])
    points = [middle - along, middle + along, middle + along + across, middle - along + across]
    blend(canvas, np.array(points) - light.towards() * 3 * unit, (5, 5, 8), 0.4 * light.hard)
    polygon(canvas, points, tint)
    line(canvas, points[:2], shade(tint, 1.2), unit)
    line(canvas, points[2:], shade(tint, 0.6), unit)


CLUTTER = [rivets, gauge, label, pipe, discs, marks, beams, chain]


# --- the camera ----------------------------------------------------------------------------------------------------------


@dataclass
class Camera:
    """Blur, light, noise and compression, as one camera gives them."""

    blur: float
    smear: float
    smear_angle: float
    gain: np.ndarray
    lift: float
    gamma: float
    noise: float
    quality: int
    vignette: float

    @staticmethod
    def random(rng):
        return Camera(abs(rng.normal(0, 0.45)), rng.uniform(0, 1.2) if rng.random() < 0.35 else 0.0, rng.uniform(0, np.pi),
                      rng.uniform(0.6, 1.25) * rng.uniform(0.92, 1.08, 3), rng.uniform(-12, 18), rng.uniform(0.75, 1.35),
                      rng.uniform(1, 10), int(rng.integers(45, 97)), rng.uniform(0, 0.45))

    def take(self, rng, canvas, unit):
        picture = canvas
        if self.blur * unit > 0.3:
            picture = cv2.GaussianBlur(picture, (0, 0), self.blur * unit)
        length = self.smear * unit * 2
        if length > 1.5:
            size = int(length) // 2 * 2 + 3
            kernel = np.zeros((size, size), np.float32)
            middle = size // 2
            reach = np.array([np.cos(self.smear_angle), np.sin(self.smear_angle)]) * length / 2
            cv2.line(kernel, tuple(int(round(v)) for v in middle - reach), tuple(int(round(v)) for v in middle + reach), 1.0)
            picture = cv2.filter2D(picture, -1, kernel / kernel.sum())
        values = picture.astype(np.float32) / 255
        values = np.power(values, self.gamma, out=values) * (255 * self.gain).astype(np.float32) + self.lift
        if self.vignette > 0.05:
            height, width = picture.shape[:2]
            y, x = np.ogrid[-1:1:height * 1j, -1:1:width * 1j]
            values *= (1 - self.vignette * (x * x + y * y) / 2).astype(np.float32)[..., None]
        values += rng.standard_normal(values.shape, dtype=np.float32) * self.noise
        picture = np.clip(values, 0, 255).astype(np.uint8)
        if self.quality < 95:
            _, packed = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, self.quality])
            picture = cv2.imdecode(packed, cv2.IMREAD_COLOR)
        return picture
