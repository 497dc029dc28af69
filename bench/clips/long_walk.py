#!/usr/bin/env python3
"""Renders long inspection walks with the truth beside them, for measuring the speed of whole recordings.

    long_walk.py --out DIR [--minutes 10] [--seed 1] [--only crf30,cbr30] [--keep-master]

Needs numpy, opencv-python-headless and the program ffmpeg. A walk is rendered once (some 10 minutes on one core) and
encoded several times; each encoding gets a folder DIR/ENCODING with walkSEED.mp4 and walkSEED.json, the truth in the format
that score.py of the labelled clips reads. World, camera and light are those of tests/clips/pauses/gen.py.

A walk: pauses of 1.2 to 8 s with 8 to 20 s of walking, panning and stepping nearer between them, hesitations of 0.3 to
0.6 s, slow scans, things that move in front of a camera held still, and one span in which it was put down.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests" / "clips" / "pauses"))
import gen  # noqa: E402

X264 = ["-c:v", "libx264", "-preset", "superfast"]
CBR = ["-b:v", "4M", "-minrate", "4M", "-maxrate", "4M", "-bufsize", "4M"]
ENCODINGS = {
    "cbr30": [*X264, *CBR, "-g", "30", "-x264-params", "nal-hrd=cbr"],
    "crf30": [*X264, "-crf", "23", "-g", "30"],
    # As many cameras write: no B frames, a key frame every two seconds and nowhere else, a bounded rate.
    "cam60": [*X264, "-b:v", "6M", "-maxrate", "8M", "-bufsize", "8M", "-g", "60", "-bf", "0", "-sc_threshold", "0"],
    "hevc30": ["-c:v", "libx265", "-preset", "ultrafast", "-crf", "26", "-tag:v", "hvc1", "-x265-params",
               "keyint=30:log-level=error"],
    "gop250": [*X264, "-crf", "23"],
}


def sequence(rng, minutes):
    """Segment letters of gen.py for about so many minutes."""
    length, out, since_idle = 0.0, "W", 0.0
    mean = {"W": 2.7, "A": 1.9, "N": 1.8, "S": 3.5, "P": 4.6, "O": 4.8, "E": 4.5, "F": 3.6, "H": 0.45, "I": 33.5}
    idle_at = minutes * 60 * rng.uniform(0.4, 0.6)
    while length < minutes * 60:
        walk = "".join(rng.choice(list("WWWNNA"), int(rng.integers(3, 9))))
        if rng.random() < 0.3:
            walk += "HN"
        if rng.random() < 0.15:
            walk += "SW"
        hold = str(rng.choice(list("PPPPPPPOOEF")))
        if since_idle == 0.0 and length > idle_at:
            hold, since_idle = "I", 1.0
        part = walk + hold
        length += sum(mean[letter] for letter in part)
        out += part
    return out + "WW"


def encode(master, truth, encoding, out):
    """One encoding of the rendered walk, with its truth."""
    folder = out / encoding
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / master.name
    exact = ["-map_metadata", "-1", "-fflags", "+bitexact", "-movflags", "+faststart"]
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", str(master), *ENCODINGS[encoding], "-pix_fmt", "yuv420p", *exact,
                    str(target)], check=True)
    truth = dict(truth, tags=[encoding])
    (folder / (master.stem + ".json")).write_text(json.dumps(truth, indent=1))
    print(f"{target}: {target.stat().st_size / 1e6:.0f} MB", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", required=True, type=pathlib.Path)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", help="encodings, by comma: " + ",".join(ENCODINGS))
    parser.add_argument("--keep-master", action="store_true", help="leave the rendered walk for other encodings")
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    _, spec = gen.C("walk", "m", 30, sequence(rng, arguments.minutes), "walk moving_object", seed=arguments.seed, set="walk",
                    dur={"P": (1.2, 8.0), "O": (3.5, 6.0)}, crf=15, kbps=200_000, preset="ultrafast")
    masters = arguments.out / "master"
    masters.mkdir(parents=True, exist_ok=True)
    name = f"walk{arguments.seed}"
    master = masters / (name + ".mp4")
    if not (masters / (name + ".json")).exists():
        gen.render(name, spec, str(masters))
    truth = json.loads((masters / (name + ".json")).read_text())
    for encoding in arguments.only.split(",") if arguments.only else ENCODINGS:
        encode(master, truth, encoding, arguments.out)
    if not arguments.keep_master:
        os.remove(master)
        os.remove(masters / (name + ".json"))


if __name__ == "__main__":
    main()
