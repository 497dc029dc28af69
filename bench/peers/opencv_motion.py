#!/usr/bin/env python3
"""Milliseconds a frame for the motion of a picture, as a script would measure it: shrink, then phase correlation.

    opencv_motion.py VIDEO WIDTHxHEIGHT FRAMES

Frames are decoded and scaled before the clock starts; the grey plane is at hand, as a decoder gives it. One thread.
"""
import json
import statistics
import sys
import time

import cv2
import numpy as np


def main():
    video, size, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    width, height = map(int, size.split("x"))
    cv2.setNumThreads(1)
    capture, greys = cv2.VideoCapture(video), []
    while len(greys) < count:
        there, frame = capture.read()
        if not there:
            break
        grey = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
        greys.append(cv2.resize(grey, (width, height)) if grey.shape != (height, width) else grey)
    window, before, spent = None, None, []
    for grey in greys:
        began = time.perf_counter()
        small = cv2.resize(grey, (160, 160 * height // width), interpolation=cv2.INTER_AREA).astype(np.float32)
        if window is None:
            window = cv2.createHanningWindow(small.shape[::-1], cv2.CV_32F)
        if before is not None:
            cv2.phaseCorrelate(before, small, window)
        before = small
        spent.append((time.perf_counter() - began) * 1e3)
    print(json.dumps({"ms": statistics.median(spent)}))


if __name__ == "__main__":
    main()
