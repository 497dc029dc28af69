"""Draws pictures and trains the network on them. One core; `--minutes` are those of the processor.

    python train.py --out DIR [--pictures 4000] [--minutes 16]

`DIR` gets `weights.npz`; drawn pictures are kept there for the next run.
"""

import argparse
import os
import time

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")

import cv2
import jax
import jax.numpy as jnp
import numpy as np
import optax

import draw
import network

SIDE = 208  # of a drawn picture, px of the model's input
# Most of a picture is wall: learning goes on with small parts around bolts, and ends with large ones, for what is none.
# Share of the time that is over, side of the parts (px), parts per step.
STAGES = [(0.0, 64, 80), (0.5, 144, 16)]
TRAIN_SEED = 1_000_000


def example(seed):
    """A square of model pixels with its boxes. Now and then with padding around, as a letterbox has."""
    rng = np.random.default_rng([seed, 1])
    unit = 2 if rng.random() < 0.5 else 3
    picture, boxes = draw.photograph(seed, SIDE * unit, SIDE * unit, unit)
    picture = cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    boxes = boxes.copy()
    boxes[:, :4] /= unit
    if rng.random() < 0.06:
        rows = int(rng.integers(8, 60))
        (picture if rng.random() < 0.5 else picture[::-1])[:rows] = 114
        boxes[:, 4] = np.where((boxes[:, 1] > rows + 2) & (boxes[:, 3] < SIDE - rows - 2), boxes[:, 4], draw.IGNORED)
    return picture, boxes


def examples(folder, count, seed=TRAIN_SEED):
    path = f"{folder}/pictures-{count}-{seed}.npz"
    if os.path.exists(path):
        stored = np.load(path, allow_pickle=True)
        return stored["pictures"], list(stored["boxes"])
    began = time.time()
    pictures, boxes = np.empty((count, SIDE, SIDE, 3), np.uint8), []
    for index in range(count):
        pictures[index], found = example(seed + index)
        boxes.append(found)
        if index % 1000 == 999:
            print(f"drawn {index + 1} in {time.time() - began:.0f} s", flush=True)
    kept = np.empty(count, object)
    kept[:] = boxes
    np.savez(path, pictures=pictures, boxes=kept)
    return pictures, boxes


def part(rng, picture, boxes, cut):
    """A square around one of the bolts, or anywhere. What it cuts off is ignored."""
    corner = rng.integers(0, SIDE - cut + 1, 2)
    judged = boxes[boxes[:, 4] != draw.IGNORED]
    if len(judged) and rng.random() < 0.88:
        left, top, right, bottom = judged[rng.integers(len(judged))][:4]
        low = np.maximum(np.ceil([right - cut, bottom - cut]).astype(int), 0)
        high = np.minimum(np.floor([left, top]).astype(int), SIDE - cut)
        corner = np.array([rng.integers(a, max(a, b) + 1) for a, b in zip(low, high)])
    x, y = corner
    moved = boxes.copy()
    moved[:, [0, 2]] = np.clip(boxes[:, [0, 2]] - x, 0, cut)
    moved[:, [1, 3]] = np.clip(boxes[:, [1, 3]] - y, 0, cut)
    area = lambda b: (b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1])  # noqa: E731
    share = area(moved) / np.maximum(area(boxes), 1e-6)
    moved[share < 0.9, 4] = draw.IGNORED
    return picture[y:y + cut, x:x + cut], moved[share > 0]


def turned(rng, picture, boxes, cut):
    """One of the eight ways to lay a square, and now and then other colours."""
    boxes = boxes.copy()
    if rng.random() < 0.5:
        picture, boxes[:, [0, 2]] = picture[:, ::-1], cut - boxes[:, [2, 0]]
        boxes[:, [5, 8]] *= -1
    if rng.random() < 0.5:
        picture, boxes[:, [1, 3]] = picture[::-1], cut - boxes[:, [3, 1]]
        boxes[:, [6, 9]] *= -1
    if rng.random() < 0.5:
        picture, boxes = picture.transpose(1, 0, 2), boxes[:, [1, 0, 3, 2, 4, 6, 5, 7, 9, 8, 10]]
    if rng.random() < 0.4:
        picture = picture[..., rng.permutation(3)]
    return picture, boxes


