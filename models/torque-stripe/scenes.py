"""Whole pictures for training and for the thresholds: a wall with clutter, groups of bolts, corrosion and cracks.

    python scenes.py SHEET.png [SEED]      # a contact sheet with the boxes drawn in

A wall is painted or galvanised steel with beams, seams and welds. What `measure.py` counts on is drawn elsewhere
(`heldout.py`): other walls, other light, other clutter.
"""

import multiprocessing
import os

import cv2
import numpy as np

import draw
import lookalikes
import surface


def layout(rng, count_most=10):
    """Places of the bolts of a group, at least 1 apart where 1 is a bolt's width."""
    kind = rng.integers(4)
    gap = rng.uniform(1.12, 2.2)
    if kind == 0:
        count = rng.integers(4, count_most + 1)
        radius = max(gap / (2 * np.sin(np.pi / count)), 1.0)
        return draw.ring(radius, count, rng.uniform(0, np.pi)), True
    if kind == 1:
        rows, columns = rng.integers(1, 3), rng.integers(2, 6)
        grid = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), -1).reshape(-1, 2).astype(np.float64)
        return (grid - grid.mean(0)) * gap, False
    if kind == 2:
        return np.zeros((1, 2)), rng.random() < 0.5
    return np.array([[-gap, -gap], [gap, -gap], [gap, gap], [-gap, gap]]) * rng.uniform(0.55, 0.9), False


def group(rng, canvas, unit, view, light, boxes, diameter=draw.DIAMETER, paints=draw.PAINTS, style_of=draw.BoltStyle.random):
    """One group of like bolts on a plate of its own or on the wall, where there is room."""
    height, width = canvas.shape[:2]
    size = np.exp(rng.uniform(np.log(diameter[0]), np.log(diameter[1]))) * unit
    places, round_ = layout(rng)
    # One of its bolts is in the picture, the others may be cut off.
    centre = rng.uniform(0.04, 0.96, 2) * (width, height) - view @ places[rng.integers(len(places))] * size
    centres = centre + places @ view.T * size
    half = np.abs(places).max(0) * size + size * rng.uniform(0.7, 1.2)
    reach = np.abs(half).max() * 1.1
    if any(np.linalg.norm([(b[0] + b[2]) / 2 - centre[0], (b[1] + b[3]) / 2 - centre[1]]) < reach + (b[2] - b[0]) for b in boxes):
        return
    ground = draw.vary(rng, paints[rng.integers(len(paints))])
    if rng.random() < 0.75:
        draw.plate(rng, canvas, centre, half, view, ground, light, round_)
    style = style_of(rng, ground)
    outer = style.washer or 1.0
    for place in centres:
        state = rng.choice(3, p=(0.36, 0.36, 0.28))
        wobble = 1 + rng.normal(0, 0.015)
        box, stripe = draw.bolt(rng, canvas, place, size / 2 / outer * wobble, style, state, view, light)
        share = visible(box, width, height)
        if share > 0:
            boxes.append([*clipped(box, width, height), state if share > 0.9 else draw.IGNORED, *stripe])


def clipped(box, width, height):
    return [max(box[0], 0), max(box[1], 0), min(box[2], width), min(box[3], height)]


def visible(box, width, height):
    """The share of a box that is inside the picture."""
    left, top, right, bottom = clipped(box, width, height)
    return max(0, right - left) * max(0, bottom - top) / max((box[2] - box[0]) * (box[3] - box[1]), 1e-9)


