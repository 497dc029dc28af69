"""Draws the parts that `fieldeye-agent model learn` is measured on: good ones, and the same with one thing wrong.

    python parts.py --out DIR [--kinds flange,weld,panel,plate] [--learn 40] [--good 40] [--bad 40] [--size 1280x720]
                   [--loose]

Nothing here is a photograph. Each kind is one part that is pictured many times by hand: shifted, turned and zoomed a
little, in other light, with other grain, dust, blur, noise and compression. DIR/KIND/learn holds the good pictures to
learn from, DIR/KIND/good others that are good, DIR/KIND/bad those with one defect, named after it. A picture follows
from its seed alone.
"""

import argparse
import pathlib
import sys

import cv2
import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "torque-stripe"))
from draw import blend, line, polygon, ring, shade, soft_noise  # noqa: E402

WIDTH, HEIGHT = 1280, 720
LIGHT = np.array([-0.5, -0.8])  # where light comes from
DARK = (10, 10, 12)


def ground(rng, colour, grain):
    """A painted or bare surface, with the cloudiness that every specimen has differently."""
    canvas = np.empty((HEIGHT, WIDTH, 3), np.float32)
    canvas[:] = colour
    clouds = soft_noise(rng, HEIGHT, WIDTH, 260) * 5 + soft_noise(rng, HEIGHT, WIDTH, 24) * grain
    return np.clip(canvas + clouds[..., None], 0, 255).astype(np.uint8)


def disc(canvas, centre, radius, colour, rim=0.7):
    """A round thing that stands up a little."""
    centre = np.asarray(centre, np.float64)
    blend(canvas, ring(radius * 1.05) + centre - LIGHT * radius * 0.14, DARK, 0.4)
    polygon(canvas, ring(radius) + centre, shade(colour, rim))
    polygon(canvas, ring(radius * 0.93) + centre + LIGHT * radius * 0.03, colour)


def hexagon(rng, canvas, centre, radius, colour):
    """A bolt on its washer. How far it was turned is another on each specimen."""
    centre = np.asarray(centre, np.float64)
    disc(canvas, centre, radius * 1.35, (150, 153, 157))
    turn = rng.uniform(0, np.pi / 3)
    blend(canvas, ring(radius * 1.04, 6, turn) + centre - LIGHT * radius * 0.12, DARK, 0.5)
    polygon(canvas, ring(radius, 6, turn) + centre, shade(colour, 0.78))
    polygon(canvas, ring(radius * 0.8) + centre + LIGHT * radius * 0.04, colour)
    blend(canvas, ring(radius * 0.2, 16) + centre + LIGHT * radius * 0.35, (255, 255, 255), 0.35)


def hole(canvas, centre, radius):
    centre = np.asarray(centre, np.float64)
    polygon(canvas, ring(radius) + centre, (34, 32, 32))
    polygon(canvas, ring(radius * 0.86) + centre - LIGHT * radius * 0.1, (14, 13, 13))


# --- parts: each draws itself, leaves out or discolours one of its pieces, and says where a defect may be put -----------


def flange(rng, spoil):
    canvas = ground(rng, (86, 98, 104), 2.0)
    polygon(canvas, [(0, 610), (WIDTH, 610), (WIDTH, HEIGHT), (0, HEIGHT)], (60, 64, 70))
    line(canvas, [(0, 612), (WIDTH, 612)], (120, 126, 130), 4)
    middle = np.array([640.0, 350.0])
    disc(canvas, middle, 285, (132, 138, 142))
    disc(canvas, middle, 118, (104, 110, 116))
    polygon(canvas, ring(84) + middle, (46, 48, 52))
    for index in range(8):
        angle = 2 * np.pi * index / 8 + 0.2
        centre = middle + 202 * np.array([np.cos(angle), np.sin(angle)])
        if spoil == ("missing", index):
            hole(canvas, centre, 25)
        else:
            colour = (176, 104, 52) if spoil == ("colour", index) else (188, 190, 194)
            hexagon(rng, canvas, centre, 36, colour)
    angle = rng.uniform(0, 2 * np.pi)
    radius = rng.choice([rng.uniform(90, 150), rng.uniform(255, 275)])
    return canvas, middle + radius * np.array([np.cos(angle), np.sin(angle)])


