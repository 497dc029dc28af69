"""Sets the `confidence` of each class in `model.toml`, on drawn pictures that are neither those of training nor those of
`measure.py` nor the demo clip.

    python thresholds.py [--pictures 240] [--package FOLDER]

The rule: the lowest threshold, in steps of 0.01 from 0.2, from which on the class is right at least as often as `WANTED`
says; where none is, the one at which it is right most often, with at least 20 detections left.
"""

import argparse
import functools
import pathlib
import re

import numpy as np

import draw
import look
import measure
import scenes

SEED = 8_000_000
# Precision on the pictures of this file: nine of ten reports are right, as in version 1.0.0.
WANTED = 0.9
STEPS = np.arange(0.2, 0.91, 0.01)


def threshold(scores, right, wanted):
    """The threshold by the rule, with precision and the share of the right ones that stay."""
    precision = np.array([right[scores >= t].mean() if (scores >= t).any() else 0.0 for t in STEPS])
    enough = np.array([(scores >= t).sum() >= 20 for t in STEPS])
    good = np.flatnonzero(enough & (precision >= wanted))
    index = int(good[0]) if len(good) else int(np.argmax(np.where(enough, precision, -1)))
    return float(STEPS[index]), precision[index]


def write(manifest, class_name, value):
    """Puts a class's confidence into the text of a manifest."""
    pattern = rf'(name = "{class_name}"\n(?:[a-z]+ = .*\n)*?confidence = )[0-9.]+'
    made, count = re.subn(pattern, rf"\g<1>{value:.2f}", manifest)
    if count != 1:
        raise SystemExit(f"model.toml has no confidence of {class_name}")
    return made


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pictures", type=int, default=240)
    parser.add_argument("--package", type=pathlib.Path, default=look.HERE)
    arguments = parser.parse_args()
    package = look.Package(arguments.package)
    rows, total = [], np.zeros(len(package.names), int)
    make = functools.partial(scenes.photograph, width=1280, height=720, unit=measure.UNIT)
    for picture, truth in scenes.drawn(make, range(SEED, SEED + arguments.pictures)):
        found = package.look(picture, floor=0.1)
        rows += [(box[4], box[5], verdict) for box, verdict in zip(found, measure.judge(found, truth)) if verdict >= 0]
        total += [(truth[:, 4] == class_id).sum() for class_id in range(len(total))]
    rows = np.array(rows).reshape(-1, 3)
    path = arguments.package / "model.toml"
    manifest = path.read_text()
    for class_id, name in enumerate(package.names):
        scores, right = rows[rows[:, 1] == class_id][:, [0, 2]].T
        value, precision = threshold(scores, right, WANTED)
        recall = right[scores >= value].sum() / max(1, total[class_id])
        print(f"{name}: {value:.2f}, precision {precision:.3f} (wanted {WANTED}), recall {recall:.3f} of {total[class_id]}", flush=True)
        manifest = write(manifest, name, value)
    path.write_text(manifest)


if __name__ == "__main__":
    main()
