"""The package seen from Python: the same steps as the program's, with ONNX Runtime and NumPy.

Letterbox, normalisation, decoding and suppression are written a second time here, so that the two can be compared.
"""

import pathlib
import tomllib

import cv2
import numpy as np
import onnxruntime

HERE = pathlib.Path(__file__).parent


class Package:
    def __init__(self, folder=HERE):
        self.manifest = tomllib.loads((folder / "model.toml").read_text())
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        path = str(folder / self.manifest["model"]["file"])
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.names = [c["name"] for c in self.manifest["classes"]]

    def threshold(self, class_id):
        return self.manifest["classes"][class_id].get("confidence", self.manifest["output"]["confidence"])

    def tensor(self, picture):
        """RGB picture to the input, with the factor and the offsets that lead back."""
        spec = self.manifest["input"]
        width, height = spec["size"]
        rows, columns = picture.shape[:2]
        ratio = min(width / columns, height / rows)
        inner = (max(1, int(np.floor(columns * ratio + 0.5))), max(1, int(np.floor(rows * ratio + 0.5))))
        how = cv2.INTER_AREA if max(columns / inner[0], rows / inner[1]) > 2 else cv2.INTER_LINEAR
        small = cv2.resize(picture.astype(np.float32), inner, interpolation=how)
        left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
        canvas = np.full((height, width, 3), spec["pad"], np.float32)
        canvas[top:top + inner[1], left:left + inner[0]] = small
        values = (canvas * spec["scale"] - spec["mean"]) / spec["std"]
        back = (left, top, columns / inner[0], rows / inner[1])
        return values.transpose(2, 0, 1)[None].astype(np.float32), back

    def look(self, picture, floor=None):
        """Rows of left, top, right, bottom, score, class, best first; over `floor` instead of the thresholds."""
        tensor, (left, top, across, down) = self.tensor(picture)
        table = self.session.run(None, {self.session.get_inputs()[0].name: tensor})[0][0]
        scores, classes = table[4:].max(0), table[4:].argmax(0)
        least = np.array([self.threshold(c) if floor is None else floor for c in range(len(self.names))])
        chosen = np.flatnonzero(scores >= least[classes])
        cx, cy, w, h = table[:4, chosen]
        boxes = np.stack([(cx - w / 2 - left) * across, (cy - h / 2 - top) * down, (cx + w / 2 - left) * across,
                          (cy + h / 2 - top) * down, scores[chosen], classes[chosen]], 1)
        boxes = boxes[np.argsort(-boxes[:, 4], kind="stable")]
        kept = []
        for box in boxes:
            if all(k[5] != box[5] or iou(k, box) <= self.manifest["output"]["iou"] for k in kept):
                kept.append(box)
        found = np.array(kept).reshape(-1, 6)
        rows, columns = picture.shape[:2]
        found[:, [0, 2]] = found[:, [0, 2]].clip(0, columns)
        found[:, [1, 3]] = found[:, [1, 3]].clip(0, rows)
        return found[(found[:, 2] > found[:, 0]) & (found[:, 3] > found[:, 1])]


def iou(a, b):
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    area = lambda box: (box[2] - box[0]) * (box[3] - box[1])  # noqa: E731
    return width * height / (area(a) + area(b) - width * height)