def weld(rng, spoil):
    canvas = ground(rng, (140, 144, 148), 3.0)
    brushed = rng.normal(0, 2.2, (HEIGHT, 1, 1)).astype(np.float32)
    canvas[:] = np.clip(canvas + brushed, 0, 255).astype(np.uint8)
    for offset, alpha in ((88, 0.16), (64, 0.2), (50, 0.25)):  # the heat-affected zone
        blend(canvas, [(0, 360 - offset), (WIDTH, 360 - offset), (WIDTH, 360 + offset), (0, 360 + offset)], (96, 84, 88), alpha)
    x, index = -30.0, 0
    while x < WIDTH + 30:
        half = 36 + rng.normal(0, 1.5)
        y = 360 + rng.normal(0, 1.2)
        if spoil == ("missing", index):  # the bead is interrupted
            polygon(canvas, ring(1.0) * (34, 15) + (x + 20, y), (40, 38, 38))
            x += 40
        else:
            tint = (176, 120, 70) if spoil and spoil[0] == "colour" and spoil[1] <= index < spoil[1] + 4 else (168, 168, 172)
            polygon(canvas, ring(1.0) * (20, half) + (x, y), shade(tint, 0.62))
            polygon(canvas, ring(1.0) * (17, half * 0.92) + (x - 2, y - 2), shade(tint, rng.uniform(0.92, 1.0)))
        x += 13 + rng.normal(0, 1)
        index += 1
    return canvas, np.array([rng.uniform(200, 1080), rng.choice([360, rng.uniform(120, 600)])])


def dial(rng, canvas, centre, radius):
    centre = np.asarray(centre, np.float64)
    disc(canvas, centre, radius * 1.14, (70, 72, 76))
    polygon(canvas, ring(radius) + centre, (232, 232, 226))
    for angle in np.linspace(-3.9, 0.8, 11):
        ends = np.array([0.78, 0.92])[:, None] * (np.cos(angle), np.sin(angle)) * radius + centre
        line(canvas, ends, (24, 24, 24), radius * 0.045)
    angle = rng.uniform(-2.6, -0.9)
    line(canvas, np.array([-0.15, 0.7])[:, None] * (np.cos(angle), np.sin(angle)) * radius + centre, (170, 30, 30), radius * 0.07)
    polygon(canvas, ring(radius * 0.11, 16) + centre, (40, 40, 40))


def panel(rng, spoil):
    canvas = ground(rng, (58, 92, 112), 1.5)
    polygon(canvas, [(110, 70), (1170, 70), (1170, 650), (110, 650)], (50, 56, 60))
    polygon(canvas, [(122, 82), (1158, 82), (1158, 638), (122, 638)], (178, 180, 174))
    for x in (330, 640, 950):
        dial(rng, canvas, (x, 250), 112)
    for index, x in enumerate(np.linspace(260, 1020, 6)):
        if spoil == ("missing", index):
            hole(canvas, (x, 470), 24)
            continue
        colour = (44, 150, 64) if index < 3 else (214, 164, 36)
        if spoil == ("colour", index):
            colour = (190, 40, 150)
        disc(canvas, (x, 470), 34, (90, 92, 96))
        disc(canvas, (x, 470), 25, colour, 0.8)
        blend(canvas, ring(7, 16) + (x, 470) + LIGHT * 9, (255, 255, 255), 0.6)
    for x in (330, 640, 950):
        polygon(canvas, [(x - 80, 550), (x + 80, 550), (x + 80, 590), (x - 80, 590)], (232, 206, 60))
        cv2.putText(canvas, f"P-{int(x)}", (x - 60, 581), cv2.FONT_HERSHEY_SIMPLEX, 1.0, (20, 20, 20), 2, cv2.LINE_AA)
    return canvas, np.array([rng.uniform(180, 1100), rng.uniform(130, 600)])


