"""Draws what resembles corrosion or a crack and is neither: paint, dirt, shadows, scratches, cables, drips, flakes."""

import cv2
import numpy as np

import draw
import surface

BROWNS = [(122, 76, 48), (150, 92, 50), (92, 58, 40), (168, 112, 70), (136, 60, 40), (176, 84, 36), (110, 84, 60)]


def _spot(rng, canvas):
    return rng.uniform(0.03, 0.97, 2) * canvas.shape[1::-1]


def _curve(rng, start, length, bend, count=24):
    """Points of a smooth line."""
    angle = rng.uniform(0, 2 * np.pi) + np.cumsum(np.full(count, rng.normal(0, bend) / count)) * 2
    angle += rng.normal(0, bend) * np.sin(np.linspace(0, rng.uniform(1, 6), count))
    return start + np.cumsum(np.stack([np.cos(angle), np.sin(angle)], 1), 0) * length / count


def brown_paint(rng, canvas, unit, light, colour):
    """Brown, but even and with a sharp edge."""
    centre, view = _spot(rng, canvas), draw.view_of(rng)
    half = rng.uniform(6, 50, 2) * unit
    corners = draw.ring(1.0, 40) if rng.random() < 0.4 else np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float64)
    tint = draw.vary(rng, BROWNS[rng.integers(len(BROWNS))])
    points = centre + (corners * half) @ view.T
    if rng.random() < 0.5:
        draw.blend(canvas, points - light.towards() * 2 * unit, (6, 6, 8), 0.4 * light.hard)
    draw.polygon(canvas, points, tint)
    if rng.random() < 0.4:
        draw.line(canvas, np.vstack([points, points[:1]]), draw.shade(tint, rng.choice([0.6, 1.3])), rng.uniform(0.5, 2) * unit)


def dirt(rng, canvas, unit, light, colour):
    """Grey or black film: soft, faint, without rust's colour or grain; runs down now and then."""
    height, width = canvas.shape[:2]
    centre, radius = _spot(rng, canvas), rng.uniform(8, 60) * unit
    x0, y0 = np.maximum(centre - radius, 0).astype(int)
    x1, y1 = np.minimum(centre + radius, (width, height)).astype(int)
    if x1 - x0 < 8 or y1 - y0 < 8:
        return
    gx, gy = np.meshgrid(np.arange(x0, x1, dtype=np.float32), np.arange(y0, y1, dtype=np.float32))
    x, y = (gx - centre[0]) / radius, (gy - centre[1]) / radius
    inside = 1 - np.hypot(x * (rng.uniform(1, 4) if rng.random() < 0.5 else 1), y)
    alpha = np.clip(inside + surface.fractal(rng, *gx.shape, radius * 0.6, 3) * rng.uniform(0, 0.4), 0, 1) * rng.uniform(0.2, 0.75)
    shade = rng.uniform(8, 70)
    tint = np.array([shade, shade, shade]) + rng.normal(0, 3, 3)
    part = canvas[y0:y1, x0:x1]
    part[:] = np.clip(part * (1 - alpha[..., None]) + tint * alpha[..., None], 0, 255).astype(np.uint8)


