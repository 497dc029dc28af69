"""How good the package is on drawn pictures that it has never seen: 1280 x 720, other seeds than in training.

    python measure.py [--pictures 400]

Prints a table of precision and recall at the manifest's thresholds, and average precision (all points, IoU 0.5).
"""

import argparse
import pathlib

import numpy as np

import draw
import look

SEED = 9_000_000
UNIT = 1280 / 416


def pictures(count):
    for index in range(count):
        yield draw.photograph(SEED + index, 1280, 720, UNIT)


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
            # On a bolt that is cut off nobody can tell.
            verdicts.append(-1 if any(o > 0.2 and t[4] == draw.IGNORED for o, t in zip(overlaps, truth)) else 0)
    return np.array(verdicts, int)


def average_precision(scores, right, total):
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(right[order])
    precision = hits / np.arange(1, len(hits) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    recall = hits / max(total, 1)
    return float(np.sum(np.diff(np.concatenate([[0], recall])) * precision))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pictures", type=int, default=400)
    parser.add_argument("--package", type=pathlib.Path, default=look.HERE)
    arguments = parser.parse_args()
    package = look.Package(arguments.package)
    rows, total, empty_alarms, empty = [], np.zeros(3, int), 0, 0
    by_size = {}
    for picture, truth in pictures(arguments.pictures):
        found = package.look(picture, floor=0.05)
        verdicts = judge(found, truth)
        for class_id in range(3):
            total[class_id] += (truth[:, 4] == class_id).sum()
        told = [f for f, v in zip(found, verdicts) if f[4] >= package.threshold(int(f[5])) and f[5] != draw.OK and v == 0]
        if len(truth) == 0:
            empty += 1
            empty_alarms += len(told)
        for box, verdict in zip(found, verdicts):
            if verdict >= 0:
                rows.append((box[4], box[5], verdict))
        # Recall by size, whatever the class, at the thresholds.
        sure = np.array([f for f in found if f[4] >= package.threshold(int(f[5]))]).reshape(-1, 6)
        for t in truth[truth[:, 4] >= 0]:
            size = min(3, int(np.sqrt((t[2] - t[0]) * (t[3] - t[1])) // 30))
            seen = any(look.iou(t, f) >= 0.5 for f in sure)
            right = any(look.iou(t, f) >= 0.5 and f[5] == t[4] for f in sure)
            by_size.setdefault(size, []).append((seen, right))
    rows = np.array(rows)
    print("| class | bolts | precision | recall | AP50 |\n|---|---|---|---|---|")
    aps = []
    for class_id, name in enumerate(package.names):
        mine = rows[rows[:, 1] == class_id]
        sure = mine[mine[:, 0] >= package.threshold(class_id)]
        aps.append(average_precision(mine[:, 0], mine[:, 2], total[class_id]))
        precision = sure[:, 2].mean() if len(sure) else 0
        print(f"| `{name}` | {total[class_id]} | {precision:.3f} | {sure[:, 2].sum() / total[class_id]:.3f} | {aps[-1]:.3f} |")
    print(f"\nmAP50 {np.mean(aps):.3f}; pictures without bolts: {empty}, false alarms on them: {empty_alarms}\n")
    print("| size in a 1280 x 720 picture, px | bolts | found | found and judged rightly |\n|---|---|---|---|")
    for size, name in enumerate(["under 30", "30 to 60", "60 to 90", "over 90"]):
        part = np.array(by_size.get(size, [(0, 0)]))
        print(f"| {name} | {len(part)} | {part[:, 0].mean():.3f} | {part[:, 1].mean():.3f} |")


if __name__ == "__main__":
    main()
