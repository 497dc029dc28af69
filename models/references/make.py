#!/usr/bin/env python3
"""Small models of every family of detectors, and what another implementation says they see.

    make.py [--out DIR]        needs the packages of requirements.txt

For each case a package (model.onnx, model.toml) is written whose network is small and whose weights are drawn by lot, and a
`reference.json` with the detections that ONNX Runtime and NumPy find on `picture.png`: preprocessing, decoding and
non-maximum suppression are written here a second time, from the definitions of the manifest's keys and from the papers'
or exporters' output layouts, not from the program. `vision/tests/decoders.rs` compares box by box on every runtime.
"""
import argparse
import hashlib
import json
import pathlib

import cv2
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

HERE = pathlib.Path(__file__).parent
OUT = HERE.parent.parent / "vision" / "tests" / "data" / "decoders"
WIDTH, HEIGHT = 200, 140
MARGIN = 4e-3  # between any score and a threshold, or two overlaps and the limit: rounding must not decide


def picture():
    """Shapes on a gradient: no two cells look alike."""
    rng = np.random.default_rng(11)
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    canvas = np.stack([x * 255 / WIDTH, y * 255 / HEIGHT, (x + y) * 255 / (WIDTH + HEIGHT)], -1).astype(np.uint8)
    for _ in range(26):
        colour = tuple(int(v) for v in rng.integers(0, 256, 3))
        centre = (int(rng.integers(0, WIDTH)), int(rng.integers(0, HEIGHT)))
        if rng.random() < 0.5:
            cv2.circle(canvas, centre, int(rng.integers(4, 30)), colour, -1)
        else:
            size = rng.integers(6, 50, 2)
            cv2.rectangle(canvas, centre, (centre[0] + int(size[0]), centre[1] + int(size[1])), colour, -1)
    return canvas


# --- models ------------------------------------------------------------------------------------------------------


class Graph:
    """An ONNX graph under construction."""

    def __init__(self, seed):
        self.nodes, self.constants = [], []
        self.rng = np.random.default_rng(seed)

    def constant(self, values):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def node(self, kind, *inputs, outputs=1, **attributes):
        names = [f"{kind.lower()}{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, name=names[0], **attributes))
        return names[0] if outputs == 1 else names

    def conv(self, x, inward, outward, size, gain=1.0, bias=0.0):
        spread = gain * np.sqrt(2.0 / (inward * size * size))
        weights = self.rng.normal(0, spread, (outward, inward, size, size)).astype(np.float32)
        biases = (np.full(outward, bias) + self.rng.normal(0, 0.2, outward)).astype(np.float32)
        return self.node("Conv", x, self.constant(weights), self.constant(biases), kernel_shape=[size] * 2, strides=[size] * 2)

    def scaled(self, x, factor, offset=0.0):
        x = self.node("Mul", x, self.constant(np.float32(factor)))
        return self.node("Add", x, self.constant(np.asarray(offset, np.float32)))

    def table(self, x, channels):
        """[1, C, h, w] as [1, N, C]."""
        flat = self.node("Reshape", x, self.constant(np.array([1, channels, -1], np.int64)))
        return self.node("Transpose", flat, perm=[0, 2, 1])

    def model(self, spec, outputs):
        kind = TensorProto.UINT8 if spec.get("bytes") else TensorProto.FLOAT
        width, height = spec["size"]
        channels = 1 if spec.get("colour") == "gray" else 3
        shape = ["batch" if spec.get("open") else 1, channels, height, width]
        given = helper.make_tensor_value_info("picture", kind, shape)
        rank = {"anomaly-map": 4, "classifier": 2}.get(spec["decoder"], 3)
        made = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * rank) for name in outputs]
        graph = helper.make_graph(self.nodes, "reference", [given], made, self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], producer_name="references")
        model.ir_version = 8
        onnx.checker.check_model(model)
        return model.SerializeToString()