def plate(rng, spoil):
    canvas = ground(rng, (70, 74, 80), 3.0)
    polygon(canvas, [(90, 60), (1190, 60), (1190, 660), (90, 660)], (90, 24, 22))
    polygon(canvas, [(96, 66), (1184, 66), (1184, 654), (96, 654)], (168, 44, 40))
    part = canvas[66:654, 96:1184]
    part[:] = np.clip(part + (soft_noise(rng, *part.shape[:2], 90) * 6)[..., None], 0, 255).astype(np.uint8)
    for index, x in enumerate(np.arange(150, 1150, 72)):
        polygon(canvas, [(x, 560), (x + 36, 560), (x + 66, 610), (x + 30, 610)], (226, 190, 44))
    polygon(canvas, [(460, 300), (820, 300), (820, 420), (460, 420)], (228, 228, 222))
    cv2.putText(canvas, "FE-20 kN", (486, 382), cv2.FONT_HERSHEY_SIMPLEX, 2.0, (26, 26, 28), 5, cv2.LINE_AA)
    places = [(x, y) for y in (112, 510) for x in np.linspace(150, 1130, 9)]
    for index, centre in enumerate(places):
        if spoil == ("missing", index):
            hole(canvas, centre, 15)
        else:
            disc(canvas, centre, 20, (60, 150, 190) if spoil == ("colour", index) else (190, 176, 168))
            blend(canvas, ring(6, 16) + centre + LIGHT * 7, (255, 255, 255), 0.5)
    return canvas, np.array([rng.uniform(160, 1120), rng.uniform(140, 600)])


# Pieces that can be missing or have the wrong colour: from, to.
KINDS = {"flange": (flange, (0, 8)), "weld": (weld, (20, 80)), "panel": (panel, (0, 6)), "plate": (plate, (0, 18))}


# --- defects that lie on the part ------------------------------------------------------------------------------------


def wander(rng, start, steps, step, bend):
    angle = rng.uniform(0, 2 * np.pi)
    points = [np.asarray(start, np.float64)]
    for _ in range(steps):
        angle += rng.normal(0, bend)
        points.append(points[-1] + step * rng.uniform(0.6, 1.4) * np.array([np.cos(angle), np.sin(angle)]))
    return np.array(points) - np.mean(points, 0) + start


# `much` is from 0.6, seen at a second look, to 1, plain: it shrinks lengths and lets the part shine through.


def scratch(rng, canvas, at, much):
    path = wander(rng, at, 6, rng.uniform(22, 34) * much, 0.12)
    over = canvas.copy()
    line(over, path + (1, 2), shade(DARK, 3), 3.5 * much)
    line(over, path, (214, 214, 210), 4 * much)
    cv2.addWeighted(over, much, canvas, 1 - much, 0, canvas)


def crack(rng, canvas, at, much):
    path = wander(rng, at, 12, rng.uniform(12, 16) * much, 0.7)
    line(canvas, path, (22, 20, 20), 5 * much)
    line(canvas, wander(rng, path[6], 5, 9 * much, 0.6), (30, 28, 28), 2)


