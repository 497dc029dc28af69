"""Checks the demo clip against its truth: pauses by the program's own pause finder, defects by the default model.

    cargo build --release -p fieldeye-vision --example pause_score
    python check.py path/to/target/release/examples/pause_score [--rate 2]

The model looks at every pause's keyframe and at the rate given in between, as the agent does. Ends with 1 when a pause
or a defect is missed, or when anything is found that isn't there.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import cv2
import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent.parent / "models" / "torque-stripe"), str(HERE)]

import look  # noqa: E402

CLIP = HERE / "lift-hill.mp4"


def pauses(finder, size):
    with tempfile.NamedTemporaryFile("w+") as times:
        probe = ["ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "frame=pts_time", "-of", "json", CLIP]
        shown = json.loads(subprocess.run(probe, stdout=subprocess.PIPE, check=True).stdout)["frames"]
        times.write("\n".join(frame["pts_time"] for frame in shown))
        times.flush()
        decode = subprocess.Popen(["ffmpeg", "-v", "error", "-i", CLIP, "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "gray", "-"],
                                  stdout=subprocess.PIPE)
        found = subprocess.run([finder, size, times.name, "lift-hill"], stdin=decode.stdout, stdout=subprocess.PIPE, check=True)
        decode.wait()
    return json.loads(found.stdout)


def pictures(width, height):
    decode = subprocess.Popen(["ffmpeg", "-v", "error", "-i", CLIP, "-vf", "scale=in_color_matrix=bt709", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"],
                              stdout=subprocess.PIPE)
    size = width * height * 3
    while len(data := decode.stdout.read(size)) == size:
        yield np.frombuffer(data, np.uint8).reshape(height, width, 3)
    decode.wait()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("finder")
    parser.add_argument("--rate", type=float, default=2.0)
    parser.add_argument("--package", type=pathlib.Path, default=look.HERE)
    arguments = parser.parse_args()
    truth = json.loads((HERE / "lift-hill.json").read_text())
    width, height, fps = truth["width"], truth["height"], truth["fps"]
    wrong = []

    found = pauses(arguments.finder, f"{width}x{height}")
    for pause in found["pauses"]:
        print("pause {start_s:.2f} to {end_s:.2f}, keyframe {keyframe_s:.2f}, confidence {confidence:.2f}".format(**pause))
    if len(found["pauses"]) != len(truth["pauses"]) or found["idle"]:
        wrong.append(f"{len(found['pauses'])} pauses found, {len(truth['pauses'])} are there")
    for a, b in zip(found["pauses"], truth["pauses"]):
        if abs(a["start_s"] - b["start_s"]) > 0.5 or abs(a["end_s"] - b["end_s"]) > 0.5:
            wrong.append(f"pause at {b['start_s']} s is off by half a second or more")

    package = look.Package(arguments.package)
    keyframes = {round(p["keyframe_s"] * fps): i for i, p in enumerate(found["pauses"])}
    told = {}
    for index, picture in enumerate(pictures(width, height)):
        sampled = int(index * arguments.rate / fps) != int((index - 1) * arguments.rate / fps)
        if index not in keyframes and not sampled:
            continue
        for left, top, right, bottom, score, class_id in package.look(picture):
            entry = package.manifest["classes"][int(class_id)]
            told.setdefault((entry["name"], index in keyframes), []).append(score)
            if not entry.get("defect", True):
                continue
            near = [d for d in truth["defects"] if d["type"] == entry["name"] and d["first_s"] - 0.5 <= index / fps <= d["last_s"] + 0.5]
            where = f"{index / fps:6.2f} s{' (keyframe)' if index in keyframes else ''}: {entry['name']} {score:.2f} at {left:.0f},{top:.0f} {right - left:.0f}x{bottom - top:.0f}"
            print(where)
            if not near:
                wrong.append(f"false alarm: {where}")
            elif index in keyframes:
                box = near[0]["bounding_box"]
                fit = look.iou((left, top, right, bottom), (box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"]))
                near[0]["found"] = True
                if fit < 0.5:
                    wrong.append(f"not where it is (IoU {fit:.2f}): {where}")
    wrong += [f"missed: {d['type']} at {d['at_s']} s" for d in truth["defects"] if not d.get("found")]
    for (name, keyframe), scores in sorted(told.items()):
        print(f"{name}{' on keyframes' if keyframe else ''}: {len(scores)}, scores {min(scores):.2f} to {max(scores):.2f}")
    print("\n".join(wrong) or "as it should be")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
