#!/usr/bin/env python3
"""Writes a package whose network is YOLOv8n's (320 x 320, 80 classes, 3.2 M weights), with weights drawn by lot.

    yolov8n.py FOLDER

Layer by layer after the published description (backbone of C2f blocks with SPPF, PAN neck, decoupled heads with distribution
focal loss decoding): it costs what YOLOv8n costs and finds nothing. No weights from elsewhere.
"""
import hashlib
import pathlib
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE, CLASSES, BINS = 320, 80, 16


class Net:
    def __init__(self):
        self.nodes, self.constants, self.rng = [], [], np.random.default_rng(8)

    def constant(self, values):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def node(self, kind, *inputs, count=1, **attributes):
        names = [f"{kind}{len(self.nodes)}_{i}" for i in range(count)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, **attributes))
        return names[0] if count == 1 else names

    def plain(self, x, inward, outward, size=1, stride=1):
        w = self.rng.normal(0, np.sqrt(1.6 / (inward * size * size)), (outward, inward, size, size)).astype(np.float32)
        pad = size // 2
        return self.node("Conv", x, self.constant(w), self.constant(np.zeros(outward, np.float32)), kernel_shape=[size] * 2,
                         strides=[stride] * 2, pads=[pad] * 4)

    def conv(self, x, inward, outward, size=1, stride=1):
        y = self.plain(x, inward, outward, size, stride)
        return self.node("Mul", y, self.node("Sigmoid", y))

    def c2f(self, x, inward, outward, repeats, shortcut):
        half = outward // 2
        a, b = self.node("Split", self.conv(x, inward, outward), count=2, axis=1)
        parts = [a, b]
        for _ in range(repeats):
            y = self.conv(self.conv(parts[-1], half, half, 3), half, half, 3)
            parts.append(self.node("Add", parts[-1], y) if shortcut else y)
        return self.conv(self.node("Concat", *parts, axis=1), (2 + repeats) * half, outward)

    def sppf(self, x, channels):
        parts = [self.conv(x, channels, channels // 2)]
        for _ in range(3):
            parts.append(self.node("MaxPool", parts[-1], kernel_shape=[5, 5], strides=[1, 1], pads=[2] * 4))
        return self.conv(self.node("Concat", *parts, axis=1), channels * 2, channels)

    def up(self, x):
        scales = self.constant(np.array([1, 1, 2, 2], np.float32))
        return self.node("Resize", x, "", scales, mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")

    def reshape(self, x, *shape):
        return self.node("Reshape", x, self.constant(np.array(shape, np.int64)))


def build():
    n = Net()
    x = n.conv(n.conv("images", 3, 16, 3, 2), 16, 32, 3, 2)
    x = n.conv(n.c2f(x, 32, 32, 1, True), 32, 64, 3, 2)
    p3 = n.c2f(x, 64, 64, 2, True)
    p4 = n.c2f(n.conv(p3, 64, 128, 3, 2), 128, 128, 2, True)
    p5 = n.sppf(n.c2f(n.conv(p4, 128, 256, 3, 2), 256, 256, 1, True), 256)
    n4 = n.c2f(n.node("Concat", n.up(p5), p4, axis=1), 384, 128, 1, False)
    n3 = n.c2f(n.node("Concat", n.up(n4), p3, axis=1), 192, 64, 1, False)
    m4 = n.c2f(n.node("Concat", n.conv(n3, 64, 64, 3, 2), n4, axis=1), 192, 128, 1, False)
    m5 = n.c2f(n.node("Concat", n.conv(m4, 128, 128, 3, 2), p5, axis=1), 384, 256, 1, False)
    tables, anchors, strides = [], [], []
    for x, channels, stride in ((n3, 64, 8), (m4, 128, 16), (m5, 256, 32)):
        box = n.plain(n.conv(n.conv(x, channels, 64, 3), 64, 64, 3), 64, 4 * BINS)
        kind = n.plain(n.conv(n.conv(x, channels, 80, 3), 80, 80, 3), 80, CLASSES)
        tables.append(n.reshape(n.node("Concat", box, kind, axis=1), 1, 4 * BINS + CLASSES, -1))
        ys, xs = np.mgrid[0 : SIDE // stride, 0 : SIDE // stride].astype(np.float32) + 0.5
        anchors.append(np.stack([xs.ravel(), ys.ravel()]))
        strides.append(np.full(xs.size, stride, np.float32))
    whole = n.node("Concat", *tables, axis=2)
    sizes = n.constant(np.array([4 * BINS, CLASSES], np.int64))
    box, kind = n.node("Split", whole, sizes, count=2, axis=1)
    spread = n.node("Softmax", n.node("Transpose", n.reshape(box, 1, 4, BINS, -1), perm=[0, 2, 1, 3]), axis=1)
    bins = n.constant(np.arange(BINS, dtype=np.float32).reshape(1, BINS, 1, 1))
    reach = n.reshape(n.node("Conv", spread, bins, kernel_shape=[1, 1]), 1, 4, -1)
    low, high = n.node("Split", reach, count=2, axis=1)
    centre = n.constant(np.concatenate(anchors, 1)[None])
    a, b = n.node("Sub", centre, low), n.node("Add", centre, high)
    middle = n.node("Mul", n.node("Add", a, b), n.constant(np.float32(0.5)))
    boxes = n.node("Mul", n.node("Concat", middle, n.node("Sub", b, a), axis=1), n.constant(np.concatenate(strides)[None, None]))
    out = n.node("Concat", boxes, n.node("Sigmoid", kind), axis=1)
    given = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, SIDE, SIDE])
    made = helper.make_tensor_value_info(out, TensorProto.FLOAT, [1, 4 + CLASSES, sum(s.size for s in strides)])
    graph = helper.make_graph(n.nodes, "yolov8n", [given], [made], n.constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], producer_name="yolov8n by lot")
    model.ir_version = 8
    onnx.checker.check_model(model)
    return model.SerializeToString()


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    model = build()
    (folder / "model.onnx").write_bytes(model)
    lines = ["[model]", 'name = "yolov8n-by-lot"', 'version = "1.0.0"', 'file = "model.onnx"', f'sha256 = "{hashlib.sha256(model).hexdigest()}"',
             'task = "detect"', "[input]", f"size = [{SIDE}, {SIDE}]", "[output]", 'decoder = "yolov8"', "confidence = 0.95", "iou = 0.45"]
    for kind in range(CLASSES):
        lines += ["[[classes]]", f'name = "class_{kind}"']
    (folder / "model.toml").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
