"""Measures `fieldeye-agent model learn` with the program itself, on what parts.py drew.

    python measure.py --pictures DIR [--agent target/release/fieldeye-agent] [--learn N] [--json]

For each kind in DIR: learns from DIR/KIND/learn (its first N) and looks at DIR/KIND/good and DIR/KIND/bad with the package's threshold lowered
to 0, which gives each picture its score: the greatest confidence on it. AUROC is the chance that a bad picture scores
higher than a good one. False alarms and what is found are the pictures whose score reaches the threshold of the package.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

THRESHOLD = 0.5  # of the packages that are learnt


def run(*command):
    ended = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if ended.returncode:
        raise SystemExit(f"{' '.join(map(str, command[:6]))} ended {ended.returncode}: {ended.stderr}")
    return json.loads(ended.stdout)


def look(agent, model, pictures):
    """The greatest confidence on each picture."""
    images = run(agent, "detect", *pictures, "--model", model, "--json")["images"]
    return [max((found["confidence"] for found in image["detections"]), default=0.0) for image in images]


def lowered(model, folder):
    """A copy of the package with the threshold at 0: the whole map is one box with its greatest value."""
    folder.mkdir()
    shutil.copy(model / "model.onnx", folder)
    text = re.sub(r"(?m)^confidence = .*$", "confidence = 0.0", (model / "model.toml").read_text())
    (folder / "model.toml").write_text(text)
    return folder


def auroc(good, bad):
    pairs = [(b > g) + 0.5 * (b == g) for b in bad for g in good]
    return sum(pairs) / len(pairs)


def measure(agent, folder, learn, scratch):
    pictures = {part: sorted((folder / part).iterdir()) for part in ("learn", "good", "bad")}
    taught = scratch / "learn"
    taught.mkdir()
    for path in pictures["learn"][:learn]:
        shutil.copy(path, taught)
    start = os.times()
    learnt = run(agent, "model", "learn", "--good", taught, "--out", scratch / "model", "--json")
    end = os.times()
    seconds = end.children_user + end.children_system - start.children_user - start.children_system
    zero = lowered(scratch / "model", scratch / "zero")
    scores = {part: look(agent, zero, pictures[part]) for part in ("good", "bad")}
    over = {part: sum(score >= THRESHOLD for score in scores[part]) for part in scores}
    names = [path.name.split("-")[0] for path in pictures["bad"]]
    return {
        "kind": folder.name, "learnt": learnt["pictures"], "seconds": round(seconds, 1),
        "auroc": round(auroc(scores["good"], scores["bad"]), 4),
        "good": len(scores["good"]), "false_alarms": over["good"],
        "bad": len(scores["bad"]), "found": over["bad"],
        "by_defect": {name: round(auroc(scores["good"], [s for s, n in zip(scores["bad"], names) if n == name]), 3)
                      for name in dict.fromkeys(names)},
        "scores": scores,
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pictures", type=pathlib.Path, required=True)
    parser.add_argument("--agent", default="target/release/fieldeye-agent")
    parser.add_argument("--learn", type=int, default=10**9)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    results = []
    print("| part | learnt from | AUROC | false alarms | found | CPU seconds to learn |\n|---|---|---|---|---|---|")
    for folder in sorted(path for path in arguments.pictures.iterdir() if path.is_dir()):
        with tempfile.TemporaryDirectory() as scratch:
            result = measure(arguments.agent, folder, arguments.learn, pathlib.Path(scratch))
        results.append(result)
        print("| {kind} | {learnt} | {auroc:.3f} | {false_alarms} of {good} | {found} of {bad} | {seconds} |".format(**result), flush=True)
    # One threshold for all: a score of one kind is compared with those of the others.
    good, bad = ([score for result in results for score in result["scores"][part]] for part in ("good", "bad"))
    sums = {name: sum(result[name] for result in results) for name in ("false_alarms", "good", "found", "bad")}
    print("| all | | {:.3f} | {false_alarms} of {good} | {found} of {bad} | |".format(auroc(good, bad), **sums))
    names = dict.fromkeys(name for result in results for name in result["by_defect"])
    print("\n| defect | " + " | ".join(result["kind"] for result in results) + " |\n|---|" + "---|" * len(results))
    for name in names:
        print(f"| {name} | " + " | ".join(f"{result['by_defect'].get(name, float('nan')):.3f}" for result in results) + " |")
    if arguments.json:
        print(json.dumps(results))


if __name__ == "__main__":
    main()
