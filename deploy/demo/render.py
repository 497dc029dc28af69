"""Renders the demo clip: a helmet camera walks along a lift hill's track and stops at five groups of bolts.

    python render.py       # in the environment of models/torque-stripe/requirements.txt, with ffmpeg

Writes `lift-hill.mp4` and, beside it, `lift-hill.json`: when the camera stopped and what is wrong on the track.
The bolts are drawn with the code that draws the model's training pictures; this scene is none of those.
"""

import json
import pathlib
import subprocess
import sys

import cv2
import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "models" / "torque-stripe"))

import draw  # noqa: E402

WIDTH, HEIGHT, FPS = 1280, 720, 30
UNIT = 1280 / 416
SEED = 20_260_701
WORLD = (6200, 1500)  # px; the wall that the camera walks along

# Where the camera stops (x, y in the world, zoom) and for how long, and how long the walk to there takes.
STOPS = [(820, 800, 1.0, 2.4, 0.9), (1880, 740, 1.18, 2.6, 1.4), (3050, 690, 1.05, 2.2, 1.4), (4150, 640, 1.22, 2.6, 1.4),
         (5350, 600, 1.0, 2.0, 1.4)]
LAST_WALK_S = 0.9
# Bolts of the groups: state by place. What is not named is in order.
FAULTS = {1: {2: draw.MISSING}, 3: {4: draw.MISALIGNED}}


def world(rng):
    """The lift hill's side: sky, a box beam with rails, ties with bolted plates, a catwalk, and things that are no bolts."""
    width, height = WORLD
    light = draw.Light(-2.2, 0.8)
    canvas = np.empty((height, width, 3), np.uint8)
    sky = np.linspace(0, 1, height)[:, None] * (60, 40, 20) + (120, 160, 205)
    canvas[:] = np.clip(sky, 0, 255)[:, None]
    clouds = draw.soft_noise(rng, height, width, 420) + draw.soft_noise(rng, height, width, 110) * 0.5
    canvas[:] = np.clip(canvas + 26 * np.clip(clouds, 0, 2)[..., None], 0, 255)
    slope = lambda x, y: y - 0.055 * x  # noqa: E731  the hill goes up to the right

    def band(low, high, colour, x0=-50, x1=width + 50):
        points = [(x0, slope(x0, low)), (x1, slope(x1, low)), (x1, slope(x1, high)), (x0, slope(x0, high))]
        draw.polygon(canvas, points, colour)
        draw.line(canvas, points[:2], draw.shade(colour, 1.25), 5)
        draw.line(canvas, points[2:], draw.shade(colour, 0.55), 6)

    # Supports behind, the spine, the catwalk below.
    for x in range(250, width, 1180):
        draw.polygon(canvas, [(x, slope(x, 900)), (x + 95, slope(x, 900)), (x + 150, height + 20), (x - 60, height + 20)], (82, 96, 118))
        draw.line(canvas, [(x, slope(x, 900)), (x - 60, height)], (104, 120, 142), 6)
    band(420, 1170, (34, 82, 150))
    band(405, 470, (176, 180, 184))
    band(1135, 1180, (26, 62, 118))
    for y in range(1240, 1330, 30):
        band(y, y + 14, (120, 122, 118))
    for x in range(0, width, 46):
        draw.line(canvas, [(x, slope(x, 1240)), (x + 16, slope(x, 1330))], (98, 100, 98), 5)
    # Handrail.
    for x in range(120, width, 520):
        draw.polygon(canvas, [(x, slope(x, 1078)), (x + 16, slope(x, 1078)), (x + 16, slope(x, 1250)), (x, slope(x, 1250))], (214, 180, 40))
    band(1074, 1090, (222, 188, 44))
    draw.texture(rng, canvas, 0.6)

    # Chain and its links along the rail.
    for x in range(0, width, 74):
        y = slope(x, 440)
        draw.polygon(canvas, draw.ring(1.0, 24) * (30, 11) + (x, y), (70, 70, 72))
        draw.polygon(canvas, draw.ring(1.0, 24) * (19, 5) + (x, y), (150, 154, 158))
    # Signs, a gauge, a cable, rivets between the groups.
    sign(canvas, (1360, slope(1360, 640)), "BLOCK 3", light)
    sign(canvas, (4780, slope(4780, 650)), "LIFT 2  M-07", light)
    dial(canvas, (2480, slope(2480, 900)), 86)
    for x in range(3420, 3760, 44):
        y = slope(x, 560)
        draw.blend(canvas, draw.ring(11) + (x + 3, y + 4), (8, 10, 16), 0.4)
        draw.polygon(canvas, draw.ring(10) + (x, y), (40, 92, 162))
        draw.blend(canvas, draw.ring(3, 12) + (x - 3, y - 3), (255, 255, 255), 0.5)
    for lift in (0, 16, 30):
        curve = [(x, slope(x, 560 + lift) + 26 * np.sin(x / 260)) for x in range(0, width + 40, 40)]
        draw.line(canvas, curve, (30, 30, 34), 9)
        draw.line(canvas, np.array(curve) - (0, 3), (74, 74, 80), 2)
    for index in range(5):
        x = 620 + 30 * index
        draw.polygon(canvas, [(x, slope(x, 1090)), (x + 16, slope(x, 1090)), (x + 34, slope(x, 1050)), (x + 18, slope(x, 1050))], (236, 196, 30))

    groups, boxes = group_places(), []
    style = draw.BoltStyle(np.array([186, 188, 190.0]), np.array([250, 216, 30.0]), 1.32, np.array([170, 172, 174.0]), False,
                           False, 0.3, 0.1, 1.45, 0.25, True, False)
    for index, (stop, places, size, colour, round_) in enumerate(groups):
        x, y = STOPS[stop][:2]
        turn = np.arctan(-0.055)
        view = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ np.diag([1.0, 0.94])
        half = np.abs(places).max(0) * size + size * 0.95
        draw.plate(rng, canvas, (x, y), half, view, np.array(colour, float), light, round_)
        paint = style if index % 2 == 0 else draw.BoltStyle(**{**style.__dict__, "stripe": np.array([238, 106, 22.0])})
        for number, place in enumerate(places):
            state = FAULTS.get(stop, {}).get(number, draw.OK)
            angle = rng.uniform(0, 2 * np.pi)
            centre = np.array([x, y]) + view @ (place * size)
            box, _ = draw.bolt(rng, canvas, centre, size / 2 / style.washer, paint, state, view, light, angle, np.radians(64))
            boxes.append((state, stop, box))
    return canvas, boxes