def targets(boxes, cut):
    """Heat per class, class and box per cell, weight of these two, where the heat counts, hints and where they are."""
    cells = cut // network.CELL
    heat = np.zeros((cells, cells, network.CLASSES), np.float32)
    place = np.zeros((cells, cells, 4), np.float32)
    kind = np.zeros((cells, cells), np.int32)
    hints = np.zeros((cells, cells, network.HINTS), np.float32)
    hinted = np.zeros((cells, cells, network.HINTS), np.float32)
    weight = np.zeros((cells, cells), np.float32)
    counts = np.ones((cells, cells), np.float32)
    ys, xs = np.mgrid[0:cells, 0:cells]
    for left, top, right, bottom, state, *stripe in boxes:
        cx, cy = (left + right) / 2 / network.CELL, (top + bottom) / 2 / network.CELL
        width, height = right - left, bottom - top
        if state == draw.IGNORED:
            near = (np.abs(xs + 0.5 - cx) <= width / 8 + 1) & (np.abs(ys + 0.5 - cy) <= height / 8 + 1)
            counts[near] = 0
            continue
        x, y = min(int(cx), cells - 1), min(int(cy), cells - 1)
        spread = np.clip(0.11 * np.sqrt(width * height) / network.CELL, 0.55, 1.6)
        bell = np.exp(-((xs - x) ** 2 + (ys - y) ** 2) / (2 * spread**2)).astype(np.float32)
        heat[..., int(state)] = np.maximum(heat[..., int(state)], bell)
        mine = bell * (np.hypot(xs - x, ys - y) < 1.5) > weight
        weight[mine] = bell[mine]
        kind[mine] = int(state)
        (hx, hy, sure), (px, py, also) = stripe[:3], stripe[3:]
        hints[mine] = [hx, hy, px, py, hx * hx - hy * hy, 2 * hx * hy, px * px - py * py, 2 * px * py]
        hinted[mine] = np.repeat([sure > 1, also > 1, sure > 0, also > 0], 2)
        values = [cx - xs - 0.5, cy - ys - 0.5, np.full(xs.shape, np.log(width / network.SIZE_UNIT)),
                  np.full(xs.shape, np.log(height / network.SIZE_UNIT))]
        place[mine] = np.stack(values, -1)[mine]
    return heat, kind, place, weight, counts, hints, hinted


def batch(rng, pictures, boxes, cut, size):
    chosen = rng.integers(0, len(pictures), size)
    made = [turned(rng, *part(rng, pictures[i], boxes[i], cut), cut) for i in chosen]
    stacked = [np.stack(part) for part in zip(*(targets(b, cut) for _, b in made))]
    return np.stack([p for p, _ in made]), *stacked


