#!/usr/bin/env python3
"""Renders the clip on which a plain script and this program find the same: a camera on a tripod head.

    same_answer.py FILE.mp4

The lift hill of the demo (`deploy/demo/render.py`), filmed there and back: perfectly still at every group of bolts, smooth
pans between them, no noise and no trembling, so that grey differences are enough to find the pauses. 1280 x 720, 30 frames/s,
H.264. Needs numpy, opencv-python-headless and the program ffmpeg.
"""
import pathlib
import subprocess
import sys

import cv2
import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "deploy" / "demo"))
import render  # noqa: E402

WIDTH, HEIGHT, FPS = 1280, 720, 30
HOLD_S, WALK_S = 2.5, 2.0


def path():
    """Centre of the picture in the world for every frame."""
    stops = [np.array(stop[:2], float) for stop in render.STOPS]
    stops = stops + stops[-2::-1]
    places = [stops[0] - (260.0, 0.0)]
    for stop in stops + [stops[-1] - (260.0, 0.0)]:
        here = places[-1]
        for step in np.linspace(0, 1, int(WALK_S * FPS))[1:]:
            places.append(here + (stop - here) * (0.5 - 0.5 * np.cos(np.pi * step)))
        if np.allclose(stop, stops[0] - (260.0, 0.0)):
            break
        places += [stop] * int(HOLD_S * FPS)
    return places


def main():
    world, _ = render.world(np.random.default_rng(render.SEED))
    command = ["ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{WIDTH}x{HEIGHT}", "-r", str(FPS), "-i", "-",
               "-c:v", "libx264", "-preset", "medium", "-crf", "20", "-g", "60", "-pix_fmt", "yuv420p", "-movflags", "+faststart", sys.argv[1]]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as encoder:
        for x, y in path():
            frame = cv2.getRectSubPix(world, (WIDTH, HEIGHT), (float(x), float(y)))
            encoder.stdin.write(np.ascontiguousarray(frame).tobytes())
        encoder.stdin.close()
        if encoder.wait() != 0:
            sys.exit("ffmpeg failed")


if __name__ == "__main__":
    main()