def shadow(rng, canvas, unit, light, colour):
    """The shadow of something outside the picture: a bar, a corner, a cable."""
    height, width = canvas.shape[:2]
    mask = np.zeros((height // 4 + 1, width // 4 + 1), np.uint8)
    if rng.random() < 0.5:
        points = _curve(rng, _spot(rng, canvas), rng.uniform(60, 260) * unit, 0.8)
        cv2.polylines(mask, [np.round(points / 4).astype(np.int32)], False, 255, max(1, int(rng.uniform(1, 10) * unit / 4)), cv2.LINE_AA)
    else:
        cv2.fillPoly(mask, [np.round(_spot(rng, canvas) / 4 + rng.normal(0, 50, (rng.integers(3, 6), 2)) * unit / 4).astype(np.int32)], 255)
    mask = cv2.GaussianBlur(mask, (0, 0), rng.uniform(0.3, 2.5) * unit / 2)
    dark = 1 - cv2.resize(mask, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.float32)[..., None] / 255 * rng.uniform(0.25, 0.65)
    canvas[:] = (canvas * dark).astype(np.uint8)


def scratches(rng, canvas, unit, light, colour):
    """Straight or evenly bent, of one width, often several in parallel, bright as bare metal or dark."""
    start = _spot(rng, canvas)
    points = _curve(rng, start, rng.uniform(8, 110) * unit, rng.choice([0.0, 0.15, 0.4]))
    tint = draw.shade(colour, rng.uniform(0.3, 0.65)) if rng.random() < 0.5 else draw.vary(rng, draw.METALS[rng.integers(3)])
    for _ in range(rng.integers(1, 5)):
        moved = points + rng.normal(0, 4, 2) * unit
        wide = rng.uniform(0.35, 1.0) * unit
        draw.blend(canvas, surface.tapered(moved, wide, wide), tint, rng.uniform(0.5, 1.0))


def cable(rng, canvas, unit, light, colour):
    """Round, smooth, of one width, lit along one side."""
    points = _curve(rng, _spot(rng, canvas), rng.uniform(30, 300) * unit, rng.uniform(0.1, 1.6), 40)
    wide = rng.uniform(0.6, 4) * unit
    tint = draw.vary(rng, (24, 24, 28), 8) if rng.random() < 0.6 else draw.vary(rng, draw.PAINTS[rng.integers(len(draw.PAINTS))])
    for lift in np.arange(rng.integers(1, 4)) * rng.uniform(1.2, 2.5) * wide:
        moved = points + (0, lift)
        draw.line(canvas, moved - light.towards() * wide * 0.5, draw.shade(colour, 0.6), wide)
        draw.line(canvas, moved, tint, wide)
        draw.line(canvas, moved + light.towards() * wide * 0.25, draw.shade(tint, 1.6) + 12, wide * 0.3)


def drips(rng, canvas, unit, light, colour):
    """Paint, oil or water that ran down: even colour, smooth edge, round end."""
    centre = _spot(rng, canvas)
    kind = rng.integers(3)
    tint = [draw.vary(rng, draw.PAINTS[rng.integers(len(draw.PAINTS))]), draw.vary(rng, (22, 20, 18), 4), draw.shade(colour, rng.choice([0.75, 1.3]))][kind]
    for _ in range(rng.integers(1, 6)):
        top = centre + rng.normal(0, (8, 2), 2) * unit
        wide, length = rng.uniform(0.8, 3) * unit, rng.uniform(6, 50) * unit
        end = top + (rng.normal(0, 0.5) * unit, length)
        draw.blend(canvas, surface.tapered(np.linspace(top, end, 6), wide * 0.7, wide), tint, rng.uniform(0.5, 1.0))
        draw.polygon(canvas, draw.ring(wide * 0.62, 14) + end, tint)


def flakes(rng, canvas, unit, light, colour):
    """Paint that came off down to a sound primer or zinc: ragged, but of one colour and not a rust's."""
    centre, radius = _spot(rng, canvas), rng.uniform(3, 20) * unit
    tint = draw.vary(rng, [(176, 180, 182), (224, 224, 220), (120, 128, 116), (96, 100, 106), (200, 196, 170)][rng.integers(5)], 6)
    for _ in range(rng.integers(1, 5)):
        outline = draw.ring(1.0, rng.integers(9, 20)) * rng.uniform(0.5, 1.2, (1, 2))
        outline = outline * rng.uniform(0.6, 1.2, (len(outline), 1)) * radius + centre
        draw.polygon(canvas, outline + light.towards() * 0.6 * unit, draw.shade(colour, 1.3))
        draw.polygon(canvas, outline, tint)
        centre = centre + rng.normal(0, radius, 2)
        radius *= rng.uniform(0.4, 0.9)


def pen(rng, canvas, unit, light, colour):
    """Writing and lines of a marker: crooked as a crack, but round, even and of strokes."""
    tint = draw.vary(rng, [(20, 20, 24), (200, 30, 30), (30, 50, 150), (240, 240, 240)][rng.integers(4)], 6)
    start, wide = _spot(rng, canvas), rng.uniform(0.6, 2.0) * unit
    for _ in range(rng.integers(1, 7)):
        points = _curve(rng, start, rng.uniform(5, 26) * unit, rng.uniform(0.2, 2.5), 12)
        draw.line(canvas, points, tint, wide)
        start = start + (rng.uniform(4, 12) * unit, rng.normal(0, 2) * unit)


def brushed(rng, canvas, unit, light, colour):
    """A part with the grain of a brush."""
    height, width = canvas.shape[:2]
    centre, half = _spot(rng, canvas), rng.uniform(12, 80, 2) * unit
    x0, y0 = np.maximum(centre - half, 0).astype(int)
    x1, y1 = np.minimum(centre + half, (width, height)).astype(int)
    if x1 - x0 < 8 or y1 - y0 < 8:
        return
    grain = rng.normal(0, 1, (y1 - y0, 3)).astype(np.float32)
    grain = cv2.resize(grain, (x1 - x0, y1 - y0)) * rng.uniform(4, 18)
    if rng.random() < 0.5:
        grain = cv2.resize(rng.normal(0, 1, (3, x1 - x0)).astype(np.float32), (x1 - x0, y1 - y0)) * rng.uniform(4, 18)
    metal = draw.vary(rng, draw.METALS[rng.integers(3)])
    canvas[y0:y1, x0:x1] = np.clip(metal + grain[..., None], 0, 255).astype(np.uint8)


LOOKALIKES = [brown_paint, dirt, shadow, scratches, cable, drips, flakes, pen, brushed]
