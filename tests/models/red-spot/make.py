#!/usr/bin/env python3
"""Makes model.onnx and model.toml of a detector that finds the one red thing in a picture, without training.

    make.py            needs the Python packages onnx and numpy

The graph marks pixels that are redder than they are green and blue, and takes the extents of the marked ones: one box
[1, 5, 1] (centre x, centre y, width, height, score) in model pixels, score 0 when nothing is red. Real preprocessing,
real inference and real geometry, with an answer that a test can work out by hand.
"""
import hashlib
import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE = 320
here = pathlib.Path(__file__).parent


def main():
    constants = {
        "red_from": np.array([0], np.int64), "red_to": np.array([1], np.int64),
        "rest_from": np.array([1], np.int64), "rest_to": np.array([3], np.int64),
        "channels": np.array([1], np.int64),
        "enough": np.array(0.35, np.float32),
        # Left and right edges of the pixels, and the same counted from the other side.
        "right": np.arange(1, SIDE + 1, dtype=np.float32).reshape(1, 1, 1, SIDE),
        "left": (SIDE - np.arange(SIDE, dtype=np.float32)).reshape(1, 1, 1, SIDE),
        "bottom": np.arange(1, SIDE + 1, dtype=np.float32).reshape(1, 1, SIDE, 1),
        "top": (SIDE - np.arange(SIDE, dtype=np.float32)).reshape(1, 1, SIDE, 1),
        "side": np.array(SIDE, np.float32), "half": np.array(0.5, np.float32), "sure": np.array(0.9, np.float32),
        "shape": np.array([1, 5, 1], np.int64),
    }
    node = helper.make_node
    nodes = [
        node("Slice", ["images", "red_from", "red_to", "channels"], ["red"]),
        node("Slice", ["images", "rest_from", "rest_to", "channels"], ["rest"]),
        node("ReduceMax", ["rest"], ["other"], axes=[1], keepdims=1),
        node("Sub", ["red", "other"], ["redness"]),
        node("Greater", ["redness", "enough"], ["is_red"]),
        node("Cast", ["is_red"], ["mask"], to=TensorProto.FLOAT),
    ]
    for edge in ("left", "right", "top", "bottom"):
        nodes += [
            node("Mul", ["mask", edge], [f"{edge}_of_each"]),
            node("ReduceMax", [f"{edge}_of_each"], [f"{edge}_most"], axes=[1, 2, 3], keepdims=0),
        ]
    nodes += [
        node("ReduceMax", ["mask"], ["any"], axes=[1, 2, 3], keepdims=0),
        node("Sub", ["side", "left_most"], ["x1"]),
        node("Sub", ["side", "top_most"], ["y1"]),
        node("Add", ["x1", "right_most"], ["x_sum"]), node("Mul", ["x_sum", "half"], ["cx"]),
        node("Add", ["y1", "bottom_most"], ["y_sum"]), node("Mul", ["y_sum", "half"], ["cy"]),
        node("Sub", ["right_most", "x1"], ["w"]), node("Sub", ["bottom_most", "y1"], ["h"]),
        node("Mul", ["any", "sure"], ["score"]),
        node("Concat", ["cx", "cy", "w", "h", "score"], ["flat"], axis=0),
        node("Reshape", ["flat", "shape"], ["output0"]),
    ]
    graph = helper.make_graph(
        nodes, "red-spot",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, [1, 5, 1])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], producer_name="field-eye-tests")
    model.ir_version = 8
    onnx.checker.check_model(model)
    data = model.SerializeToString()
    (here / "model.onnx").write_bytes(data)
    (here / "model.toml").write_text(f"""\
# Made by make.py beside it.
[model]
name = "red-spot"
version = "1.0.0"
file = "model.onnx"
sha256 = "{hashlib.sha256(data).hexdigest()}"
task = "detect"
[input]
size = [{SIDE}, {SIDE}]
[output]
decoder = "yolov8"
confidence = 0.5
[[classes]]
name = "red_spot"
severity = "critical"
""")


main()