def features(graph, spec, x, stride):
    """What every network here begins with: one convolution per cell of `stride` px."""
    channels = 1 if spec.get("colour") == "gray" else 3
    return graph.node("Relu", graph.conv(x, channels, 12, stride, 1.6))


def picture_input(graph, spec):
    if not spec.get("bytes"):
        return "picture"
    return graph.scaled(graph.node("Cast", "picture", to=TensorProto.FLOAT), 1 / 255)


def cells(spec, stride):
    width, height = spec["size"]
    ys, xs = np.mgrid[0 : height // stride, 0 : width // stride].astype(np.float32)
    return np.stack([xs, ys])[None]


def boxes_of(graph, spec, x, stride):
    """Centre and size in px of the input, per cell: [1, 4, h, w]."""
    shift = graph.node("Tanh", graph.conv(x, 12, 2, 1))
    place = graph.scaled(graph.node("Add", shift, graph.constant(cells(spec, stride) + 0.5)), stride)
    size = graph.scaled(graph.node("Sigmoid", graph.conv(x, 12, 2, 1, 2.0)), 34.0, 4.0)
    return graph.node("Concat", place, size, axis=1)


def scores_of(graph, x, count, bias=-1.5):
    return graph.node("Sigmoid", graph.conv(x, 12, count, 1, 3.0, bias))


def yolov8(graph, spec):
    x = features(graph, spec, picture_input(graph, spec), 8)
    whole = graph.node("Concat", boxes_of(graph, spec, x, 8), scores_of(graph, x, spec["classes"]), axis=1)
    count = 4 + spec["classes"]
    return [graph.node("Reshape", whole, graph.constant(np.array([0, count, -1], np.int64)))]


def yolov5(graph, spec):
    x = features(graph, spec, picture_input(graph, spec), 8)
    whole = graph.node("Concat", boxes_of(graph, spec, x, 8), scores_of(graph, x, 1, 1.0), scores_of(graph, x, spec["classes"], 0.0), axis=1)
    return [graph.table(whole, 5 + spec["classes"])]


def yolox(graph, spec):
    tables = []
    for stride in (8, 16, 32):
        x = features(graph, spec, picture_input(graph, spec), stride)
        raw = graph.node("Tanh", graph.conv(x, 12, 4, 1))
        whole = graph.node("Concat", raw, scores_of(graph, x, 1, 1.0), scores_of(graph, x, spec["classes"], 0.0), axis=1)
        tables.append(graph.table(whole, 5 + spec["classes"]))
    return [graph.node("Concat", *tables, axis=1)]


def end_to_end(graph, spec):
    x = features(graph, spec, picture_input(graph, spec), 16)
    boxes = graph.table(boxes_of(graph, spec, x, 16), 4)
    centre, size = graph.node("Split", boxes, outputs=2, axis=2)
    half = graph.scaled(size, 0.5)
    corners = graph.node("Concat", graph.node("Sub", centre, half), graph.node("Add", centre, half), axis=2)
    scores = graph.table(scores_of(graph, x, spec["classes"]), spec["classes"])
    best = graph.node("ReduceMax", scores, axes=[2], keepdims=1)
    kind = graph.node("Cast", graph.node("ArgMax", scores, axis=2, keepdims=1), to=TensorProto.FLOAT)
    rows = graph.node("Concat", corners, best, kind, axis=2)
    # As exporters fill up what is not a box.
    there = graph.node("Cast", graph.node("Greater", best, graph.constant(np.float32(0.2))), to=TensorProto.FLOAT)
    return [graph.node("Mul", rows, there)]


def ssd(graph, spec):
    width, height = spec["size"]
    x = features(graph, spec, picture_input(graph, spec), 8)
    boxes = graph.table(boxes_of(graph, spec, x, 8), 4)
    centre, size = graph.node("Split", boxes, outputs=2, axis=2)
    half = graph.scaled(size, 0.5)
    corners = graph.node("Concat", graph.node("Sub", centre, half), graph.node("Add", centre, half), axis=2)
    corners = graph.node("Mul", corners, graph.constant(np.array([1 / width, 1 / height] * 2, np.float32)))
    logits = graph.table(graph.conv(x, 12, spec["classes"] + 1, 1, 4.0), spec["classes"] + 1)
    return [graph.node("Softmax", logits, axis=2), corners]


def classifier(graph, spec):
    x = features(graph, spec, picture_input(graph, spec), 8)
    x = graph.node("GlobalAveragePool", graph.conv(x, 12, spec["classes"], 1, 4.0))
    return [graph.node("Flatten", x)]


def anomaly_map(graph, spec):
    x = features(graph, spec, picture_input(graph, spec), 8)
    return [scores_of(graph, x, 1, -0.6)]


# --- the other implementation --------------------------------------------------------------------------------------


def weights(length, size):
    """[size, length]: how samples make pixels. To half the size linear, below that by area."""
    scale = length / size
    matrix = np.zeros((size, length))
    for pixel in range(size):
        if scale > 2:
            low, high = pixel * scale, (pixel + 1) * scale
            for sample in range(length):
                matrix[pixel, sample] = max(0.0, min(high, sample + 1) - max(low, sample)) / scale
        else:
            at = np.clip((pixel + 0.5) * scale - 0.5, 0, length - 1)
            low = int(np.floor(at))
            matrix[pixel, low] += 1 - (at - low)
            matrix[pixel, min(low + 1, length - 1)] += at - low
    return matrix


def prepared(spec, shown):
    width, height = spec["size"]
    mode = spec.get("resize", "letterbox")
    if mode == "stretch":
        w, h, left, top = width, height, 0, 0
    else:
        ratio = min(width / shown.shape[1], height / shown.shape[0])
        w, h = int(np.floor(shown.shape[1] * ratio + 0.5)), int(np.floor(shown.shape[0] * ratio + 0.5))
        left, top = ((width - w) // 2, (height - h) // 2) if mode == "letterbox" else (0, 0)
    rows, columns = weights(shown.shape[0], h), weights(shown.shape[1], w)
    small = np.einsum("hy,yxc,wx->hwc", rows, shown.astype(np.float64), columns, optimize=True)
    canvas = np.full((height, width, 3), float(spec.get("pad", 114)))
    canvas[top : top + h, left : left + w] = small
    colour = spec.get("colour", "rgb")
    if colour == "bgr":
        canvas = canvas[..., ::-1]
    elif colour == "gray":
        canvas = (canvas @ [0.299, 0.587, 0.114])[..., None]
        # The padding is a value of the channel, not a colour.
        mask = np.ones((height, width), bool)
        mask[top : top + h, left : left + w] = False
        canvas[mask] = spec.get("pad", 114)
    values = (canvas * spec.get("scale", 1 / 255) - np.array(spec.get("mean", [0.0]))) / np.array(spec.get("std", [1.0]))
    tensor = values.transpose(2, 0, 1)[None]
    tensor = np.clip(np.floor(tensor + 0.5), 0, 255).astype(np.uint8) if spec.get("bytes") else tensor.astype(np.float32)
    return tensor, (left, top, shown.shape[1] / w, shown.shape[0] / h)


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def centred(xywh):
    return np.concatenate([xywh[:, :2] - xywh[:, 2:] / 2, xywh[:, :2] + xywh[:, 2:] / 2], 1)


def rows_of(spec, outputs):
    """Corners [N, 4] in px of the input, score [N], class [N]."""
    family, size = spec["decoder"], spec["size"]
    if family == "yolov8":
        table = outputs[0][0].T
        return centred(table[:, :4]), table[:, 4:].max(1), table[:, 4:].argmax(1)
    if family == "yolov5":
        table = outputs[0][0]
        return centred(table[:, :4]), table[:, 5:].max(1) * table[:, 4], table[:, 5:].argmax(1)
    if family == "yolox":
        table, grid, stride = outputs[0][0], [], []
        for s in (8, 16, 32):
            ys, xs = np.mgrid[0 : size[1] // s, 0 : size[0] // s]
            grid.append(np.stack([xs.ravel(), ys.ravel()], 1))
            stride += [s] * xs.size
        stride = np.array(stride)[:, None]
        xywh = np.concatenate([(table[:, :2] + np.concatenate(grid)) * stride, np.exp(table[:, 2:4]) * stride], 1)
        return centred(xywh), table[:, 5:].max(1) * table[:, 4], table[:, 5:].argmax(1)
    if family == "end-to-end":
        table = outputs[0][0]
        table = table[(table != 0).any(1)]
        return table[:, :4], table[:, 4], table[:, 5].astype(int)
    if family == "ssd":
        scores, corners = outputs[0][0][:, 1:], outputs[1][0]
        return corners * np.array([size[0], size[1]] * 2), scores.max(1), scores.argmax(1)
    if family == "classifier":
        p = softmax(outputs[0][0].astype(np.float64))
        return np.array([[0, 0, *size]], float), p.max(keepdims=True), np.array([p.argmax()])
    if family == "anomaly-map":
        grid = outputs[0][0, 0]
        count, labels = cv2.connectedComponents((grid >= spec["confidence"]).astype(np.uint8), connectivity=8)
        px, py = size[0] / grid.shape[1], size[1] / grid.shape[0]
        found = []
        for label in range(1, count):
            ys, xs = np.nonzero(labels == label)
            found.append([xs.min() * px, ys.min() * py, (xs.max() + 1) * px, (ys.max() + 1) * py, grid[labels == label].max()])
        found = np.array(found).reshape(-1, 5)
        return found[:, :4], found[:, 4], np.zeros(len(found), int)
    raise ValueError(family)


def overlap(a, b):
    w = min(a[2], b[2]) - max(a[0], b[0])
    h = min(a[3], b[3]) - max(a[1], b[1])
    if w <= 0 or h <= 0:
        return 0.0
    area = lambda c: (c[2] - c[0]) * (c[3] - c[1])  # noqa: E731
    return w * h / (area(a) + area(b) - w * h)


def detections(spec, outputs, place):
    corners, scores, kinds = rows_of(spec, outputs)
    limits = np.array([spec.get("per_class", {}).get(k, spec["confidence"]) for k in range(spec["classes"])])
    close = np.abs(scores - limits[kinds]).min(initial=1.0)
    sure = scores >= limits[kinds]
    corners, scores, kinds = corners[sure], scores[sure], kinds[sure]
    order = np.argsort(-scores, kind="stable")
    kept = []
    for i in order:
        overlaps = [overlap(corners[i], corners[j]) for j in kept if kinds[i] == kinds[j]]
        if spec["decoder"] in ("end-to-end", "classifier", "anomaly-map"):
            overlaps = []
        close = min([close, *(abs(o - spec["iou"]) for o in overlaps)])
        if all(o <= spec["iou"] for o in overlaps):
            kept.append(i)
    left, top, sx, sy = place
    found = []
    for i in kept:
        x0, y0, x1, y1 = (corners[i] - [left, top, left, top]) * [sx, sy, sx, sy]
        x0, x1 = np.clip([x0, x1], 0, WIDTH)
        y0, y1 = np.clip([y0, y1], 0, HEIGHT)
        if x1 > x0 and y1 > y0:
            found.append((int(kinds[i]), float(scores[i]), x0, y0, x1 - x0, y1 - y0))
    return found, close


# --- cases ---------------------------------------------------------------------------------------------------------

COMMON = {"size": [96, 96], "classes": 3, "confidence": 0.45, "iou": 0.45}
CASES = {
    "yolov8": (yolov8, {"decoder": "yolov8", "per_class": {1: 0.6}}),
    "yolov8-open-batch": (yolov8, {"decoder": "yolov8", "size": [64, 64], "open": True}),
    "yolov8-bytes": (yolov8, {"decoder": "yolov8", "bytes": True, "scale": 1.0}),
    "yolov5": (yolov5, {"decoder": "yolov5", "resize": "stretch", "confidence": 0.3}),
    "yolox": (yolox, {"decoder": "yolox", "resize": "letterbox-corner", "colour": "bgr", "confidence": 0.35}),
    "end-to-end": (end_to_end, {"decoder": "end-to-end", "size": [128, 96], "confidence": 0.3}),
    "ssd": (ssd, {"decoder": "ssd", "resize": "stretch", "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}),
    "ssd-bgr": (ssd, {"decoder": "ssd", "size": [128, 64], "colour": "bgr", "scale": 0.0078125, "mean": [1.0], "std": [1.0]}),
    "classifier": (classifier, {"decoder": "classifier", "size": [64, 48], "resize": "stretch", "confidence": 0.2}),
    "classifier-gray": (classifier, {"decoder": "classifier", "colour": "gray", "mean": [0.5], "std": [0.25], "confidence": 0.2}),
    "anomaly-map": (anomaly_map, {"decoder": "anomaly-map", "classes": 1, "confidence": 0.5}),
}


def manifest(name, spec, digest):
    listed = lambda values: "[" + ", ".join(repr(float(v)) for v in values) + "]"  # noqa: E731
    task = {"classifier": "classify", "anomaly-map": "anomaly"}.get(spec["decoder"], "detect")
    lines = ["# Made by models/references/make.py: weights drawn by lot.", "[model]", f'name = "{name}"', 'version = "1.0.0"',
             'file = "model.onnx"', f'sha256 = "{digest}"', f'task = "{task}"', "", "[input]", f"size = {spec['size']}",
             f'colour = "{spec.get("colour", "rgb")}"', f'resize = "{spec.get("resize", "letterbox")}"', f"scale = {spec.get('scale', 1 / 255)!r}",
             f"mean = {listed(spec.get('mean', [0.0]))}", f"std = {listed(spec.get('std', [1.0]))}", "", "[output]",
             f'decoder = "{spec["decoder"]}"', f"confidence = {spec['confidence']}", f"iou = {spec['iou']}"]
    for index in range(spec["classes"]):
        lines += ["", "[[classes]]", f'name = "class_{index}"']
        if index in spec.get("per_class", {}):
            lines.append(f"confidence = {spec['per_class'][index]}")
    lines += ["", "[[selftest]]", 'image = "../picture.png"', 'expect = "reference.json"']
    return "\n".join(lines) + "\n"


def one_thread():
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return options


def made(build, spec, shown):
    """The first network by lot that sees a few things of several classes, none of them on the brink."""
    tensor, place = prepared(spec, shown)
    for seed in range(200):
        graph = Graph(seed)
        model = graph.model(spec, build(graph, spec))
        session = onnxruntime.InferenceSession(model, one_thread(), providers=["CPUExecutionProvider"])
        found, close = detections(spec, session.run(None, {"picture": tensor}), place)
        enough = 1 if spec["decoder"] == "classifier" else 3
        if enough <= len(found) <= 40 and close > MARGIN and len({f[0] for f in found}) >= min(2, enough, spec["classes"]):
            return model, found, seed
    raise SystemExit(f"no network by lot fits {spec}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, default=OUT)
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    shown = picture()
    cv2.imwrite(str(out / "picture.png"), shown[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])
    for name, (build, special) in CASES.items():
        spec = {**COMMON, **special}
        model, found, seed = made(build, spec, shown)
        folder = out / name
        folder.mkdir(exist_ok=True)
        (folder / "model.onnx").write_bytes(model)
        (folder / "model.toml").write_text(manifest(name, spec, hashlib.sha256(model).hexdigest()))
        as_json = [{"type": f"class_{k}", "confidence": round(s, 6),
                    "bounding_box": {"x": round(x, 4), "y": round(y, 4), "width": round(w, 4), "height": round(h, 4)}}
                   for k, s, x, y, w, h in found]
        (folder / "reference.json").write_text(json.dumps({"detections": as_json}, indent=1) + "\n")
        print(f"{name}: {len(model)} bytes, seed {seed}, {len(found)} detections")


if __name__ == "__main__":
    main()