def group_places():
    """Stop, places of its bolts, diameter in px, paint of the plate, round or not."""
    grid = lambda columns, rows, gap: np.array([((c - (columns - 1) / 2) * gap, (r - (rows - 1) / 2) * gap)  # noqa: E731
                                               for r in range(rows) for c in range(columns)])
    return [(0, grid(2, 2, 1.9), 74, (60, 106, 168), False), (1, draw.ring(1.5, 6, 0.3), 68, (150, 154, 158), True),
            (2, grid(3, 2, 1.7), 70, (60, 106, 168), False), (3, draw.ring(1.75, 8, 0.1), 62, (150, 154, 158), True),
            (4, grid(4, 1, 1.8), 78, (60, 106, 168), False)]


def sign(canvas, centre, text, light):
    half = np.array([180, 62])
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half + centre
    draw.blend(canvas, corners + 8, (8, 10, 16), 0.5)
    draw.polygon(canvas, corners, (238, 238, 230))
    draw.line(canvas, np.vstack([corners, corners[:1]]), (180, 30, 30), 8)
    origin = (int(centre[0] - half[0] * 0.86), int(centre[1] + 18))
    cv2.putText(canvas, text, origin, cv2.FONT_HERSHEY_DUPLEX, 10.5 / len(text) + 0.4, (24, 24, 28), 4, cv2.LINE_AA)


def dial(canvas, centre, radius):
    place = lambda points: np.asarray(points) * radius + centre  # noqa: E731
    draw.polygon(canvas, place(draw.ring(1.12)), (66, 68, 72))
    draw.polygon(canvas, place(draw.ring(1.0)), (236, 236, 230))
    for angle in np.linspace(-3.9, 0.8, 11):
        ends = [[r * np.cos(angle), r * np.sin(angle)] for r in (0.78, 0.92)]
        draw.line(canvas, place(ends), (24, 24, 24), 4)
    draw.line(canvas, place([[0.1, 0.1], [-0.5, -0.5]]), (200, 30, 30), 6)
    draw.polygon(canvas, place(draw.ring(0.09, 16)), (40, 40, 40))


def schedule():
    """Times at which the camera stops and goes on."""
    now, stops = 0.0, []
    for *_, stay, walk in STOPS:
        now += walk
        stops.append((now, now + stay))
        now += stay
    return stops, now + LAST_WALK_S


def ease(part):
    part = np.clip(part, 0, 1)
    return part * part * (3 - 2 * part)