def blotch(rng, canvas, at, size, colour, most):
    """A spot with a ragged edge: noise over a soft round window."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    away = np.hypot((x - at[0]) / size[0], (y - at[1]) / size[1])
    cover = np.clip((1.15 - away) * 2.2 + soft_noise(rng, HEIGHT, WIDTH, 11) * 1.1, 0, 1)[..., None] * most
    cover *= (away < 1.5)[..., None]
    canvas[:] = (canvas * (1 - cover) + np.array(colour, np.float32) * cover).astype(np.uint8)


def rust(rng, canvas, at, much):
    blotch(rng, canvas, at, rng.uniform(24, 46, 2) * much, (122, 66, 30), 0.85 * much)


def leak(rng, canvas, at, much):
    size = np.array([rng.uniform(16, 26), rng.uniform(60, 90)]) * much
    blotch(rng, canvas, at + (0, size[1] * 0.6), size, (36, 30, 22), 0.7 * much)


def dent(rng, canvas, at, much):
    """A hollow: dark towards the light, bright on the far side, colours as they are."""
    radius = rng.uniform(34, 48) * much
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    dx, dy = (x - at[0]) / radius, (y - at[1]) / radius
    slope = (dx * LIGHT[0] + dy * LIGHT[1]) * np.exp(-(dx * dx + dy * dy)) * 1.1 * much
    canvas[:] = np.clip(canvas * (1 - slope)[..., None], 0, 255).astype(np.uint8)


def foreign(rng, canvas, at, much):
    """Something left behind: a rag, a nut, a piece of tape."""
    kind = rng.integers(3)
    if kind == 0:
        polygon(canvas, ring(1, 9) * rng.uniform(0.7, 1.2, (9, 1)) * 40 * much + at, (60, 96, 170))
    elif kind == 1:
        hexagon(rng, canvas, at, 26 * much, (196, 164, 80))
        polygon(canvas, ring(9 * much) + at, (30, 30, 30))
    else:
        along = rng.normal(0, 1, 2)
        along *= 60 * much / np.linalg.norm(along)
        across = np.array([-along[1], along[0]]) * 0.3
        polygon(canvas, [at - along - across, at + along - across, at + along + across, at - along + across], (226, 226, 214))


DEFECTS = {"scratch": scratch, "crack": crack, "rust": rust, "leak": leak, "dent": dent, "foreign": foreign}
NAMES = ["missing", "colour", *DEFECTS]


def take(rng, canvas, size, loose):
    """Pictures it: pose (from a rest, or `loose`ly by hand), light, blur, noise."""
    turn, zoom = rng.normal(0, 1.3), rng.uniform(0.96, 1.05)
    shift = rng.normal(0, 9, 2)
    if loose:
        turn, zoom, shift = turn * 4, zoom + rng.uniform(-0.1, 0.15), shift * 4
    matrix = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), turn, zoom)
    matrix[:, 2] += shift
    picture = cv2.warpAffine(canvas, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.4, 1.3))
    values = picture.astype(np.float32) / 255
    values = values ** rng.uniform(0.9, 1.12) * (rng.uniform(0.8, 1.15) * rng.uniform(0.97, 1.03, 3)).astype(np.float32)
    y, x = np.mgrid[-1:1:HEIGHT * 1j, -1:1:WIDTH * 1j].astype(np.float32)
    tilt = rng.normal(0, 0.06, 2)
    values *= (1 + x * tilt[0] + y * tilt[1] - rng.uniform(0, 0.15) * (x * x + y * y) / 2).astype(np.float32)[..., None]
    values = values * 255 + rng.standard_normal(values.shape, dtype=np.float32) * rng.uniform(1, 5)
    picture = np.clip(values, 0, 255).astype(np.uint8)
    return picture if size == (WIDTH, HEIGHT) else cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def draw(kind, seed, defect=None, size=(WIDTH, HEIGHT), loose=False):
    """A picture (RGB, uint8) of a part, with one defect of `NAMES` or none."""
    rng = np.random.default_rng([list(KINDS).index(kind), seed, 0 if defect is None else 1 + NAMES.index(defect)])
    part, (first, last) = KINDS[kind]
    spoil = (defect, int(rng.integers(first, last))) if defect in ("missing", "colour") else None
    canvas, at = part(rng, spoil)
    if defect in DEFECTS:
        DEFECTS[defect](rng, canvas, at, rng.uniform(0.6, 1.0))
    return take(rng, canvas, size, loose)


def save(path, picture, quality):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(quality)])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--learn", type=int, default=40)
    parser.add_argument("--good", type=int, default=40)
    parser.add_argument("--bad", type=int, default=40)
    parser.add_argument("--size", default=f"{WIDTH}x{HEIGHT}")
    parser.add_argument("--quality", type=int, help="of the JPEG files; otherwise 70 to 95, another each time")
    parser.add_argument("--loose", action="store_true", help="four times as much shift and turn, and more zoom")
    arguments = parser.parse_args()
    size = tuple(int(side) for side in arguments.size.split("x"))
    for kind in arguments.kinds.split(","):
        folder = arguments.out / kind
        qualities = np.random.default_rng(1)
        quality = lambda: arguments.quality or qualities.integers(70, 96)  # noqa: E731
        for seed in range(arguments.learn):
            save(folder / "learn" / f"{seed:04}.jpg", draw(kind, seed, None, size, arguments.loose), quality())
        for seed in range(100_000, 100_000 + arguments.good):
            save(folder / "good" / f"{seed}.jpg", draw(kind, seed, None, size, arguments.loose), quality())
        for index in range(arguments.bad):
            defect = NAMES[index % len(NAMES)]
            save(folder / "bad" / f"{defect}-{index:04}.jpg", draw(kind, 200_000 + index, defect, size, arguments.loose), quality())


if __name__ == "__main__":
    main()
