"""Draws corrosion and cracks, and the seams and welds where they like to be.

Corrosion is a field that falls from its middle outwards, made rough by noise in four octaves, and cut: a bloom, a run
along a seam, a ring around a bolt, run-off below a spot, pits. A crack is a walk with momentum that tapers and branches.
Both give the box of what can be seen, or nothing when it could not be told from the ground it is on.
"""

import cv2
import numpy as np

import draw

# Dark, middle and bright rust, RGB.
RUST = np.array([[(62, 34, 24), (122, 62, 34), (182, 96, 44)], [(48, 30, 26), (104, 54, 36), (150, 84, 52)],
                 [(84, 42, 22), (150, 78, 32), (206, 128, 56)], [(70, 38, 34), (128, 60, 46), (160, 92, 66)],
                 [(58, 40, 30), (112, 76, 48), (168, 120, 74)]], np.float32)
KINDS = ["bloom", "bloom", "seam", "run", "pits"]
# A line has no area to measure an overlap by: the box of a crack is at least a quarter as wide as long, and this wide, px.
CRACK_ASPECT, CRACK_LEAST = 0.25, 10.0


def fractal(rng, height, width, cell, octaves=4):
    """Noise from `cell` pixels down, mean 0, about -1 to 1."""
    total, strength = np.zeros((height, width), np.float32), 1.0
    for _ in range(octaves):
        total += draw.soft_noise(rng, height, width, max(1.0, cell)) * strength
        cell, strength = cell / 2.1, strength * 0.62
    return total


def field(rng, kind, x, y):
    """How far inside (1: the middle, 0: the border) each point is; `x`, `y` in radii."""
    if kind == "seam":
        return 1 - np.hypot(x, y / rng.uniform(0.14, 0.34))
    if kind == "run":
        top = 1 - np.hypot(x / rng.uniform(0.35, 0.7), (y + 0.62) / rng.uniform(0.28, 0.4))
        streaks = np.interp(x[0], np.linspace(-1.2, 1.2, 16), rng.uniform(-0.5, 0.85, 16)).astype(np.float32)
        length = rng.uniform(1.0, 1.7)
        streak = streaks - np.clip((y + 0.6) / length, 0, 3) * 0.8 - 2 * np.clip(-(y + 0.6), 0, 1) - np.clip(np.abs(x) - 0.45, 0, 1) * 3
        return np.maximum(top, streak)
    if kind == "pits":
        pits = np.full(x.shape, -1.0, np.float32)
        for _ in range(rng.integers(14, 46)):
            px, py = rng.normal(0, 0.42, 2)
            size = rng.uniform(0.05, 0.2)
            near = 1 - np.hypot(x - px, y - py) / size
            pits = np.maximum(pits, near)
        return np.maximum(pits * 0.6, 0.55 - np.hypot(x, y) * rng.uniform(0.7, 1.2))
    return 1 - np.hypot(x, y * rng.uniform(1.0, 1.8))


