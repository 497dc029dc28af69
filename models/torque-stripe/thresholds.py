"""Precision and recall by threshold, on drawn pictures that are neither those of training nor those of `measure.py`.

    python thresholds.py [--pictures 200]

For choosing the `confidence` of each class in `model.toml`.
"""

import argparse

import numpy as np

import draw
import look
import measure

SEED = 8_000_000


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pictures", type=int, default=200)
    count = parser.parse_args().pictures
    package = look.Package()
    rows, total, empty = [], np.zeros(len(package.names), int), []
    for index in range(count):
        picture, truth = draw.photograph(SEED + index, 1280, 720, measure.UNIT)
        found = package.look(picture, floor=0.3)
        for box, verdict in zip(found, measure.judge(found, truth)):
            if verdict >= 0:
                rows.append((box[4], box[5], verdict))
            if len(truth) == 0 and box[5] != draw.OK:
                empty.append(box[4])
        for class_id in range(len(total)):
            total[class_id] += (truth[:, 4] == class_id).sum()
    rows, empty = np.array(rows), np.array(empty)
    for threshold in (0.4, 0.5, 0.55, 0.6, 0.62, 0.65, 0.7, 0.75):
        print(f"at {threshold}: {(empty >= threshold).sum()} false alarms on pictures without bolts")
        for class_id, name in enumerate(package.names):
            sure = rows[(rows[:, 1] == class_id) & (rows[:, 0] >= threshold), 2]
            precision = sure.mean() if len(sure) else 0
            print(f"    {name}: precision {precision:.3f}, recall {sure.sum() / max(1, total[class_id]):.3f}")


if __name__ == "__main__":
    main()
