#!/usr/bin/env python3
"""Fits what the confidence of a pause is made of (WEIGHTS in vision/src/pause/evidence.rs).

  calibrate.py --score PATH/pause_score [--variants] DIR [DIR ...]

Each DIR holds clips and their truth, from gen.py and hard.py. Nearly all that is found on them is right, so with `--variants` every
second clip is also shown spoiled: too noisy, too blurred, too dark, behind a grid, or played too slow to tell a pan from a rest.
A found pause is right when it overlaps a true one by half of their union. Prints the weights and a reliability table in which each
clip is judged by weights fitted without it. Needs numpy and the ffmpeg programs."""
import argparse, glob, json, math, os, subprocess, tempfile
import numpy as np

# name, filter, factor of time
SPOILED = [("noise", "noise=alls=80:allf=t", 1), ("blur", "gblur=sigma=14,noise=alls=14:allf=t", 1), ("dark", "eq=brightness=-0.42:contrast=0.35,noise=alls=8:allf=t", 1),
           ("grid", "drawgrid=w=70:h=52:t=7:c=black", 1), ("slow", "null", 2.6), ("slower", "null", 4)]

def iou(a, b):
    i = min(a[1], b[1]) - max(a[0], b[0]); return max(0, i) / (max(a[1], b[1]) - min(a[0], b[0]))

def pauses(score, clip, truth, vf, slow):
    probe = ["ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "frame=pts_time", "-of", "csv=p=0", clip]
    times = [float(l.strip(", ")) * slow for l in subprocess.run(probe, capture_output=True, text=True, check=True).stdout.split() if l.strip(", ")]
    with tempfile.NamedTemporaryFile("w", suffix=".pts") as pts:
        pts.write("\n".join(map(str, times))); pts.flush()
        decode = subprocess.Popen(["ffmpeg", "-v", "error", "-noautorotate", "-threads", "1", "-i", clip, "-vf", vf, "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "gray", "-"], stdout=subprocess.PIPE)
        out = subprocess.run([score, f"{truth['width']}x{truth['height']}", pts.name, truth["clip"]], stdin=decode.stdout, capture_output=True, text=True, check=True).stdout; decode.wait()
    return json.loads(out)["pauses"]

def features(e):
    edge = lambda v: math.log1p(min(max(v, 0), 12))
    return [1, e["agreement"], math.sqrt(min(max(e["texture"], 0), 1)), min(max(e["speed"], 0), 1.5), math.log1p(min(max(e["spare_s"], 0) / .5, 4)), edge(e["arrival"]), edge(e["departure"])]

def fit(X, y, pull=.5):
    """logistic regression by Newton's method, with a pull to 0 on all but the constant"""
    w = np.zeros(X.shape[1]); ridge = np.full(X.shape[1], pull); ridge[0] = 1e-3
    for _ in range(60):
        p = 1 / (1 + np.exp(-np.clip(X @ w, -30, 30))); w = w - np.linalg.solve((X * (p * (1 - p))[:, None]).T @ X + np.diag(ridge), X.T @ (p - y) + ridge * w)
    return w

def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0]); ap.add_argument("--score", required=True); ap.add_argument("--variants", action="store_true"); ap.add_argument("dirs", nargs="+"); a = ap.parse_args()
    X, y, clips, kinds = [], [], [], []; number = 0
    for path in sorted(p for d in a.dirs for p in glob.glob(os.path.join(d, "*.json"))):
        truth = json.load(open(path)); clip = os.path.join(os.path.dirname(path), truth["clip"]); number += 1
        for kind, vf, slow in [("as it is", "null", 1)] + (SPOILED[number // 2 % 2::2] if a.variants and number % 2 else []):
            real = [(p["start_s"] * slow, p["end_s"] * slow) for p in truth["pauses"]]
            # Held for longer than a pause may be, or for long enough, once it is played slower: no longer what was labelled.
            odd = [(h["start_s"] * slow, h["end_s"] * slow) for h in truth["hesitations"]] if slow > 1 else []
            for p in pauses(a.score, clip, truth, vf, slow):
                span = (p["start_s"], p["end_s"])
                if any(iou(span, o) > .1 for o in odd): continue
                X.append(features(p["evidence"])); y.append(float(any(iou(span, r) >= .5 for r in real))); clips.append(path); kinds.append(kind)
    X, y, clips, kinds = np.array(X), np.array(y), np.array(clips), np.array(kinds)
    for kind in sorted(set(kinds)): print(f"{kind:10s}{int(sum(kinds == kind)):6d} found{int(sum(1 - y[kinds == kind])):5d} wrong")
    out = np.zeros(len(y))
    names = sorted(set(clips))
    for fold in range(8):
        held = np.isin(clips, names[fold::8]); out[held] = 1 / (1 + np.exp(-X[held] @ fit(X[~held], y[~held])))
    out = np.clip(out, .01, .99)
    print(f"\n{'confidence':14s}{'found':>6s}{'mean':>7s}{'right':>7s}")
    for lo, hi in zip((0, .2, .4, .6, .8, .9, .97), (.2, .4, .6, .8, .9, .97, 1.01)):
        m = (out >= lo) & (out < hi)
        if m.any(): print(f"{lo:.2f} to {min(hi, 1):.2f}  {int(m.sum()):6d}{out[m].mean():7.2f}{y[m].mean():7.2f}")
    right, wrong = out[y > 0], out[y < 1]
    order = (right[:, None] > wrong).mean() + .5 * (right[:, None] == wrong).mean() if len(wrong) else 1.0
    print(f"Brier score {np.mean((out - y) ** 2):.4f} (all alike {y.mean() * (1 - y.mean()):.4f}); right before wrong {order:.3f}")
    print("WEIGHTS: [" + ", ".join(f"{v:.2f}" for v in fit(X, y)) + "]")

if __name__ == "__main__": main()