def corrosion(rng, canvas, unit, centre, radius, kind=None, angle=0.0, hole=None):
    """A patch of rust. `hole` (centre, half width, half height in px): what it is around, a bolt. Gives its box or None."""
    kind = kind or KINDS[rng.integers(len(KINDS))]
    height, width = canvas.shape[:2]
    reach = radius * 1.5
    x0, y0 = [int(max(0, np.floor(c - reach))) for c in centre]
    x1, y1 = int(min(width, np.ceil(centre[0] + reach))), int(min(height, np.ceil(centre[1] + reach)))
    if x1 - x0 < 6 * unit or y1 - y0 < 6 * unit:
        return None
    gx, gy = np.meshgrid(np.arange(x0, x1, dtype=np.float32), np.arange(y0, y1, dtype=np.float32))
    if hole is not None:
        (hx, hy), half_width, half_height = hole
        away = np.hypot((gx - hx) / half_width, (gy - hy) / half_height)
        inside = 1 - np.abs(away - rng.uniform(0.95, 1.1)) / rng.uniform(0.35, 0.8)
        turn = np.arctan2(gy - hy, gx - hx)
        inside = inside - 0.35 * np.cos(turn - rng.uniform(0, 2 * np.pi)).astype(np.float32) * rng.uniform(0, 1)
    else:
        if kind in ("bloom", "pits"):
            angle = rng.uniform(0, np.pi)
        elif kind == "run":
            angle = rng.normal(0, 0.12)
        cos, sin = np.cos(angle), np.sin(angle)
        x, y = (gx - centre[0]) / radius, (gy - centre[1]) / radius
        inside = field(rng, kind, x * cos + y * sin, y * cos - x * sin)
    rough = rng.uniform(0.25, 0.6) * (0.5 if kind == "pits" else 1)
    noise = fractal(rng, *gx.shape, radius * rng.uniform(0.3, 0.8))
    soft = rng.uniform(0.06, 0.4)
    alpha = np.clip((inside + noise * rough - 0.12) / soft, 0, 1)
    if hole is not None:
        alpha *= away > 0.98
    alpha *= rng.uniform(0.72, 1.0)
    # One patch: what hangs together, over gaps of a few pixels.
    size = int(2 * unit) * 2 + 1
    near = cv2.dilate((alpha > 0.3).astype(np.uint8), np.ones((size, size), np.uint8))
    parts, marked, stats, _ = cv2.connectedComponentsWithStats(near)
    if parts < 2:
        return None
    alpha *= marked == 1 + np.argmax(stats[1:, cv2.CC_STAT_AREA])
    seen = alpha > 0.3
    if seen.sum() < 40 * unit * unit:
        return None
    tones = RUST[rng.integers(len(RUST))] + rng.normal(0, 8, 3)
    tone = 0.5 + 0.5 * fractal(rng, *gx.shape, radius * rng.uniform(0.1, 0.4)) - 0.35 * np.clip(inside, 0, 1) * rng.random()
    tone = np.clip(tone + rng.uniform(-0.2, 0.25), 0, 1)[..., None] * 2
    rust = np.where(tone < 1, tones[0] + (tones[1] - tones[0]) * tone, tones[1] + (tones[2] - tones[1]) * (tone - 1))
    rust = rust + rng.normal(0, rng.uniform(3, 14), gx.shape)[..., None]
    part = canvas[y0:y1, x0:x1].astype(np.float32)
    if rng.random() < 0.3:  # the paint's lifted edge
        part += (np.clip(1 - np.abs(alpha - 0.12) / 0.1, 0, 1) * rng.uniform(10, 40))[..., None]
    made = part * (1 - alpha[..., None]) + rust * alpha[..., None]
    if np.abs(made - part)[seen].sum(-1).mean() < 75:
        return None
    canvas[y0:y1, x0:x1] = np.clip(made, 0, 255).astype(np.uint8)
    columns, rows = np.flatnonzero(seen.any(0)), np.flatnonzero(seen.any(1))
    return [x0 + columns[0], y0 + rows[0], x0 + columns[-1] + 1, y0 + rows[-1] + 1]


def walk(rng, start, angle, length, step, restless):
    """Points of a crack, and the angles between them."""
    points, angles, swing = [np.asarray(start, np.float64)], [], 0.0
    for _ in range(max(4, int(length / step))):
        swing = 0.55 * swing + rng.normal(0, restless)
        if rng.random() < 0.1:
            swing += rng.normal(0, 0.7)
        now = angle + swing
        angles.append(now)
        points.append(points[-1] + step * rng.uniform(0.6, 1.4) * np.array([np.cos(now), np.sin(now)]))
    return np.array(points), angles


def tapered(points, width, end):
    """The outline of a line that gets thinner."""
    along = np.gradient(points, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True) + 1e-9
    across = np.stack([-along[:, 1], along[:, 0]], 1) * np.linspace(width, end, len(points))[:, None] / 2
    return np.concatenate([points + across, (points - across)[::-1]])


def crack_box(points, unit):
    """The box of a crack through `points`, as everything here counts it."""
    low, high = np.min(points, 0) - unit, np.max(points, 0) + unit
    least = max(CRACK_LEAST * unit, CRACK_ASPECT * (high - low).max())
    more = np.maximum(least - (high - low), 0) / 2
    return [*(low - more), *(high + more)]


def shown(canvas, box, lines, width):
    """How much darker the lines are than what is beside them, as drawn; 255 at most."""
    x0, y0 = [max(0, int(v)) for v in box[:2]]
    x1, y1 = int(box[2]) + 1, int(box[3]) + 1
    part = canvas[y0:y1, x0:x1]
    if part.size == 0:
        return 0.0
    grey = part.mean(-1)
    mask = np.zeros(grey.shape, np.uint8)
    for points in lines:
        cv2.polylines(mask, [np.round(points - (x0, y0)).astype(np.int32).reshape(-1, 1, 2)], False, 1, 1)
    wide = cv2.dilate(mask, np.ones((3, 3), np.uint8), iterations=int(np.ceil(width)) + 1)
    beside = cv2.dilate(wide, np.ones((3, 3), np.uint8), iterations=3) - wide
    if not mask.any() or not beside.any():
        return 0.0
    return float(grey[beside > 0].mean() - grey[mask > 0].mean())


