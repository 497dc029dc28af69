"""Writes what the Rust tests compare with: the self-test of the package, and reference answers of ONNX Runtime.

    python reference.py

`selftest/1.jpg` is a drawn picture that was in no training, `1.json` what the package finds on it. In
`vision/tests/data/` are PNGs (the same pixels for everyone) of three sizes with the answers of `look.py`.
"""

import json
import pathlib

import cv2
import numpy as np

import draw
import look
import scenes

HERE = pathlib.Path(__file__).parent
DATA = HERE.parent.parent / "vision" / "tests" / "data"
SEED = 30_000_000
# Width and height: averaged, interpolated, and taken as it is.
SIZES = [(1280, 720), (640, 360), (416, 256)]
MARGIN = 0.04  # between a score and its threshold, so that rounding can't decide


def as_json(package, found):
    return {"detections": [{"type": package.names[int(c)], "confidence": round(float(s), 6),
                            "bounding_box": {"x": round(float(x0), 4), "y": round(float(y0), 4), "width": round(float(x1 - x0), 4),
                                             "height": round(float(y1 - y0), 4)}} for x0, y0, x1, y1, s, c in found]}


def picture(seed, width, height, noise):
    rng = np.random.default_rng(seed)
    unit = max(width / 416, height / 256)
    canvas, boxes = scenes.scene(rng, width, height, unit, True, (18, 36))
    camera = draw.Camera(0.2, 0, 0, np.array([1.0, 0.98, 0.95]), 4, 1.0, noise, 100, 0.2)
    return camera.take(rng, canvas, unit), boxes


def chosen(package, width, height, noise, seed):
    """The first picture from `seed` on with three classes found, one of them a surface's, all of them rightly, and no score
    near a threshold. What is missed doesn't matter: two runtimes are compared here, not the model with the truth.
    """
    while True:
        seed += 1
        made, truth = picture(seed, width, height, noise)
        if not 4 <= len(truth) <= 14 or truth[:, 4].min() < 0:
            continue
        every = package.look(made, floor=0.02)
        near = [abs(f[4] - package.threshold(int(f[5]))) < MARGIN for f in every]
        found = package.look(made)
        kinds = set(found[:, 5])
        right = all(any(look.iou(t, f) > 0.5 and t[4] == f[5] for t in truth) for f in found)
        if right and not any(near) and len(kinds) >= 3 and kinds & {draw.CORROSION, draw.CRACK}:
            return made, found, seed


def main():
    package = look.Package()
    (HERE / "selftest").mkdir(exist_ok=True)
    DATA.mkdir(parents=True, exist_ok=True)
    made, _, seed = chosen(package, 960, 540, 2.0, SEED)
    path = str(HERE / "selftest" / "1.jpg")
    cv2.imwrite(path, made[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])
    found = package.look(cv2.imread(path)[..., ::-1])
    (HERE / "selftest" / "1.json").write_text(json.dumps(as_json(package, found), indent=1) + "\n")
    print(f"selftest/1.jpg: seed {seed}, {len(found)} detections")
    for index, (width, height) in enumerate(SIZES, 1):
        made, found, seed = chosen(package, width, height, 0.0, seed)
        cv2.imwrite(str(DATA / f"torque-stripe-{index}.png"), made[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])
        (DATA / f"torque-stripe-{index}.json").write_text(json.dumps(as_json(package, found), indent=1) + "\n")
        print(f"torque-stripe-{index}.png: {width}x{height}, seed {seed}, {len(found)} detections")


if __name__ == "__main__":
    main()
