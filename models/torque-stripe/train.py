"""Draws pictures and trains the network on them, with fixed seeds. Drawing takes all cores, training two.

    python train.py --out DIR [--pictures 4000] [--steps 5600] [--start WEIGHTS --rate 2e-3 --seed 2 --weights NAME]

`DIR` gets `weights.npz` (or `NAME`); drawn pictures are kept there for the next run.
"""

import argparse
import functools
import os
import time

# Each of two cores learns from one half of a step's parts, whatever the machine has, so that a run is always the same.
CORES = 2
os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={CORES} --xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

import cv2
import jax
import jax.numpy as jnp
import numpy as np
import optax

import draw
import export
import network
import scenes

SIDE = 208  # of a drawn picture, px of the model's input
# Most of a picture is wall: learning begins with small parts around things, and ends with large ones, for what is none.
# Share of the steps that is over, side of the parts (px, a multiple of 16), parts per step.
STAGES = [(0.0, 80, 40), (0.45, 128, 16), (0.85, 192, 8)]
FIRST_PICTURE = 1_000_000  # seed


def example(seed):
    """A square of model pixels with its boxes. Now and then with padding around, as a letterbox has."""
    rng = np.random.default_rng([seed, 1])
    unit = 2 if rng.random() < 0.6 else 3
    picture, boxes = scenes.photograph(seed, SIDE * unit, SIDE * unit, unit)
    picture = cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    boxes = boxes.copy()
    boxes[:, :4] /= unit
    if rng.random() < 0.06:
        rows = int(rng.integers(8, 60))
        (picture if rng.random() < 0.5 else picture[::-1])[:rows] = 114
        clear = (boxes[:, 1] > rows + 2) & (boxes[:, 3] < SIDE - rows - 2)
        boxes[:, 4] = np.where(clear, boxes[:, 4], ignored(boxes[:, 4]))
    return picture, boxes


def ignored(classes):
    surface = (classes >= draw.BOLTS) | (classes == draw.IGNORED_SURFACE)
    return np.where(surface, draw.IGNORED_SURFACE, draw.IGNORED)


def examples(folder, count):
    path = f"{folder}/pictures-{count}.npz"
    if os.path.exists(path):
        stored = np.load(path, allow_pickle=True)
        return stored["pictures"], list(stored["boxes"])
    began = time.time()
    pictures, boxes = np.empty((count, SIDE, SIDE, 3), np.uint8), []
    for index, (picture, found) in enumerate(scenes.drawn(example, range(FIRST_PICTURE, FIRST_PICTURE + count))):
        pictures[index] = picture
        boxes.append(found)
        if index % 1000 == 999:
            print(f"drawn {index + 1} in {time.time() - began:.0f} s", flush=True)
    kept = np.empty(count, object)
    kept[:] = boxes
    np.savez(path, pictures=pictures, boxes=kept)
    return pictures, boxes


def part(rng, picture, boxes, cut):
    """A square around one of the things, or anywhere. What it cuts off is ignored."""
    corner = rng.integers(0, SIDE - cut + 1, 2)
    judged = boxes[boxes[:, 4] >= 0]
    surface = judged[:, 4] >= draw.BOLTS
    choice = rng.random()
    if choice < 0.9 and len(judged):
        wanted = judged[surface] if (choice < 0.4 and surface.any()) or surface.all() else judged[~surface]
        left, top, right, bottom = wanted[rng.integers(len(wanted))][:4]
        low = np.maximum(np.ceil([right - cut, bottom - cut]).astype(int), 0)
        high = np.minimum(np.floor([left, top]).astype(int), SIDE - cut)
        # What is larger than the part is somewhere in it.
        low, high = np.minimum(low, high), np.maximum(low, high)
        corner = np.clip([rng.integers(a, b + 1) for a, b in zip(low, high)], 0, SIDE - cut)
    x, y = corner
    moved = boxes.copy()
    moved[:, [0, 2]] = np.clip(boxes[:, [0, 2]] - x, 0, cut)
    moved[:, [1, 3]] = np.clip(boxes[:, [1, 3]] - y, 0, cut)
    area = lambda b: (b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1])  # noqa: E731
    share = area(moved) / np.maximum(area(boxes), 1e-6)
    whole = share >= np.where(boxes[:, 4] >= draw.BOLTS, 0.6, 0.9)
    moved[:, 4] = np.where(whole, moved[:, 4], ignored(moved[:, 4]))
    return picture[y:y + cut, x:x + cut], moved[share > 0]