def crack(rng, canvas, unit, start, angle, length):
    """A crack from `start` on. Gives its box or None."""
    step = rng.uniform(1.2, 3.2) * unit
    restless = rng.uniform(0.15, 0.5)
    main, angles = walk(rng, start, angle, length, step, restless)
    width = rng.uniform(0.7, 1.7) * unit * (0.75 + 0.4 * min(1.0, length / (60 * unit)))
    lines = [(main, width, width * rng.uniform(0.15, 0.5))]
    for _ in range(rng.choice([0, 1, 2, 3], p=[0.3, 0.35, 0.25, 0.1])):
        at = rng.integers(1, len(main) - 1)
        fork = angles[at] + rng.choice([-1, 1]) * rng.uniform(0.4, 1.2)
        part, _ = walk(rng, main[at], fork, length * rng.uniform(0.15, 0.45), step, restless)
        lines.append((part, width * rng.uniform(0.45, 0.8), width * 0.15))
    box = crack_box(np.concatenate([points for points, _, _ in lines]), unit)
    x0, y0 = [max(0, int(v)) for v in box[:2]]
    ground = canvas[y0:int(box[3]) + 1, x0:int(box[2]) + 1]
    if ground.size == 0:
        return None
    ground = ground.reshape(-1, 3).mean(0)
    dark = np.clip(ground * rng.uniform(0.08, 0.35) + rng.normal(0, 4, 3), 0, 255)
    before = canvas.copy()
    if rng.random() < 0.15:  # what seeps out of it
        for points, wide, end in lines[:1]:
            draw.blend(canvas, tapered(points, wide * 4, end * 4), draw.vary(rng, (96, 66, 46)), 0.25)
    if rng.random() < 0.5:  # its lit edge
        side = np.array([np.cos(angle + 1.6), np.sin(angle + 1.6)]) * unit * rng.uniform(0.35, 0.7)
        for points, wide, end in lines:
            draw.blend(canvas, tapered(points + side, wide, end), draw.shade(ground, 1.35), 0.6)
    for points, wide, end in lines:
        draw.blend(canvas, tapered(points, wide, end), dark, rng.uniform(0.8, 1.0))
    if shown(canvas, box, [points for points, _, _ in lines], width) < 22:
        canvas[:] = before
        return None
    return box


def seam(rng, canvas, unit, colour):
    """A gap, an overlap or a weld across the picture, without a fault. Gives its two ends."""
    height, width = canvas.shape[:2]
    middle = rng.uniform(0.1, 0.9, 2) * (width, height)
    angle = rng.choice([0, np.pi / 2, rng.uniform(0, np.pi)]) + rng.normal(0, 0.06)
    along = np.array([np.cos(angle), np.sin(angle)])
    across = np.array([-along[1], along[0]])
    reach = (width + height) * (1 if rng.random() < 0.7 else rng.uniform(0.1, 0.3))
    a, b = middle - along * reach, middle + along * reach
    kind = rng.integers(3)
    if kind == 0:
        wide = rng.uniform(0.5, 2.5) * unit
        draw.line(canvas, [a, b], draw.shade(colour, rng.uniform(0.2, 0.6)), wide)
        if rng.random() < 0.7:
            draw.line(canvas, [a + across * wide, b + across * wide], draw.shade(colour, 1.25), 0.7 * unit)
    elif kind == 1:
        wide = rng.uniform(2, 9) * unit
        for share in np.linspace(1, 0.2, 4):
            draw.blend(canvas, [a, b, b + across * wide * share, a + across * wide * share], draw.shade(colour, 0.5), 0.16)
        draw.line(canvas, [a, b], draw.shade(colour, 1.2), 0.8 * unit)
    else:
        wide = rng.uniform(1.6, 4.5) * unit
        metal = draw.vary(rng, colour if rng.random() < 0.5 else draw.METALS[rng.integers(3)])
        draw.line(canvas, [a, b], draw.shade(metal, 0.75), 2 * wide)
        turn = np.stack([along, across], 1)
        scale = draw.ring(1.0, 14) * (wide * 0.75, wide) @ turn.T
        for place in np.arange(-reach, reach, wide * rng.uniform(0.6, 1.0)):
            spot = middle + along * place
            if (spot > -20).all() and spot[0] < width + 20 and spot[1] < height + 20:
                draw.polygon(canvas, scale + spot, draw.shade(metal, 0.82))
                draw.polygon(canvas, scale * 0.8 + spot + along * wide * 0.25, draw.shade(metal, rng.uniform(0.95, 1.12)))
    return a, b
