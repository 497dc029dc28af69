"""Writes the package: trained weights become `model.onnx` (boxes decoded inside), and `model.toml` gets its digest.

    python export.py --weights DIR/weights.npz [--out FOLDER]

The output is `[1, 4+C, N]` as the decoder `yolov8` reads it: centre, size in pixels of the input, one score per class.
N are the cells of the bolt map, then those of the surface map; each has the score 0 for the classes of the other. Cells
that are not the best of their surroundings have the score 0, whatever the class, so that one thing is one box.
"""

import argparse
import hashlib
import pathlib
import re

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import network

WIDTH, HEIGHT = 416, 256
PEAK = 3  # cells, odd: the surroundings
HERE = pathlib.Path(__file__).parent


def graph(plain):
    nodes, constants = [], []

    def constant(name, values):
        constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def node(kind, inputs, output, **attributes):
        nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    values = {"picture": "picture"}
    for layer in network.LAYERS:
        if layer.name in network.TRAINING_ONLY:
            continue
        w, b = plain[layer.name]
        pad = layer.dilation * (layer.kernel // 2)
        x = values[layer.source]
        y = node("Conv", [x, constant(f"{layer.name}.w", w), constant(f"{layer.name}.b", b)], layer.name,
                 kernel_shape=[layer.kernel] * 2, strides=[layer.stride] * 2, dilations=[layer.dilation] * 2, pads=[pad] * 4)
        if layer.residual:
            y = node("Add", [x, y], f"{layer.name}.sum")
        values[layer.name] = y if layer.plain else node("Relu", [y], f"{layer.name}.relu")

    channel = constant("axis", np.array([1], np.int64))
    at = {i: constant(f"at{i}", np.array([i], np.int64)) for i in (0, 2, 4, 4 + network.BOLTS, 4 + network.SURFACES)}
    tables = []
    for one in network.MAPS:
        name, count = one.layer, 4 + len(one.classes)
        rows, columns = HEIGHT // one.cell, WIDTH // one.cell
        cells = rows * columns
        scores = node("Sigmoid", [node("Slice", [values[name], at[4], at[count], channel], f"{name}.logits")], f"{name}.scores")
        best = node("ReduceMax", [scores], f"{name}.best", axes=[1], keepdims=1)
        around = node("MaxPool", [best], f"{name}.around", kernel_shape=[PEAK] * 2, strides=[1, 1], pads=[PEAK // 2] * 4)
        lower = node("Less", [best, around], f"{name}.lower")
        peak = node("Cast", [node("Not", [lower], f"{name}.peak")], f"{name}.peak.number", to=TensorProto.FLOAT)
        peaks = node("Mul", [scores, peak], f"{name}.peaks")
        # From here on a row per number and a column per cell.
        flat = node("Reshape", [values[name], constant(f"{name}.shape", np.array([1, count, cells], np.int64))], f"{name}.flat")
        peaks = node("Reshape", [peaks, constant(f"{name}.peaks.shape", np.array([1, count - 4, cells], np.int64))], f"{name}.peaks.flat")
        ys, xs = np.mgrid[0:rows, 0:columns].astype(np.float32) + 0.5
        middle = constant(f"{name}.middle", np.stack([xs, ys]).reshape(1, 2, cells) * np.float32(one.cell))
        shift = node("Slice", [flat, at[0], at[2], channel], f"{name}.shift")
        centre = node("Add", [node("Mul", [shift, constant(f"{name}.cell", np.float32(one.cell))], f"{name}.px"), middle], f"{name}.centre")
        # A size is at most that of the picture: weights may be bad, boxes are still numbers.
        size = node("Slice", [flat, at[2], at[4], channel], f"{name}.size")
        bounded = node("Min", [size, constant(f"{name}.largest", np.float32(np.log(WIDTH / one.size_unit)))], f"{name}.bounded")
        extent = node("Mul", [node("Exp", [bounded], f"{name}.exp"), constant(f"{name}.unit", np.float32(one.size_unit))], f"{name}.extent")
        before, after = one.classes.start, network.CLASSES - one.classes.stop
        none = lambda n, side: [constant(f"{name}.none.{side}", np.zeros((1, n, cells), np.float32))] if n else []  # noqa: E731
        rows_of = [centre, extent, *none(before, "before"), peaks, *none(after, "after")]
        tables.append(node("Concat", rows_of, f"{name}.table", axis=1))
    node("Concat", tables, "boxes", axis=2)

    total = sum((HEIGHT // one.cell) * (WIDTH // one.cell) for one in network.MAPS)
    inputs = [helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, 3, HEIGHT, WIDTH])]
    outputs = [helper.make_tensor_value_info("boxes", TensorProto.FLOAT, [1, 4 + network.CLASSES, total])]
    made = helper.make_graph(nodes, "torque-stripe", inputs, outputs, constants)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 13)], producer_name="torque-stripe")
    model.ir_version = 8
    onnx.checker.check_model(model, full_check=True)
    return model


def load(path):
    """Weights and state, as `train.py` saves them."""
    stored, parts = np.load(path), {"weights": {}, "state": {}}
    for name in stored.files:
        kind, layer, key = name.split("/")
        parts[kind].setdefault(layer, {})[key] = stored[name]
    return parts["weights"], parts["state"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--weights", required=True)
    parser.add_argument("--out", type=pathlib.Path, default=HERE)
    arguments = parser.parse_args()
    model = graph(network.folded(*load(arguments.weights))).SerializeToString()
    (arguments.out / "model.onnx").write_bytes(model)
    manifest, digest = arguments.out / "model.toml", hashlib.sha256(model).hexdigest()
    manifest.write_text(re.sub(r'sha256 = "[0-9a-f]*"', f'sha256 = "{digest}"', manifest.read_text()))
    print(f"{len(model)} bytes, SHA-256 {digest}")


if __name__ == "__main__":
    main()