def turned(rng, picture, boxes, cut):
    """One of the eight ways to lay a square, and now and then other colours; rust keeps its own."""
    boxes = boxes.copy()
    if rng.random() < 0.5:
        picture, boxes[:, [0, 2]] = picture[:, ::-1], cut - boxes[:, [2, 0]]
        boxes[:, [5, 8]] *= -1
    if rng.random() < 0.5:
        picture, boxes[:, [1, 3]] = picture[::-1], cut - boxes[:, [3, 1]]
        boxes[:, [6, 9]] *= -1
    if rng.random() < 0.5:
        picture, boxes = picture.transpose(1, 0, 2), boxes[:, [1, 0, 3, 2, 4, 6, 5, 7, 9, 8, 10]]
    rusty = ((boxes[:, 4] == draw.CORROSION) | (boxes[:, 4] == draw.IGNORED_SURFACE)).any()
    if rng.random() < 0.4 and not rusty:
        picture = picture[..., rng.permutation(3)]
    return picture, boxes


def targets(one, boxes, cut):
    """For one map, per cell: heat per class, class, box, weight of these two, where the heat counts, hints, where they
    are."""
    cells = cut // one.cell
    heat = np.zeros((cells, cells, len(one.classes)), np.float32)
    place = np.zeros((cells, cells, 4), np.float32)
    kind = np.zeros((cells, cells), np.int32)
    hints = np.zeros((cells, cells, network.HINTS), np.float32)
    hinted = np.zeros((cells, cells, network.HINTS), np.float32)
    weight = np.zeros((cells, cells), np.float32)
    counts = np.ones((cells, cells), np.float32)
    ys, xs = np.mgrid[0:cells, 0:cells]
    doubtful = draw.IGNORED if one.layer == "bolts" else draw.IGNORED_SURFACE
    for left, top, right, bottom, state, *stripe in boxes:
        cx, cy = (left + right) / 2 / one.cell, (top + bottom) / 2 / one.cell
        width, height = right - left, bottom - top
        if state == doubtful:
            reach = [max(v / one.cell * 0.5, 1) for v in (width, height)]
            counts[(np.abs(xs + 0.5 - cx) <= reach[0]) & (np.abs(ys + 0.5 - cy) <= reach[1])] = 0
        if int(state) not in one.classes:
            continue
        class_id = int(state) - one.classes.start
        x, y = min(int(cx), cells - 1), min(int(cy), cells - 1)
        spread = np.clip(0.11 * np.sqrt(width * height) / one.cell, 0.55, 1.6)
        bell = np.exp(-((xs - x) ** 2 + (ys - y) ** 2) / (2 * spread**2)).astype(np.float32)
        heat[..., class_id] = np.maximum(heat[..., class_id], bell)
        mine = bell * (np.hypot(xs - x, ys - y) < 1.5) > weight
        weight[mine] = bell[mine]
        kind[mine] = class_id
        (hx, hy, sure), (px, py, also) = stripe[:3], stripe[3:]
        hints[mine] = [hx, hy, px, py, hx * hx - hy * hy, 2 * hx * hy, px * px - py * py, 2 * px * py]
        hinted[mine] = np.repeat([sure > 1, also > 1, sure > 0, also > 0], 2)
        values = [cx - xs - 0.5, cy - ys - 0.5, np.full(xs.shape, np.log(max(width, 1) / one.size_unit)),
                  np.full(xs.shape, np.log(max(height, 1) / one.size_unit))]
        place[mine] = np.stack(values, -1)[mine]
    return heat, kind, place, weight, counts, hints, hinted


def batch(rng, pictures, boxes, cut, size):
    chosen = rng.integers(0, len(pictures), size)
    made = [turned(rng, *part(rng, pictures[i], boxes[i], cut), cut) for i in chosen]
    wanted = {one.layer: [np.stack(v) for v in zip(*(targets(one, b, cut) for _, b in made))] for one in network.MAPS}
    return np.stack([p for p, _ in made]), wanted