class Surfaces:
    """Puts corrosion and cracks where there is room: on what is plain, and not on one another."""

    def __init__(self, rng, canvas, unit, busy, bolts, lines, rust=surface.corrosion, split=surface.crack):
        self.rng, self.canvas, self.unit, self.busy, self.lines = rng, canvas, unit, busy, lines
        self.bolts = [b[:4] for b in bolts]
        self.boxes, self.rust, self.split = [], rust, split

    def free(self, box, on_bolts=False):
        """Whether a box is mostly in the picture, mostly on what is plain, and on nothing else that is counted."""
        height, width = self.canvas.shape[:2]
        if visible(box, width, height) < 0.6:
            return False
        gap = 5 * self.unit
        others = [b[:4] for b in self.boxes] + ([] if on_bolts else self.bolts)
        if any(box[0] - gap < b[2] and box[2] + gap > b[0] and box[1] - gap < b[3] and box[3] + gap > b[1] for b in others):
            return False
        x0, y0, x1, y1 = [int(v) for v in clipped(box, width, height)]
        return self.busy[y0:y1 + 1, x0:x1 + 1].mean() < 0.2

    def add(self, box, class_id):
        height, width = self.canvas.shape[:2]
        if box is not None:
            state = class_id if visible(box, width, height) > 0.6 else draw.IGNORED_SURFACE
            self.boxes.append([*clipped(box, width, height), state, *[0.0] * 6])

    def anywhere(self):
        """A spot and a direction: on a seam or weld, or anywhere."""
        height, width = self.canvas.shape[:2]
        if self.lines and self.rng.random() < 0.5:
            a, b = self.lines[self.rng.integers(len(self.lines))]
            share = self.rng.uniform(0, 1, 40)[:, None]
            spots = a + (b - a) * share
            inside = spots[((spots > 0) & (spots < (width, height))).all(1)]
            if len(inside):
                return inside[0], np.arctan2(*(b - a)[::-1]), True
        return self.rng.uniform(0.02, 0.98, 2) * (width, height), self.rng.uniform(0, np.pi), False

    def corrosion(self):
        rng, unit = self.rng, self.unit
        if self.bolts and rng.random() < 0.18:  # around a bolt
            left, top, right, bottom = self.bolts[rng.integers(len(self.bolts))]
            centre, half = ((left + right) / 2, (top + bottom) / 2), ((right - left) / 2, (bottom - top) / 2)
            radius = max(half) * rng.uniform(1.3, 1.9)
            around = [centre[0] - radius, centre[1] - radius, centre[0] + radius, centre[1] + radius]
            gap = [b for b in self.bolts if b[0] != left and b[0] < around[2] and b[2] > around[0] and b[1] < around[3] and b[3] > around[1]]
            if not gap and self.free(around, True):
                self.add(self.rust(rng, self.canvas, unit, centre, radius, angle=0.0, hole=(centre, *half)), draw.CORROSION)
            return
        for _ in range(6):
            radius = np.exp(rng.uniform(np.log(8), np.log(52))) * unit
            centre, angle, on_line = self.anywhere()
            if self.free([centre[0] - radius, centre[1] - radius, centre[0] + radius, centre[1] + radius]):
                kind = "seam" if on_line and rng.random() < 0.6 else None
                self.add(self.rust(rng, self.canvas, unit, centre, radius, kind, angle), draw.CORROSION)
                return

    def crack(self):
        rng, unit = self.rng, self.unit
        for _ in range(6):
            length = np.exp(rng.uniform(np.log(16), np.log(100))) * unit
            start, along, on_line = self.anywhere()
            angle = along + rng.normal(0, 0.15) if on_line and rng.random() < 0.5 else rng.uniform(0, 2 * np.pi)
            if self.bolts and rng.random() < 0.25:  # from the hole of a bolt outwards
                left, top, right, bottom = self.bolts[rng.integers(len(self.bolts))]
                out = np.array([np.cos(angle), np.sin(angle)])
                start = np.array([(left + right) / 2, (top + bottom) / 2]) + out * (right - left + bottom - top) * 0.3
            end = np.asarray(start) + length * np.array([np.cos(angle), np.sin(angle)])
            if self.free(surface.crack_box(np.array([start, end]), unit), True) and not self.crosses(start, end):
                self.add(self.split(rng, self.canvas, unit, start, angle, length), draw.CRACK)
                return

    def crosses(self, start, end):
        """Whether the way leads over a bolt."""
        spots = start + (end - start) * np.linspace(0, 1.15, 12)[:, None]
        return any(((spots > b[:2]) & (spots < b[2:])).all(1).any() for b in np.array(self.bolts).reshape(-1, 2, 2).reshape(-1, 4))


