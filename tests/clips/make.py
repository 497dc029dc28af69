#!/usr/bin/env python3
"""Makes the small clips of the tests beside it.

    make.py            needs numpy and the program ffmpeg

- turned.mp4       variable frame rate, stored lying and shown upright (rotated by 90 degrees); a red rectangle on a
                   grey wall comes into the picture, is held for three seconds, and leaves
- restless.mp4     a camera that never stops
- sound.mp4        a tone, no video
- with-sound.mp4   index-first.mp4 with a tone beside it
- index-first.mp4  like turned.mp4 but not turned, with its index (moov) before its pictures
- key-frames.mp4   a walk of 15 s with holds from 4 to 7 and from 10 to 12.2 s, and a key frame every second
- chapters/        key-frames.mp4 as a camera splits it that begins a new file at 5 and at 11 s, while it is held
"""
import pathlib
import struct
import subprocess

import numpy as np

WIDTH, HEIGHT = 320, 180
RED = (150, 60, 70, 40)  # x, y, width, height in the stored picture while held
here = pathlib.Path(__file__).parent
random = np.random.default_rng(7)


def wall():
    """A grey wall with texture, larger than any picture of it."""
    h, w = HEIGHT * 5, WIDTH * 5
    out = np.zeros((h, w))
    for cell, weight in ((4, 18), (12, 30), (40, 45)):
        small = random.normal(0, weight, (h // cell + 2, w // cell + 2))
        out += np.kron(small, np.ones((cell, cell)))[:h, :w]
    return np.clip(128 + out, 30, 225).astype(np.uint8)


WALL = wall()


def picture(dx, dy, red):
    """What the camera sees when it points (dx, dy) pixels away from where it is held."""
    x, y = WIDTH * 2 + round(dx), HEIGHT * 2 + round(dy)
    grey = WALL[y:y + HEIGHT, x:x + WIDTH]
    out = np.repeat(grey[:, :, None], 3, axis=2).copy()
    if red:
        left, top = RED[0] - round(dx), RED[1] - round(dy)
        right, bottom = left + RED[2], top + RED[3]
        out[max(top, 0):max(bottom, 0), max(left, 0):max(right, 0)] = (215, 20, 20)
    return out


def held(t):
    """Comes at 220 px/s, is held from 1.5 to 4.5 s, leaves."""
    return (-220 * max(0.0, 1.5 - t) + 220 * max(0.0, t - 4.5), 0)


def restless(t):
    return (300 * np.sin(1.3 * t), 160 * np.cos(1.9 * t))


def walked(t):
    """Goes at 150 px/s, is held from 4 to 7 and from 10 to 12.2 s."""
    turns = [(0, -600), (4, 0), (7, 0), (10, 450), (12.2, 450), (15, 30)]
    return (np.interp(t, [at for at, _ in turns], [x for _, x in turns]), 0)


def encode(name, path, length_s, red, upright=False, variable=False, extra=()):
    """Renders at 30 frames/s; with `variable`, frames are left out and the others keep their times."""
    left_out = "select='not(eq(mod(n,7),3)+eq(mod(n,7),5)+eq(mod(n,31),30))'," if variable else ""
    exact = ["-map_metadata", "-1", "-fflags", "+bitexact", "-flags:v", "+bitexact"]
    command = ["ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{WIDTH}x{HEIGHT}", "-r", "30",
               "-i", "-", "-vf", f"{left_out}format=yuv420p", "-fps_mode", "passthrough",
               "-c:v", "libx264", "-preset", "slow", "-crf", "26", "-bf", "2", *exact, *extra, str(here / name)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE)
    for n in range(int(length_s * 30)):
        process.stdin.write(picture(*path(n / 30), red).tobytes())
    process.stdin.close()
    assert process.wait() == 0
    if upright:
        turn(here / name)


def turn(path):
    """Writes a rotation by 90 degrees clockwise into the matrix of the track header: a b u, c d v, x y w."""
    data = bytearray(path.read_bytes())
    # Behind the header's version, times, id, duration, layer and volume (version 0).
    matrix = data.index(b"tkhd") + 4 + 40
    data[matrix:matrix + 36] = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, HEIGHT << 16, 0, 1 << 30)
    path.write_bytes(data)


encode("turned.mp4", held, 6, True, upright=True, variable=True)
encode("index-first.mp4", held, 6, True, extra=["-movflags", "+faststart"])
encode("key-frames.mp4", walked, 15, True, extra=["-g", "30", "-movflags", "+faststart"])
encode("restless.mp4", restless, 4, False)
subprocess.run(["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", "sine=frequency=440:duration=1", "-c:a", "aac", "-b:a",
                "24k", "-map_metadata", "-1", "-fflags", "+bitexact", str(here / "sound.mp4")], check=True)
subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", str(here / "index-first.mp4"), "-f", "lavfi", "-i",
                "sine=frequency=440:duration=6", "-c:v", "copy", "-c:a", "aac", "-b:a", "24k", "-map_metadata", "-1",
                "-fflags", "+bitexact", str(here / "with-sound.mp4")], check=True)
(here / "chapters").mkdir(exist_ok=True)
subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", str(here / "key-frames.mp4"), "-c", "copy", "-f", "segment",
                "-segment_times", "5,11", "-segment_start_number", "1", "-reset_timestamps", "1", "-map_metadata", "-1",
                "-fflags", "+bitexact", str(here / "chapters/GX%02d0042.MP4")], check=True)