def loss_of(weights, state, pictures, heat, kind, place, weight, counts, hints, hinted, key):
    """Focal loss of the heat (CenterNet's), cross entropy of the classes where bolts are, smooth L1 of the boxes."""
    keys = jax.random.split(key, 3)
    x = pictures.astype(jnp.float32) / 255
    size = x.shape[0]
    x = (x - 0.5) * jax.random.uniform(keys[0], (size, 1, 1, 1), minval=0.7, maxval=1.2) + 0.5
    x = x + jax.random.uniform(keys[1], (size, 1, 1, 3), minval=-0.08, maxval=0.08)
    x = jnp.clip(x + jax.random.normal(keys[2], x.shape) * 0.008, 0, 1)
    maps, guesses, news = network.apply(weights, state, x, True)
    logits, boxes = maps[..., 4:], maps[..., :4]
    p = jnp.clip(jax.nn.sigmoid(logits), 1e-5, 1 - 1e-5)
    centre = heat == 1.0
    gain = jnp.where(centre, (1 - p) ** 2 * jnp.log(p), (1 - heat) ** 4 * p**2 * jnp.log(1 - p))
    number = jnp.maximum(centre.sum(), 1.0)
    heat_loss = -(gain * counts[..., None]).sum() / number
    off = jnp.abs(boxes - place)
    off = jnp.where(off < 0.1, off * off * 5, off - 0.05) * jnp.array([1.0, 1.0, 2.0, 2.0])
    box_loss = (off * weight[..., None]).sum() / jnp.maximum(weight.sum(), 1.0)
    right = jnp.take_along_axis(jax.nn.log_softmax(logits), kind[..., None], -1)[..., 0]
    class_loss = -(right * weight).sum() / jnp.maximum(weight.sum(), 1.0)
    there = hinted * weight[..., None]
    hint_loss = (there * (guesses - hints) ** 2).sum() / jnp.maximum(there.sum(), 1.0)
    total = heat_loss + 0.5 * class_loss + 0.5 * box_loss + 2.0 * hint_loss
    return total, (news, heat_loss, class_loss, box_loss, hint_loss)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", required=True)
    parser.add_argument("--pictures", type=int, default=4000)
    parser.add_argument("--minutes", type=float, default=16)
    parser.add_argument("--from", dest="start", help="weights.npz to go on from")
    parser.add_argument("--rate", type=float, default=4e-3)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    os.makedirs(arguments.out, exist_ok=True)
    pictures, boxes = examples(arguments.out, arguments.pictures)
    weights, state = network.start(arguments.seed)
    if arguments.start:
        for old, new in zip(load(arguments.start), (weights, state)):
            new.update({n: e for n, e in old.items() if n in new and all(e[k].shape == new[n][k].shape for k in e)})
    print("parameters:", sum(v.size for entry in weights.values() for v in entry.values()), flush=True)

    # The rate follows the share of the time that is over, so that the run ends well on a machine of any speed.
    optimiser = optax.inject_hyperparams(lambda rate: optax.chain(optax.clip_by_global_norm(5.0), optax.adamw(rate, weight_decay=2e-4)))(rate=0.0)
    memory = optimiser.init(weights)
    average = jax.tree.map(jnp.asarray, weights)

    @jax.jit
    def step(weights, state, memory, average, key, *data):
        (_, (news, *losses)), slope = jax.value_and_grad(loss_of, has_aux=True)(weights, state, *data, key)
        change, memory = optimiser.update(slope, memory, weights)
        weights = optax.apply_updates(weights, change)
        average = jax.tree.map(lambda a, w: 0.995 * a + 0.005 * w, average, weights)
        return weights, news, memory, average, jnp.stack(losses)

    rng = np.random.default_rng(arguments.seed)
    key = jax.random.key(arguments.seed)
    began, count, sums = time.process_time(), 0, np.zeros(4)
    while (done := (time.process_time() - began) / (60 * arguments.minutes)) < 1:
        key, now = jax.random.split(key)
        warm = min(1.0, (count + 1) / 150)
        memory.hyperparams["rate"] = jnp.float32(arguments.rate * warm * (0.5 + 0.5 * np.cos(np.pi * done)) + 1e-5)
        _, cut, size = [stage for stage in STAGES if stage[0] <= done][-1]
        weights, state, memory, average, losses = step(weights, state, memory, average, now, *batch(rng, pictures, boxes, cut, size))
        sums += np.asarray(losses)
        count += 1
        if count % 100 == 0:
            print(f"{time.process_time() - began:6.0f} s  step {count}  heat {sums[0] / 100:.3f}  class {sums[1] / 100:.3f}  box {sums[2] / 100:.3f}  hints {sums[3] / 100:.3f}", flush=True)
            sums[:] = 0
        if count % 200 == 0:
            save(f"{arguments.out}/weights.npz", average, state)
    save(f"{arguments.out}/weights.npz", average, state)


def save(path, weights, state):
    flat = {f"weights/{n}/{k}": np.asarray(v) for n, entry in weights.items() for k, v in entry.items()}
    flat |= {f"state/{n}/{k}": np.asarray(v) for n, entry in state.items() for k, v in entry.items()}
    np.savez(path, **flat)


def load(path):
    parts = {"weights": {}, "state": {}}
    with np.load(path) as stored:
        for name in stored.files:
            kind, layer, key = name.split("/")
            parts[kind].setdefault(layer, {})[key] = stored[name]
    return parts["weights"], parts["state"]


if __name__ == "__main__":
    main()
