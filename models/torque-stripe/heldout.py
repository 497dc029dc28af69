"""The pictures that `measure.py` counts on. Nothing that gives them their look is used in training.

    python heldout.py SHEET.png [SEED]

Other walls (spangled zinc, cast iron, hammered paint, chequer plate, corrugated sheet, chalked paint), other light (a lamp, the
shadow of a grating, a gradient of two colours), other stripe paints and metals, other clutter and look-alikes. Corrosion
grows from many small blots, cracks by halving a line again and again: other ways than those of `surface.py`. The
shape of a bolt (`draw.bolt`), where things are put, and the camera are the same.
"""

import cv2
import numpy as np

import draw
import scenes
import surface

STRIPES = [(255, 176, 196), (150, 70, 214), (0, 186, 178), (172, 16, 44), (252, 252, 206), (96, 236, 30), (255, 150, 84), (20, 60, 190)]
METALS = [(176, 184, 200), (154, 150, 140), (212, 200, 160), (74, 80, 92), (96, 90, 84), (224, 226, 224), (132, 142, 136)]
WALLS = [(86, 120, 116), (196, 188, 160), (150, 160, 172), (64, 84, 120), (170, 120, 96), (226, 220, 206), (120, 132, 92), (98, 98, 104), (148, 40, 60),
         (210, 150, 70), (184, 190, 194)]
RUSTS = [(150, 78, 30), (92, 48, 30), (118, 66, 34), (176, 104, 50), (70, 40, 30), (138, 70, 48)]


def style(rng, ground):
    """A bolt of other metal with a stripe of other paint, that can be told from it."""
    metal, washer_metal = [draw.vary(rng, METALS[rng.integers(len(METALS))], 8) for _ in range(2)]
    best = (-1.0, None)
    for _ in range(24):
        stripe = draw.vary(rng, STRIPES[rng.integers(len(STRIPES))], 6)
        apart = min(np.linalg.norm(stripe - c) for c in (metal, washer_metal, ground))
        best = max(best, (apart, stripe), key=lambda b: b[0])
        if apart > 110:
            break
    across = rng.random() < 0.25
    return draw.BoltStyle(metal, best[1], rng.uniform(1.18, 1.45) if rng.random() < 0.8 else 0.0, washer_metal, across,
                          across and rng.random() < 0.6, rng.uniform(0.22, 0.36), rng.uniform(0, 0.3), rng.uniform(1.25, 1.55),
                          rng.uniform(0, 0.4), rng.random() < 0.5, rng.random() < 0.25)


# --- walls, as a factor on their colour ---------------------------------------------------------------------------