class Walk:
    """Where the helmet looks: from stop to stop, with a bob in every step, and the sway and tremor of a head at rest."""

    def __init__(self, rng):
        self.stops, self.end_s = schedule()
        self.phases = rng.uniform(0, 2 * np.pi, 8)

    def pose(self, t):
        """Centre in the world, zoom, and roll in radians at a time."""
        knots = [(-1.5, np.array([STOPS[0][0] - 800, STOPS[0][1] + 120, 0.95]))]
        for (start, end), (x, y, zoom, *_) in zip(self.stops, STOPS):
            knots += [(start, np.array([x, y, zoom])), (end, np.array([x, y, zoom]))]
        knots.append((self.end_s + 0.5, np.array([STOPS[-1][0] + 560, STOPS[-1][1] - 130, 0.95])))
        place, moving = knots[-1][1], 0.0
        for (t0, a), (t1, b) in zip(knots, knots[1:]):
            if t0 <= t <= t1:
                part = (t - t0) / (t1 - t0)
                place = a + (b - a) * ease(part)
                moving = 0.0 if np.allclose(a, b) else np.sin(np.pi * part)
                break
        x, y, zoom = place
        p = self.phases
        # Two steps a second; the head sinks and rolls with them.
        x += moving * 9 * np.sin(2 * np.pi * 1.0 * t + p[0])
        y += moving * 20 * np.sin(2 * np.pi * 2.0 * t + p[1])
        roll = moving * 0.017 * np.sin(2 * np.pi * 1.0 * t + p[2])
        # Breathing and balance, and a tremor too quick and small to be a movement.
        x += 2.2 * np.sin(2 * np.pi * 0.31 * t + p[3]) + 0.5 * np.sin(2 * np.pi * 8.7 * t + p[4])
        y += 1.8 * np.sin(2 * np.pi * 0.27 * t + p[5]) + 0.5 * np.sin(2 * np.pi * 9.9 * t + p[6])
        roll += 0.0015 * np.sin(2 * np.pi * 0.23 * t + p[7])
        return x, y, zoom, roll

    def matrix(self, t):
        """From the world to the picture."""
        x, y, zoom, roll = self.pose(t)
        cos, sin = zoom * np.cos(roll), zoom * np.sin(roll)
        turn = np.array([[cos, -sin], [sin, cos]])
        shift = np.array([WIDTH / 2, HEIGHT / 2]) - turn @ np.array([x, y])
        return np.column_stack([turn, shift])


def frames(canvas, walk, rng):
    """Pictures with the blur of the movement during a 1/90 s exposure, vignette and noise."""
    y, x = np.ogrid[-1:1:HEIGHT * 1j, -1:1:WIDTH * 1j]
    fall = (1 - 0.16 * (x * x + y * y))[..., None].astype(np.float32)
    for index in range(round(walk.end_s * FPS)):
        t = index / FPS
        total = np.zeros((HEIGHT, WIDTH, 3), np.float32)
        moments = np.linspace(-0.5, 0.5, 5) / 90
        for moment in moments:
            total += cv2.warpAffine(canvas, walk.matrix(t + moment), (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR,
                                    borderMode=cv2.BORDER_REFLECT)
        gain = 1 + 0.03 * np.sin(0.5 * t)
        values = cv2.GaussianBlur(total / len(moments), (0, 0), 0.8) * fall * gain
        values += rng.standard_normal((HEIGHT, WIDTH, 1), dtype=np.float32) * 2.0
        yield np.clip(values, 0, 255).astype(np.uint8)


def truth(walk, boxes):
    """What a perfect inspector would write down."""
    defects = []
    for state, stop, (left, top, right, bottom) in boxes:
        if state == draw.OK:
            continue
        corners = np.array([[left, top, 1], [right, top, 1], [right, bottom, 1], [left, bottom, 1]])
        seen = []
        for index in range(round(walk.end_s * FPS)):
            points = corners @ walk.matrix(index / FPS).T
            if (points >= 0).all() and (points <= (WIDTH, HEIGHT)).all():
                seen.append((index / FPS, points))
        middle = sum(walk.stops[stop]) / 2
        at, points = min(seen, key=lambda s: abs(s[0] - middle))
        low, size = points.min(0), np.ptp(points, 0)
        defects.append({"type": draw.CLASSES[state], "first_s": round(seen[0][0], 3), "last_s": round(seen[-1][0], 3), "at_s": round(at, 3),
                        "bounding_box": {k: round(float(v), 1) for k, v in zip(("x", "y", "width", "height"), (*low, *size))}})
    return {"clip": "lift-hill.mp4", "width": WIDTH, "height": HEIGHT, "fps": FPS, "frames": round(walk.end_s * FPS),
            "duration_s": round(walk.end_s, 3), "pauses": [{"start_s": round(a, 3), "end_s": round(b, 3)} for a, b in walk.stops],
            "defects": defects}


def main():
    rng = np.random.default_rng(SEED)
    canvas, boxes = world(rng)
    walk = Walk(rng)
    (HERE / "lift-hill.json").write_text(json.dumps(truth(walk, boxes), indent=1) + "\n")
    colours = "bt709"
    command = ["ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{WIDTH}x{HEIGHT}", "-r", str(FPS), "-i", "-",
               "-vf", f"scale=out_color_matrix={colours}:out_range=tv,format=yuv420p", "-c:v", "libx264", "-preset", "slow", "-crf", "27",
               "-g", "60", "-threads", "1", "-colorspace", colours, "-color_primaries", colours, "-color_trc", colours, "-color_range", "tv",
               "-movflags", "+faststart", "-fflags", "+bitexact", "-flags:v", "+bitexact", str(HERE / "lift-hill.mp4")]
    encoder = subprocess.Popen(command, stdin=subprocess.PIPE)
    for frame in frames(canvas, walk, rng):
        encoder.stdin.write(frame.tobytes())
    encoder.stdin.close()
    if encoder.wait() != 0:
        sys.exit("ffmpeg failed")
    size = (HERE / "lift-hill.mp4").stat().st_size
    print(f"lift-hill.mp4: {walk.end_s:.1f} s, {size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