def loss_of(weights, state, pictures, wanted, key):
    """Focal loss of the heat (CenterNet's), cross entropy of the classes where things are, smooth L1 of the boxes."""
    keys = jax.random.split(key, 2)
    x = pictures.astype(jnp.float32) / 255
    size = x.shape[0]
    x = (x - 0.5) * jax.random.uniform(keys[0], (size, 1, 1, 1), minval=0.7, maxval=1.2) + 0.5
    x = jnp.clip(x + jax.random.uniform(keys[1], (size, 1, 1, 3), minval=-0.08, maxval=0.08), 0, 1)
    values, news = network.apply(weights, state, x, True)
    total, parts = 0.0, []
    for one in network.MAPS:
        heat, kind, place, weight, counts, hints, hinted = wanted[one.layer]
        logits, boxes = values[one.layer][..., 4:], values[one.layer][..., :4]
        p = jnp.clip(jax.nn.sigmoid(logits), 1e-5, 1 - 1e-5)
        centre = heat == 1.0
        gain = jnp.where(centre, (1 - p) ** 2 * jnp.log(p), (1 - heat) ** 4 * p**2 * jnp.log(1 - p))
        heat_loss = -(gain * counts[..., None]).sum() / jnp.maximum(centre.sum(), 4.0)
        off = jnp.abs(boxes - place)
        off = jnp.where(off < 0.1, off * off * 5, off - 0.05) * jnp.array([1.0, 1.0, 2.0, 2.0])
        box_loss = (off * weight[..., None]).sum() / jnp.maximum(weight.sum(), 1.0)
        right = jnp.take_along_axis(jax.nn.log_softmax(logits), kind[..., None], -1)[..., 0]
        class_loss = -(right * weight).sum() / jnp.maximum(weight.sum(), 1.0)
        total += heat_loss + 0.5 * class_loss + 0.5 * box_loss
        parts += [heat_loss, class_loss, box_loss]
        if one.layer == "bolts":
            there = hinted * weight[..., None]
            hint_loss = (there * (values["hints"] - hints) ** 2).sum() / jnp.maximum(there.sum(), 1.0)
            total += 2.0 * hint_loss
            parts.append(hint_loss)
    return total, (news, parts)


LOSSES = ["heat", "class", "box", "hints", "surface heat", "class", "box"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", required=True)
    parser.add_argument("--pictures", type=int, default=4000)
    parser.add_argument("--steps", type=int, default=5600)
    parser.add_argument("--rate", type=float, default=4e-3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--start", help="weights to go on from")
    parser.add_argument("--weights", default="weights.npz", help="name of what is written to DIR")
    arguments = parser.parse_args()
    os.makedirs(arguments.out, exist_ok=True)
    pictures, boxes = examples(arguments.out, arguments.pictures)
    weights, state = export.load(arguments.start) if arguments.start else network.start(arguments.seed)
    print("weights of the package:", network.count(weights), flush=True)

    warm_up = lambda count: jnp.minimum(1.0, (count + 1) / 150)  # noqa: E731
    fall = lambda count: 0.5 + 0.5 * jnp.cos(jnp.pi * count / arguments.steps)  # noqa: E731
    rate = lambda count: arguments.rate * warm_up(count) * fall(count) + 1e-5  # noqa: E731
    rule = optax.chain(optax.clip_by_global_norm(5.0), optax.adamw(rate, weight_decay=2e-4))
    memory = rule.init(weights)
    twice = lambda tree: jax.tree.map(lambda v: jnp.stack([v] * CORES), tree)  # noqa: E731
    once = lambda tree: jax.tree.map(lambda v: v[0], tree)  # noqa: E731
    halves = lambda tree: jax.tree.map(lambda v: v.reshape(CORES, -1, *v.shape[1:]), tree)  # noqa: E731
    average = weights
    weights, state, memory, average = twice((weights, state, memory, average))

    @functools.partial(jax.pmap, axis_name="cores", devices=jax.devices()[:CORES])
    def step(weights, state, memory, average, key, *data):
        (_, (news, losses)), slope = jax.value_and_grad(loss_of, has_aux=True)(weights, state, *data, key)
        slope, news, losses = jax.lax.pmean((slope, news, losses), "cores")
        change, memory = rule.update(slope, memory, weights)
        weights = optax.apply_updates(weights, change)
        average = jax.tree.map(lambda a, w: 0.995 * a + 0.005 * w, average, weights)
        return weights, news, memory, average, jnp.stack(losses)

    rng = np.random.default_rng(arguments.seed)
    key = jax.random.key(arguments.seed)
    began, sums = time.process_time(), np.zeros(len(LOSSES))
    for count in range(arguments.steps):
        done = count / arguments.steps
        key, *now = jax.random.split(key, CORES + 1)
        _, cut, size = [stage for stage in STAGES if stage[0] <= done][-1]
        data = halves(batch(rng, pictures, boxes, cut, size))
        weights, state, memory, average, losses = step(weights, state, memory, average, jnp.stack(now), *data)
        sums += np.asarray(losses[0])
        if count % 100 == 99:
            told = "  ".join(f"{name} {value:.3f}" for name, value in zip(LOSSES, sums / 100))
            print(f"{time.process_time() - began:6.0f} s  step {count + 1}  {told}", flush=True)
            sums[:] = 0
            save(f"{arguments.out}/{arguments.weights}", once(average), once(state))
    save(f"{arguments.out}/{arguments.weights}", once(average), once(state))


def save(path, weights, state):
    """As `export.load` reads it."""
    flat = {f"weights/{n}/{k}": np.asarray(v) for n, entry in weights.items() for k, v in entry.items()}
    flat |= {f"state/{n}/{k}": np.asarray(v) for n, entry in state.items() for k, v in entry.items()}
    np.savez(path, **flat)


if __name__ == "__main__":
    main()
