#!/usr/bin/env python3
"""Renders long inspection walks with the truth beside them, for measuring the speed of whole recordings.

    long_walk.py --out DIR [--minutes 10] [--seed 1] [--only crf30,cbr30] [--jobs 2] [--takes 12] [--keep-takes]

Needs numpy, opencv-python-headless and the program ffmpeg. A walk is a chain of takes of most of a minute, each with its own
world, camera and light, made by tests/clips/pauses/gen.py (some two minutes a take on one core). They are encoded as one
recording, several times; each encoding gets a folder DIR/ENCODING with walkSEED.mp4 and walkSEED.json, the truth in the
format that score.py of the labelled clips reads. With fewer --takes than the minutes need, the chain is repeated: that is as
good for speed, and less for counting what is found.

A take: one or two pauses of 1.2 to 8 s (in some, something moves in front of the camera, or the exposure hunts) with walking,
panning, stepping nearer and slow scans around them, and in some a hesitation of 0.3 to 0.6 s. In one take of ten the
camera is put down.
"""
import argparse
import concurrent.futures
import json
import pathlib
import shutil
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


def sequence(rng, number):
    """Segment letters of gen.py for one take."""
    def walk():
        return "".join(rng.choice(list("WWWN"), int(rng.integers(3, 6))))

    hold = "I" if number % 10 == 9 else str(rng.choice(list("PPPPPOE")))
    hesitation = "HN" if rng.random() < 0.4 else ""
    scan = "S" if rng.random() < 0.2 else "A"
    return "W" + walk() + hesitation + hold + walk() + scan + str(rng.choice(list("PPPO"))) + walk()


def take(seed, number, out):
    """Renders one take, if it is not there, and gives its truth."""
    rng = np.random.default_rng(1000 * seed + number)
    durations = {"P": (1.2, 8.0), "O": (3.5, 6.0), "W": (2.5, 6.0)}
    _, spec = gen.C("take", "m", 30, sequence(rng, number), "walk", seed=1000 * seed + number, set="walk", dur=durations,
                    crf=15, kbps=100_000, preset="ultrafast")
    name = f"take{seed}-{number:02d}"
    path = out / (name + ".json")
    if not path.exists():
        gen.render(name, spec, str(out))
    return json.loads(path.read_text())


def chain(truths, name):
    """The truth of takes played one after the other."""
    whole = {"clip": name + ".mp4", "set": "walk", "fps": 30, "vfr": False, "width": 1280, "height": 720, "rotation": 0,
             "frames": 0, "duration_s": 0.0}
    spans = ("pauses", "idle", "hesitations", "segments")
    whole.update({kind: [] for kind in spans})
    for truth in truths:
        offset = whole["frames"] / 30
        for kind in spans:
            for span in truth[kind]:
                moved = {"start_s": round(span["start_s"] + offset, 3), "end_s": round(span["end_s"] + offset, 3)}
                whole[kind].append(dict(span, **moved))
        whole["frames"] += truth["frames"]
    whole["duration_s"] = round(whole["frames"] / 30, 3)
    return whole


def encode(listed, truth, encoding, out, repeat):
    """One encoding of the takes in the list `listed`, played `repeat` times, with the truth of that."""
    folder = out / encoding
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / truth["clip"]
    once = target.with_suffix(".once.mp4")
    quiet = ["ffmpeg", "-v", "error", "-y", "-f", "concat", "-safe", "0"]
    exact = ["-map_metadata", "-1", "-fflags", "+bitexact", "-movflags", "+faststart"]
    subprocess.run([*quiet, "-i", str(listed), *ENCODINGS[encoding], "-pix_fmt", "yuv420p", *exact, str(once)], check=True)
    again = once.with_suffix(".txt")
    again.write_text(f"file '{once.resolve()}'\n" * repeat)
    subprocess.run([*quiet, "-i", str(again), "-c", "copy", *exact, str(target)], check=True)
    once.unlink()
    again.unlink()
    target.with_suffix(".json").write_text(json.dumps(dict(truth, tags=[encoding]), indent=1))
    print(f"{target}: {target.stat().st_size / 1e6:.0f} MB, {len(truth['pauses'])} pauses", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", required=True, type=pathlib.Path)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--takes", type=int, default=1000, help="most takes rendered; then they are repeated")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--only", help="encodings, by comma: " + ",".join(ENCODINGS))
    parser.add_argument("--keep-takes", action="store_true", help="leave the rendered takes for other encodings")
    arguments = parser.parse_args()
    rendered = arguments.out / "takes"
    rendered.mkdir(parents=True, exist_ok=True)
    name = f"walk{arguments.seed}"
    number = min(arguments.takes, max(1, round(arguments.minutes * 60 / 50)))
    with concurrent.futures.ProcessPoolExecutor(arguments.jobs) as pool:
        truths = list(pool.map(take, [arguments.seed] * number, range(number), [rendered] * number))
    repeat = max(1, round(arguments.minutes * 1800 / sum(truth["frames"] for truth in truths)))
    listed = rendered / (name + ".txt")
    listed.write_text("".join(f"file '{(rendered / truth['clip']).resolve()}'\n" for truth in truths))
    for encoding in arguments.only.split(",") if arguments.only else ENCODINGS:
        encode(listed, chain(truths * repeat, name), encoding, arguments.out, repeat)
    if not arguments.keep_takes:
        shutil.rmtree(rendered)


if __name__ == "__main__":
    main()
