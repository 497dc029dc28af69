#!/usr/bin/env python3
"""The script that most people would write: frames from OpenCV, pauses from grey differences, defects from ONNX Runtime.

    opencv_ort.py VIDEO MODEL_DIR [--every 6] [--threads N]

Every frame is turned grey and compared with the one before; every sixth frame is looked at by the detector; everything goes into
SQLite. `--threads 1` pins the decoder and the detector to one thread (`CAP_PROP_N_THREADS`, `intra_op_num_threads`); without it
both do as they like. Prints what it found as JSON.
"""
import argparse
import json
import pathlib
import sqlite3
import tempfile
import tomllib

import cv2
import numpy as np
import onnxruntime

STILL = 1.2  # mean grey difference of a picture at rest


def letterbox(frame, width, height, pad):
    ratio = min(width / frame.shape[1], height / frame.shape[0])
    w, h = round(frame.shape[1] * ratio), round(frame.shape[0] * ratio)
    small = cv2.resize(frame, (w, h), interpolation=cv2.INTER_LINEAR)
    canvas = np.full((height, width, 3), pad, np.uint8)
    left, top = (width - w) // 2, (height - h) // 2
    canvas[top : top + h, left : left + w] = small
    return canvas, ratio, left, top


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("video")
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--every", type=int, default=6)
    parser.add_argument("--threads", type=int, default=0)
    arguments = parser.parse_args()
    manifest = tomllib.loads((arguments.model / "model.toml").read_text())
    width, height = manifest["input"]["size"]
    mean = np.array(manifest["input"].get("mean", [0.0] * 3), np.float32).reshape(1, 3, 1, 1)
    default = manifest["output"]["confidence"]
    limits = [c.get("confidence", default) for c in manifest["classes"]]
    options = onnxruntime.SessionOptions()
    parameters = []
    if arguments.threads:
        cv2.setNumThreads(arguments.threads)
        options.intra_op_num_threads = arguments.threads
        parameters = [cv2.CAP_PROP_N_THREADS, arguments.threads]
    session = onnxruntime.InferenceSession(str(arguments.model / manifest["model"]["file"]), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    with tempfile.TemporaryDirectory() as folder:
        database = sqlite3.connect(f"{folder}/found.db")
        database.execute("CREATE TABLE pauses (start_s REAL, end_s REAL)")
        database.execute("CREATE TABLE defects (at_s REAL, type TEXT, score REAL, x REAL, y REAL, w REAL, h REAL)")
        video = cv2.VideoCapture(arguments.video, cv2.CAP_FFMPEG, parameters)
        fps = video.get(cv2.CAP_PROP_FPS)
        before, since, frames, looks = None, None, 0, 0
        while True:
            there, frame = video.read()
            if not there:
                break
            at = frames / fps
            grey = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
            if before is not None:
                still = cv2.absdiff(grey, before).mean() < STILL
                if still and since is None:
                    since = at
                elif not still and since is not None:
                    if at - since >= 1.0:
                        database.execute("INSERT INTO pauses VALUES (?, ?)", (since, at))
                    since = None
            before = grey
            if frames % arguments.every == 0:
                looks += 1
                canvas, ratio, left, top = letterbox(frame, width, height, manifest["input"].get("pad", 114))
                tensor = cv2.dnn.blobFromImage(canvas, 1 / 255, swapRB=True) - mean
                table = session.run(None, {name: tensor})[0][0]
                kinds, scores = table[4:].argmax(0), table[4:].max(0)
                for kind in range(len(limits)):
                    mine = np.flatnonzero((kinds == kind) & (scores >= limits[kind]))
                    if not len(mine):
                        continue
                    cx, cy, w, h = table[:4, mine]
                    boxes = np.stack([(cx - w / 2 - left) / ratio, (cy - h / 2 - top) / ratio, w / ratio, h / ratio], 1)
                    for i in np.array(cv2.dnn.NMSBoxes(boxes.tolist(), scores[mine].tolist(), limits[kind], manifest["output"]["iou"])).ravel():
                        database.execute("INSERT INTO defects VALUES (?, ?, ?, ?, ?, ?, ?)",
                                         (at, manifest["classes"][kind]["name"], float(scores[mine][i]), *map(float, boxes[i])))
            frames += 1
        if since is not None and frames / fps - since >= 1.0:
            database.execute("INSERT INTO pauses VALUES (?, ?)", (since, frames / fps))
        database.commit()
        wanted = {c["name"] for c in manifest["classes"] if c.get("defect", True)}
        # Seen on two looks at least: one may be a mistake.
        seen = database.execute("SELECT type, count(*) FROM defects GROUP BY type HAVING count(*) > 1").fetchall()
        print(json.dumps({
            "frames": frames, "looks": looks,
            "pauses": [{"start_s": a, "end_s": b} for a, b in database.execute("SELECT * FROM pauses ORDER BY start_s")],
            "types": sorted(kind for kind, _ in seen if kind in wanted),
        }))


if __name__ == "__main__":
    main()
