#!/usr/bin/env python3
"""Milliseconds a picture for a package in Python: letterbox and tensor with OpenCV, then ONNX Runtime, one thread.

    ort_model.py MODEL_DIR FRAMES [--tensor IN.f32 --output OUT.f32]

The frame is 1280 x 720 I420, as a decoder gives it. With a tensor it also writes what the model says to it.
"""
import argparse
import json
import pathlib
import statistics
import time
import tomllib

import cv2
import numpy as np
import onnxruntime


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("frames", type=int)
    parser.add_argument("--tensor", type=pathlib.Path)
    parser.add_argument("--output", type=pathlib.Path)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    manifest = tomllib.loads((arguments.model / "model.toml").read_text())
    width, height = manifest["input"]["size"]
    mean = np.array(manifest["input"].get("mean", [0.0] * 3), np.float32).reshape(1, 3, 1, 1)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    began = time.perf_counter()
    session = onnxruntime.InferenceSession(str(arguments.model / manifest["model"]["file"]), options, providers=["CPUExecutionProvider"])
    load = (time.perf_counter() - began) * 1e3
    name = session.get_inputs()[0].name
    planes = np.random.default_rng(1).integers(0, 256, (720 * 3 // 2, 1280), np.uint8)
    preprocess, inference = [], []
    for _ in range(arguments.frames):
        began = time.perf_counter()
        frame = cv2.cvtColor(planes, cv2.COLOR_YUV2BGR_I420)
        ratio = min(width / 1280, height / 720)
        w, h = round(1280 * ratio), round(720 * ratio)
        canvas = np.full((height, width, 3), 114, np.uint8)
        left, top = (width - w) // 2, (height - h) // 2
        canvas[top : top + h, left : left + w] = cv2.resize(frame, (w, h), interpolation=cv2.INTER_AREA)
        tensor = cv2.dnn.blobFromImage(canvas, 1 / 255, swapRB=True) - mean
        ready = time.perf_counter()
        session.run(None, {name: tensor})
        preprocess.append((ready - began) * 1e3)
        inference.append((time.perf_counter() - ready) * 1e3)
    if arguments.tensor:
        shape = session.get_inputs()[0].shape
        given = np.fromfile(arguments.tensor, np.float32).reshape(shape)
        session.run(None, {name: given})[0].astype(np.float32).tofile(arguments.output)
    print(json.dumps({"load": load, "preprocess": statistics.median(preprocess), "inference": statistics.median(inference)}))


if __name__ == "__main__":
    main()