def spangle(rng, height, width, unit):
    """Zinc crystals: patches of one brightness with straight borders."""
    count = int(np.clip(height * width / (rng.uniform(6, 16) * unit) ** 2, 20, 1500))
    seeds = np.zeros((height, width), np.uint8)
    seeds[:] = 255
    ys, xs = rng.integers(0, height, count), rng.integers(0, width, count)
    seeds[ys, xs] = 0
    _, label = cv2.distanceTransformWithLabels(seeds, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    return 1 + rng.uniform(-0.12, 0.12, label.max() + 1).astype(np.float32)[label]


def cast(rng, height, width, unit):
    """Grains of sand casting, and dull bumps."""
    grain = rng.standard_normal((height, width), np.float32)
    return 1 + 0.05 * cv2.GaussianBlur(grain, (0, 0), 0.5 * unit) * unit + 0.06 * draw.soft_noise(rng, height, width, 5 * unit)


def hammered(rng, height, width, unit):
    bumps = cv2.GaussianBlur(rng.standard_normal((height, width), np.float32), (0, 0), rng.uniform(0.8, 1.6) * unit)
    return 1 + 0.12 * np.tanh(cv2.Sobel(bumps, cv2.CV_32F, 1, 1, ksize=3) / (bumps.std() + 1e-6))


def chequer(rng, height, width, unit):
    """Raised lozenges, lit from one side."""
    step = rng.uniform(9, 16) * unit
    wall = np.full((height, width, 3), 128, np.uint8)
    for row, y in enumerate(np.arange(0, height + step, step)):
        for column, x in enumerate(np.arange(0, width + step, step)):
            turn = np.pi / 4 if (row + column) % 2 else -np.pi / 4
            along = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
            shape = draw.ring(1.0, 12) * (0.42 * step, 0.1 * step) @ along.T + (x, y)
            draw.polygon(wall, shape + 0.5 * unit, (100, 100, 100))
            draw.polygon(wall, shape, (142, 142, 142))
    return wall[..., 0].astype(np.float32) / 128


def corrugated(rng, height, width, unit):
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
    angle, step = rng.choice([0.0, np.pi / 2]) + rng.normal(0, 0.05), rng.uniform(14, 40) * unit
    return 1 + rng.uniform(0.06, 0.16) * np.sin((xs * np.cos(angle) + ys * np.sin(angle)) * 2 * np.pi / step)


def chalked(rng, height, width, unit):
    """Paint gone pale in clouds."""
    return 1 + 0.16 * np.abs(draw.soft_noise(rng, height, width, 26 * unit)) + 0.03 * rng.standard_normal((height, width), np.float32)


TEXTURES = [spangle, cast, hammered, chequer, corrugated, chalked]


def lit(rng, canvas, unit):
    """A lamp, the shadow of a grating, or two colours of light."""
    height, width = canvas.shape[:2]
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
    kind = rng.integers(4)
    if kind == 0:
        x, y = rng.uniform(0.1, 0.9, 2) * (width, height)
        spread = rng.uniform(0.5, 1.0) * max(height, width)
        factor = (0.55 + 0.6 * np.exp(-((xs - x) ** 2 + (ys - y) ** 2) / (2 * spread * spread)))[..., None]
    elif kind == 1:
        step, angle = rng.uniform(20, 60) * unit, rng.uniform(0, np.pi)
        bars = np.clip(np.sin((xs * np.cos(angle) + ys * np.sin(angle)) * 2 * np.pi / step) * 4, -1, 1)
        factor = (1 - rng.uniform(0.08, 0.18) * (1 + bars))[..., None]
    elif kind == 2:
        share = (xs / width if rng.random() < 0.5 else ys / height)[..., None]
        factor = share * np.array([1.08, 1.0, 0.88], np.float32) + (1 - share) * np.array([0.8, 0.88, 1.0], np.float32)
    else:
        return
    canvas[:] = np.clip(canvas * factor, 0, 255).astype(np.uint8)


# --- what is neither a bolt nor a defect --------------------------------------------------------------------------


def _spot(rng, canvas):
    return rng.uniform(0, 1, 2) * canvas.shape[1::-1]


def hose(rng, canvas, unit):
    """A ribbed hose on a wide bend."""
    centre, radius = _spot(rng, canvas), rng.uniform(30, 140) * unit
    wide, tint = rng.uniform(2, 7) * unit, draw.vary(rng, [(40, 40, 44), (150, 150, 156), (190, 60, 40), (50, 90, 70)][rng.integers(4)])
    for index, angle in enumerate(np.arange(rng.uniform(0, 6), rng.uniform(6, 10), 0.8 * wide / radius)):
        out = np.array([np.cos(angle), np.sin(angle)])
        draw.line(canvas, [centre + out * (radius - wide), centre + out * (radius + wide)], draw.shade(tint, 1.25 if index % 2 else 0.8), wide * 0.9)


def perforated(rng, canvas, unit):
    """A strip with round or long holes."""
    start, angle = _spot(rng, canvas), rng.uniform(0, np.pi)
    along = np.array([np.cos(angle), np.sin(angle)])
    across = np.array([-along[1], along[0]])
    wide, tint = rng.uniform(4, 10) * unit, draw.vary(rng, METALS[rng.integers(len(METALS))])
    count = rng.integers(5, 14)
    end = start + along * wide * 2.2 * count
    draw.polygon(canvas, [start - across * wide, start + across * wide, end + across * wide, end - across * wide], tint)
    long = rng.uniform(0.3, 0.8)
    for index in range(count):
        hole = draw.ring(1.0, 18) * (wide * long, wide * 0.3) @ np.stack([along, across])
        draw.polygon(canvas, hole + start + along * wide * 2.2 * (index + 0.5), draw.shade(tint, 0.25))


def wheel(rng, canvas, unit):
    """A hand wheel with spokes."""
    centre, radius = _spot(rng, canvas), rng.uniform(12, 40) * unit
    tint = draw.vary(rng, [(190, 40, 40), (40, 90, 150), (60, 60, 64)][rng.integers(3)])
    rim = draw.ring(1.0, 48) @ (draw.view_of(rng) * radius).T
    draw.line(canvas, np.vstack([rim, rim[:1]]) + centre, tint, radius * 0.16)
    for spoke in rim[::48 // int(rng.integers(3, 7))]:
        draw.line(canvas, [centre, centre + spoke], draw.shade(tint, 0.85), radius * 0.1)
    draw.polygon(canvas, centre + draw.ring(radius * 0.2), draw.shade(tint, 1.15))


def tag(rng, canvas, unit):
    """A tag of sheet with stamped figures, on a wire."""
    centre, half = _spot(rng, canvas), np.array([rng.uniform(8, 20), rng.uniform(5, 10)]) * unit
    tint = draw.vary(rng, [(200, 170, 90), (190, 194, 198), (230, 80, 50), (240, 220, 90)][rng.integers(4)])
    draw.line(canvas, [centre - (0, half[1] * 2.4), centre - (0, half[1] * 0.6)], (60, 60, 60), 0.7 * unit)
    draw.polygon(canvas, centre + np.array([[-1, -1], [0.8, -1], [1, -0.7], [1, 0.7], [0.8, 1], [-1, 1]]) * half, tint)
    cv2.putText(canvas, str(rng.integers(100, 99999)), (int(centre[0] - half[0] * 0.8), int(centre[1] + half[1] * 0.4)),
                cv2.FONT_HERSHEY_PLAIN, half[1] / 14, (40, 36, 30), max(1, int(unit * 0.5)), cv2.LINE_AA)


def grating(rng, canvas, unit):
    """A net of bars."""
    start, cell = _spot(rng, canvas), rng.uniform(4, 10) * unit
    columns, rows, tint = rng.integers(4, 14), rng.integers(3, 10), draw.vary(rng, METALS[rng.integers(len(METALS))])
    for column in range(columns + 1):
        draw.line(canvas, [start + (column * cell, 0), start + (column * cell, rows * cell)], tint, 0.16 * cell)
    for row in range(rows + 1):
        draw.line(canvas, [start + (0, row * cell), start + (columns * cell, row * cell)], draw.shade(tint, 0.8), 0.16 * cell)


def spring(rng, canvas, unit):
    start, step, wide = _spot(rng, canvas), rng.uniform(2, 5) * unit, rng.uniform(4, 10) * unit
    zigzag = [start + (wide * (-1) ** index, index * step) for index in range(rng.integers(6, 18))]
    draw.line(canvas, zigzag, draw.vary(rng, METALS[rng.integers(len(METALS))]), 0.8 * unit)


def beam(rng, canvas, unit):
    """A profile with a bright flange and a dark web."""
    height, width = canvas.shape[:2]
    y, wide, tint = rng.uniform(0, height), rng.uniform(10, 60) * unit, draw.vary(rng, WALLS[rng.integers(len(WALLS))])
    tilt = rng.normal(0, 0.15) * width
    for low, high, factor in ((0, 1, 0.8), (0, 0.16, 1.15), (0.84, 1, 0.95)):
        strip = [(0, y + low * wide), (width, y + tilt + low * wide), (width, y + tilt + high * wide), (0, y + high * wide)]
        draw.polygon(canvas, strip, draw.shade(tint, factor))


def oil(rng, canvas, unit):
    """A black smear with a soft edge."""
    centre, radius = _spot(rng, canvas), rng.uniform(5, 26) * unit
    for share in np.linspace(1, 0.3, 5):
        edge = draw.ring(radius * share, 30) * (1 + 0.1 * np.sin(np.arange(30) * 0.8))[:, None]
        draw.blend(canvas, centre + edge, (18, 18, 20), 0.25)


def primer(rng, canvas, unit):
    """A touched-up spot: red oxide primer, rolled on, even and sound."""
    centre, half = _spot(rng, canvas), rng.uniform(6, 36, 2) * unit
    tint = draw.vary(rng, [(128, 58, 48), (146, 84, 56), (104, 72, 58)][rng.integers(3)], 8)
    corners = draw.ring(1.0, 24)
    corners = np.sign(corners) * np.abs(corners) ** 0.4  # round-cornered
    draw.polygon(canvas, centre + corners * half, tint)


def scuff(rng, canvas, unit):
    """Arcs rubbed into the paint."""
    centre, radius, first = _spot(rng, canvas), rng.uniform(10, 60) * unit, rng.uniform(0, 6)
    tone = draw.vary(rng, (205, 205, 208) if rng.random() < 0.6 else (50, 50, 54), 8)
    for lift in rng.uniform(-4, 4, rng.integers(1, 5)) * unit:
        angles = np.linspace(first, first + rng.uniform(0.3, 1.2), 20)
        arc = centre + (radius + lift) * np.stack([np.cos(angles), np.sin(angles)], 1)
        draw.blend(canvas, surface.tapered(arc, 0.6 * unit, 0.6 * unit), tone, 0.7)


def wire(rng, canvas, unit):
    """A slack wire between two points."""
    a, b = _spot(rng, canvas), _spot(rng, canvas)
    share = np.linspace(0, 1, 40)[:, None]
    sag = np.array([0, 1]) * rng.uniform(4, 40) * unit * (4 * share * (1 - share))
    draw.line(canvas, a + (b - a) * share + sag, draw.vary(rng, (40, 38, 36), 10), rng.uniform(0.5, 1.3) * unit)


def splash(rng, canvas, unit):
    """Light splashes: lime, bird droppings."""
    centre, tint = _spot(rng, canvas), draw.vary(rng, (228, 226, 214), 6)
    for _ in range(rng.integers(3, 14)):
        draw.polygon(canvas, centre + rng.normal(0, 7, 2) * unit + draw.ring(rng.uniform(0.6, 3) * unit, 14), tint)


CLUTTER = [hose, perforated, wheel, tag, grating, spring, beam, oil, primer, scuff, wire, splash]


# --- defects ------------------------------------------------------------------------------------------------------


def corrosion(rng, canvas, unit, centre, radius, kind=None, angle=0.0, hole=None):
    """Rust grown from blots: each sits at the rim of one that is there. See `surface.corrosion`."""
    height, width = canvas.shape[:2]
    mask = np.zeros((height, width), np.uint8)
    long = np.array([1.0, rng.uniform(0.18, 0.35)] if kind == "seam" else [1.0, rng.uniform(0.5, 1.0)])
    turn = angle if kind == "seam" else rng.uniform(0, np.pi)
    along = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    spots = [np.zeros(2)]
    if hole is not None:
        spots = [s * rng.uniform(0.62, 0.8) for s in draw.ring(1.0, 20)[:rng.integers(9, 20)]]
        long, along = np.ones(2), np.eye(2)
    for _ in range(rng.integers(60, 200)):
        spot = spots[rng.integers(len(spots))] + rng.normal(0, 0.14, 2)
        if np.linalg.norm(spot) < 0.85:
            spots.append(spot)
    for spot in spots:
        blot = np.asarray(centre) + (spot * long) @ along.T * radius
        cv2.fillPoly(mask, [draw._points(blot + draw.ring(rng.uniform(0.05, 0.15) * radius, 10) * rng.uniform(0.7, 1.3, (10, 1)))], 255, cv2.LINE_AA, draw.SHIFT)
    if kind == "run" or (hole is None and rng.random() < 0.2):
        for _ in range(rng.integers(2, 6)):
            top = np.asarray(centre) + rng.uniform(-0.35, 0.35, 2) * radius
            streak = np.linspace(top, top + (0, rng.uniform(0.4, 1.0) * radius), 6)
            cv2.fillPoly(mask, [draw._points(surface.tapered(streak, rng.uniform(0.06, 0.2) * radius, 0.02 * radius))], 255, cv2.LINE_AA, draw.SHIFT)
    reach = radius * 2
    x0, y0 = [int(max(0, c - reach)) for c in centre]
    x1, y1 = int(min(width, centre[0] + reach)), int(min(height, centre[1] + reach))
    if x1 - x0 < 6 * unit or y1 - y0 < 6 * unit:
        return None
    alpha = cv2.GaussianBlur(mask[y0:y1, x0:x1], (0, 0), rng.uniform(0.2, 0.9) * unit).astype(np.float32) / 255 * rng.uniform(0.75, 1.0)
    if hole is not None:
        gx, gy = np.meshgrid(np.arange(x0, x1), np.arange(y0, y1))
        alpha *= np.hypot((gx - hole[0][0]) / hole[1], (gy - hole[0][1]) / hole[2]) > 0.98
    seen = alpha > 0.3
    if seen.sum() < 40 * unit * unit:
        return None
    # Three coats of different rust, each in specks of its own size.
    rust = np.full((y1 - y0, x1 - x0, 3), draw.vary(rng, RUSTS[rng.integers(len(RUSTS))], 8), np.float32)
    for size in (6, 2.5, 1):
        specks = cv2.GaussianBlur(rng.standard_normal(alpha.shape, np.float32), (0, 0), size * unit * 0.5)
        coat = np.clip(specks / (specks.std() + 1e-6) - rng.uniform(-0.3, 1.0), 0, 1)[..., None] * rng.uniform(0.4, 0.9)
        rust = rust * (1 - coat) + np.asarray(draw.vary(rng, RUSTS[rng.integers(len(RUSTS))], 8), np.float32) * coat
    part = canvas[y0:y1, x0:x1].astype(np.float32)
    made = part * (1 - alpha[..., None]) + rust * alpha[..., None]
    if np.abs(made - part)[seen].sum(-1).mean() < 75:
        return None
    canvas[y0:y1, x0:x1] = np.clip(made, 0, 255).astype(np.uint8)
    columns, rows = np.flatnonzero(seen.any(0)), np.flatnonzero(seen.any(1))
    return [x0 + columns[0], y0 + rows[0], x0 + columns[-1] + 1, y0 + rows[-1] + 1]


def halved(rng, a, b, rough, depth=5):
    """A line made crooked by moving the middle of each half, again and again."""
    points = [np.asarray(a, np.float64), np.asarray(b, np.float64)]
    for _ in range(depth):
        more = [points[0]]
        for p, q in zip(points, points[1:]):
            across = np.array([-(q - p)[1], (q - p)[0]])
            more += [(p + q) / 2 + across * rng.uniform(-rough, rough), q]
        points = more
    return np.array(points)


def crack(rng, canvas, unit, start, angle, length):
    """See `surface.crack`."""
    start = np.asarray(start, np.float64)
    rough, width = rng.uniform(0.15, 0.32), rng.uniform(0.8, 2.0) * unit
    lines = [(halved(rng, start, start + length * np.array([np.cos(angle), np.sin(angle)]), rough), width)]
    for _ in range(rng.integers(0, 3)):
        root = lines[0][0][rng.integers(6, 27)]
        fork = angle + rng.choice([-1, 1]) * rng.uniform(0.4, 1.1)
        end = root + length * rng.uniform(0.15, 0.4) * np.array([np.cos(fork), np.sin(fork)])
        lines.append((halved(rng, root, end, rough, 4), width * 0.6))
    box = surface.crack_box(np.concatenate([points for points, _ in lines]), unit)
    x0, y0 = [max(0, int(v)) for v in box[:2]]
    ground = canvas[y0:int(box[3]) + 1, x0:int(box[2]) + 1].reshape(-1, 3)
    if not len(ground):
        return None
    dark, before = np.median(ground, 0) * rng.uniform(0.12, 0.38), canvas.copy()
    for points, wide in lines:
        draw.blend(canvas, surface.tapered(points + 0.3 * unit, wide, wide * 0.2), draw.shade(np.median(ground, 0), 1.3), 0.4)
        draw.polygon(canvas, surface.tapered(points, wide, wide * 0.2), dark)
    if surface.shown(canvas, box, [points for points, _ in lines], width) < 22:
        canvas[:] = before
        return None
    return box


def scene(rng, width, height, unit, bolts, defects):
    """As `scenes.scene`."""
    light = draw.Light.random(rng)
    colour = draw.vary(rng, WALLS[rng.integers(len(WALLS))])
    canvas = np.empty((height, width, 3), np.uint8)
    canvas[:] = np.clip(colour * TEXTURES[rng.integers(len(TEXTURES))](rng, height, width, unit)[..., None], 0, 255)
    lines = []
    for _ in range(rng.integers(0, 3)):  # joints: a step in brightness with a bright lip
        a, angle = _spot(rng, canvas), rng.choice([0, np.pi / 2]) + rng.normal(0, 0.1)
        along = np.array([np.cos(angle), np.sin(angle)]) * (width + height)
        lines.append((a - along, a + along))
        draw.line(canvas, lines[-1], draw.shade(colour, 0.6), 1.4 * unit)
        draw.line(canvas, np.array(lines[-1]) + unit, draw.shade(colour, 1.2), 0.6 * unit)
    plain = canvas.copy()
    for _ in range(rng.integers(1, 6) if bolts else rng.integers(2, 9)):
        CLUTTER[rng.integers(len(CLUTTER))](rng, canvas, unit)
    busy = np.abs(canvas.astype(np.int16) - plain).max(-1) > 24
    boxes = []
    if bolts:
        view = draw.view_of(rng)
        for _ in range(rng.integers(1, 4)):
            scenes.group(rng, canvas, unit, view, light, boxes, paints=WALLS, style_of=style)
    if defects:
        surfaces = scenes.Surfaces(rng, canvas, unit, busy, boxes, lines, corrosion, crack)
        for _ in range(rng.choice(4, p=(0.25, 0.35, 0.25, 0.15))):
            surfaces.corrosion()
        for _ in range(rng.choice(4, p=(0.25, 0.35, 0.25, 0.15))):
            surfaces.crack()
        boxes += surfaces.boxes
    lit(rng, canvas, unit)
    return canvas, np.array(boxes, np.float64).reshape(-1, 11)


def photograph(seed, width, height, unit):
    """A drawn picture and its boxes, of a seed alone. A quarter is without bolts, as many without defects of surfaces."""
    rng = np.random.default_rng([seed, 7])
    canvas, boxes = scene(rng, width, height, unit, rng.random() < 0.75, rng.random() < 0.75)
    return draw.Camera.random(rng).take(rng, canvas, unit), boxes


if __name__ == "__main__":
    import sys

    scenes.sheet(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 0, photograph)