def scene(rng, width, height, unit, bolts=True, diameter=draw.DIAMETER, defects=True):
    """A wall of `width` x `height` px. Gives the picture (RGB, uint8) and its boxes:
    left, top, right, bottom, class, and where the stripe points (see `draw.bolt`; zeros for a surface).
    """
    light = draw.Light.random(rng)
    palette = draw.METALS if rng.random() < 0.3 else draw.PAINTS
    colour = draw.vary(rng, palette[rng.integers(len(palette))])
    canvas = np.empty((height, width, 3), np.uint8)
    canvas[:] = colour
    for _ in range(rng.integers(0, 4)):
        draw.beams(rng, canvas, unit, light, colour)
    lines = [surface.seam(rng, canvas, unit, colour) for _ in range(rng.integers(0, 3))]
    draw.texture(rng, canvas)
    plain = canvas.copy()
    for _ in range(rng.integers(0, 4) if bolts else rng.integers(1, 7)):
        draw.CLUTTER[rng.integers(len(draw.CLUTTER))](rng, canvas, unit, light, colour)
    for _ in range(rng.integers(0, 5)):
        lookalikes.LOOKALIKES[rng.integers(len(lookalikes.LOOKALIKES))](rng, canvas, unit, light, colour)
    busy = np.abs(canvas.astype(np.int16) - plain).max(-1) > 24
    boxes = []
    if bolts:
        view = draw.view_of(rng)
        for _ in range(rng.integers(1, 4)):
            group(rng, canvas, unit, view, light, boxes, diameter)
    if defects:
        surfaces = Surfaces(rng, canvas, unit, busy, boxes, lines)
        for _ in range(rng.choice(4, p=(0.25, 0.35, 0.25, 0.15))):
            surfaces.corrosion()
        for _ in range(rng.choice(4, p=(0.25, 0.35, 0.25, 0.15))):
            surfaces.crack()
        boxes += surfaces.boxes
    if rng.random() < 0.12:
        lookalikes.shadow(rng, canvas, unit, light, colour)
    return canvas, np.array(boxes, np.float64).reshape(-1, 11)


def photograph(seed, width, height, unit):
    """A drawn picture and its boxes, of a seed alone."""
    rng = np.random.default_rng(seed)
    canvas, boxes = scene(rng, width, height, unit, rng.random() < 0.75, defects=rng.random() < 0.72)
    return draw.Camera.random(rng).take(rng, canvas, unit), boxes


def drawn(make, seeds):
    """What `make` gives for each seed, in their order, drawn by as many processes as there are cores."""
    with multiprocessing.get_context("spawn").Pool(os.cpu_count(), cv2.setNumThreads, (1,)) as drawers:
        yield from drawers.imap(make, seeds, 5)


def sheet(path, seed, make=photograph, rows=3, columns=3):
    """A contact sheet with the boxes drawn in, for a look."""
    tiles = []
    for index in range(rows * columns):
        picture, boxes = make(seed + index, 640, 640, 3.08)
        for left, top, right, bottom, state, *_ in boxes:
            colour = [(0, 255, 0), (255, 160, 0), (255, 0, 0), (255, 0, 255), (0, 255, 255), (128, 128, 128), (255, 255, 255)][int(state)]
            cv2.rectangle(picture, (int(left) - 1, int(top) - 1), (int(right), int(bottom)), colour, 1)
        tiles.append(picture)
    whole = np.vstack([np.hstack(tiles[r * columns:(r + 1) * columns]) for r in range(rows)])
    cv2.imwrite(path, whole[..., ::-1])


if __name__ == "__main__":
    import sys

    sheet(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 0)
