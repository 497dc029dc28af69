"""How good the package is on the pictures of `heldout.py`, 1280 x 720: walls, light, paints, clutter, rust and cracks that
no picture of training has.

    python measure.py [--pictures 300] [--like-training] [--package FOLDER] [--card README.md]

Prints precision and recall at the manifest's thresholds, and average precision (all points, IoU 0.5); `--card` writes
that into the card. `--like-training` draws as for training instead, with other seeds.
"""

import argparse
import functools
import pathlib
import re

import numpy as np

import draw
import heldout
import look
import scenes

SEED = 9_000_000
UNIT = 1280 / 416
SIZES = [("under 45", 45), ("45 to 60", 60), ("60 to 90", 90), ("90 to 150", 150), ("over 150", np.inf)]  # px of 1280 x 720


def judge(found, truth):
    """For each detection, best first: right (1), wrong (0), or not counted (-1)."""
    taken = np.zeros(len(truth), bool)
    verdicts = []
    for box in found:
        overlaps = [look.iou(box, t) for t in truth]
        order = np.argsort(overlaps)[::-1]
        match = next((i for i in order if overlaps[i] >= 0.5 and truth[i][4] == box[5] and not taken[i]), None)
        if match is not None:
            taken[match] = True
            verdicts.append(1)
        else:
            # On what is cut off nobody can tell.
            doubtful = draw.IGNORED if box[5] < draw.BOLTS else draw.IGNORED_SURFACE
            verdicts.append(-1 if any(o > 0.2 and t[4] == doubtful for o, t in zip(overlaps, truth)) else 0)
    return np.array(verdicts, int)


def average_precision(scores, right, total):
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(right[order])
    precision = hits / np.arange(1, len(hits) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    recall = hits / max(total, 1)
    return float(np.sum(np.diff(np.concatenate([[0], recall])) * precision))


class Count:
    """What was found in many pictures, and what was there."""

    def __init__(self, package):
        self.package, self.rows, self.there = package, [], []
        self.clean, self.clean_alarms = 0, np.zeros(len(package.names), int)

    def add(self, picture, truth):
        found = self.package.look(picture, floor=0.05)
        verdicts = judge(found, truth)
        self.rows += [(box[4], box[5], verdict) for box, verdict in zip(found, verdicts) if verdict >= 0]
        sure = np.array([f for f in found if f[4] >= self.package.threshold(int(f[5]))]).reshape(-1, 6)
        for t in truth[truth[:, 4] >= 0]:
            size = float(np.sqrt((t[2] - t[0]) * (t[3] - t[1])))
            told = any(look.iou(t, f) >= 0.5 and f[5] == t[4] for f in sure)
            self.there.append((t[4], size, told))
        # Pictures on which nothing is wrong, bolts in order or none at all.
        if not ((truth[:, 4] > draw.OK) | (truth[:, 4] < 0)).any():
            self.clean += 1
            for box in sure[sure[:, 5] != draw.OK]:
                self.clean_alarms[int(box[5])] += 1

    def tables(self):
        rows, there = np.array(self.rows).reshape(-1, 3), np.array(self.there).reshape(-1, 3)
        lines, precisions = ["| class | there | threshold | precision | recall | AP50 |", "|---|---|---|---|---|---|"], []
        for class_id, name in enumerate(self.package.names):
            mine, total = rows[rows[:, 1] == class_id], int((there[:, 0] == class_id).sum())
            least = self.package.threshold(class_id)
            sure = mine[mine[:, 0] >= least, 2]
            precisions.append(average_precision(mine[:, 0], mine[:, 2], total))
            precision = sure.mean() if len(sure) else 0.0
            lines.append(f"| `{name}` | {total} | {least:.2f} | {precision:.3f} | {sure.sum() / max(total, 1):.3f} | {precisions[-1]:.3f} |")
        alarms = ", ".join(f"{n} `{name}`" for name, n in zip(self.package.names, self.clean_alarms) if n) or "none"
        lines += ["", f"mAP50 is {np.mean(precisions):.3f}. On the {self.clean} pictures on which nothing is wrong, false alarms: {alarms}.", "",
                  "Recall by size, px (the root of the box's area in a 1280 x 720 picture; in brackets how many there were):", "",
                  "| class | " + " | ".join(name for name, _ in SIZES) + " |", "|---" * (len(SIZES) + 1) + "|"]
        for class_id, name in enumerate(self.package.names):
            cells, low = [], 0.0
            for _, high in SIZES:
                part = there[(there[:, 0] == class_id) & (there[:, 1] >= low) & (there[:, 1] < high), 2]
                cells.append(f"{part.mean():.2f} ({len(part)})" if len(part) else "-")
                low = high
            lines.append(f"| `{name}` | " + " | ".join(cells) + " |")
        return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pictures", type=int, default=300)
    parser.add_argument("--like-training", action="store_true")
    parser.add_argument("--package", type=pathlib.Path, default=look.HERE)
    parser.add_argument("--card", type=pathlib.Path)
    arguments = parser.parse_args()
    count = Count(look.Package(arguments.package))
    make = functools.partial((scenes if arguments.like_training else heldout).photograph, width=1280, height=720, unit=UNIT)
    for picture, truth in scenes.drawn(make, range(SEED, SEED + arguments.pictures)):
        count.add(picture, truth)
    tables = count.tables()
    print(tables)
    if arguments.card:
        text, marks = arguments.card.read_text(), ("<!-- measured -->", "<!-- /measured -->")
        pattern = re.escape(marks[0]) + ".*?" + re.escape(marks[1])
        written = f"{marks[0]}\n{arguments.pictures} pictures of `heldout.py`:\n\n{tables}\n{marks[1]}"
        arguments.card.write_text(re.sub(pattern, lambda _: written, text, flags=re.DOTALL))


if __name__ == "__main__":
    main()
