"""Writes the package: trained weights become `model.onnx` (boxes decoded inside), and `model.toml` gets its digest.

    python export.py --weights DIR/weights.npz

The output is `[1, 4+C, N]` as the decoder `yolov8` reads it: centre, size in pixels of the input, one score per class.
Cells that are not the best of their surroundings have the score 0, whatever the class, so that one bolt is one box.
"""

import argparse
import hashlib
import pathlib
import re

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import network
import train

WIDTH, HEIGHT = 416, 256
PEAK = 5  # cells, odd: a bolt has no neighbour nearer than half of this
HERE = pathlib.Path(__file__).parent


def graph(plain):
    nodes, constants = [], []

    def constant(name, values):
        constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def node(kind, inputs, output, **attributes):
        nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def conv(name, x):
        kernel, _, _, stride, dilation = network.CONVS[name]
        w, b = plain[name]
        pad = dilation * (kernel // 2)
        return node("Conv", [x, constant(f"{name}.w", w), constant(f"{name}.b", b)], name, kernel_shape=[kernel] * 2,
                    strides=[stride] * 2, dilations=[dilation] * 2, pads=[pad] * 4)

    def relu(x):
        return node("Relu", [x], f"{x}.relu")

    def add(a, b, name):
        return node("Add", [a, b], name)

    x = relu(conv("half", relu(conv("stem", "picture"))))
    fine = relu(add(x, conv("fine", x), "fine.sum"))
    x = relu(conv("down", fine))
    for name in ("near", "far", "join"):
        x = relu(add(x, conv(name, x), f"{name}.sum"))
    x = node("DepthToSpace", [conv("up", x)], "up.cells", blocksize=2, mode="DCR")
    x = relu(conv("head", relu(add(fine, x, "both"))))
    maps = conv("out", relu(conv("mix", x)))

    rows, columns = HEIGHT // network.CELL, WIDTH // network.CELL
    channel = constant("axis", np.array([1], np.int64))
    at = [constant(f"at{i}", np.array([i], np.int64)) for i in (0, 2, 4, 4 + network.CLASSES)]
    shift, size, logits = [node("Slice", [maps, at[i], at[i + 1], channel], name)
                           for i, name in enumerate(("shift", "size", "logits"))]
    ys, xs = np.mgrid[0:rows, 0:columns].astype(np.float32) + 0.5
    cells = constant("cells", np.stack([xs, ys])[None])
    centre = node("Mul", [add(shift, cells, "place"), constant("cell", np.float32(network.CELL))], "centre")
    # A size is at most that of the picture: weights may be bad, boxes are still numbers.
    largest = constant("largest", np.float32(np.log(WIDTH / network.SIZE_UNIT)))
    bounded = node("Min", [size, largest], "bounded")
    extent = node("Mul", [node("Exp", [bounded], "size.exp"), constant("unit", np.float32(network.SIZE_UNIT))], "extent")
    scores = node("Sigmoid", [logits], "scores")
    best = node("ReduceMax", [scores], "best", axes=[1], keepdims=1)
    around = node("MaxPool", [best], "around", kernel_shape=[PEAK] * 2, strides=[1, 1], pads=[PEAK // 2] * 4)
    lower = node("Less", [best, around], "lower")
    peak = node("Cast", [node("Not", [lower], "peak")], "peak.number", to=TensorProto.FLOAT)
    peaks = node("Mul", [scores, peak], "peaks")
    whole = node("Concat", [centre, extent, peaks], "whole", axis=1)
    count = 4 + network.CLASSES
    node("Reshape", [whole, constant("table", np.array([1, count, rows * columns], np.int64))], "boxes")

    inputs = [helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, 3, HEIGHT, WIDTH])]
    outputs = [helper.make_tensor_value_info("boxes", TensorProto.FLOAT, [1, count, rows * columns])]
    made = helper.make_graph(nodes, "torque-stripe", inputs, outputs, constants)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 13)], producer_name="torque-stripe")
    model.ir_version = 8
    onnx.checker.check_model(model, full_check=True)
    return model


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--weights", required=True)
    parser.add_argument("--out", type=pathlib.Path, default=HERE)
    arguments = parser.parse_args()
    model = graph(network.folded(*train.load(arguments.weights))).SerializeToString()
    (arguments.out / "model.onnx").write_bytes(model)
    manifest = arguments.out / "model.toml"
    digest = hashlib.sha256(model).hexdigest()
    if manifest.exists():
        manifest.write_text(re.sub(r'sha256 = "[0-9a-f]*"', f'sha256 = "{digest}"', manifest.read_text()))
    print(f"{len(model)} bytes, SHA-256 {digest}")


if __name__ == "__main__":
    main()
