"""The network: a stem to a quarter of the size, context at an eighth, and a map of centres at a quarter.

Per cell of 4 x 4 px it gives a score for each class, peaked at the centres of bolts, and the box around the centre.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

CLASSES = 3
# Only for learning: where the stripe points on the head and on the plate, as direction (2 x 2) and as line (2 x 2,
# the doubled angle). Whether they agree is what the classes are about; told so, the network finds it ten times sooner.
HINTS = 8
CELL = 4  # px per cell of the output
SIZE_UNIT = 16.0  # a predicted size of 0 is this many px

# name: kernel, channels in, channels out, stride, dilation
CONVS = {
    "stem": (3, 3, 16, 2, 1),
    "half": (3, 16, 24, 2, 1),
    "fine": (3, 24, 24, 1, 1),
    "down": (3, 24, 48, 2, 1),
    "near": (3, 48, 48, 1, 1),
    "far": (3, 48, 48, 1, 2),
    "join": (3, 48, 48, 1, 1),
    "up": (1, 48, 96, 1, 1),
    "head": (3, 24, 32, 1, 1),
    "mix": (1, 32, 48, 1, 1),
    "out": (1, 48, 4 + CLASSES, 1, 1),
    "hints": (1, 32, HINTS, 1, 1),
}
PLAIN = {"up", "out", "hints"}  # without normalisation


def start(seed):
    """Fresh weights, and the running means and variances of the normalisation."""
    rng = np.random.default_rng(seed)
    weights, state = {}, {}
    for name, (kernel, inward, outward, _, _) in CONVS.items():
        spread = np.sqrt(2.0 / (kernel * kernel * inward))
        entry = {"w": rng.normal(0, spread, (kernel, kernel, inward, outward)).astype(np.float32)}
        if name in PLAIN:
            entry["b"] = np.zeros(outward, np.float32)
        else:
            entry["scale"], entry["b"] = np.ones(outward, np.float32), np.zeros(outward, np.float32)
            state[name] = {"mean": np.zeros(outward, np.float32), "var": np.ones(outward, np.float32)}
        weights[name] = entry
    weights["out"]["w"] *= 0.3
    weights["out"]["b"][4:] = -4.0  # at the start nothing is a bolt
    return weights, state


def _conv(x, w, stride, dilation):
    pad = dilation * (w.shape[0] // 2)  # the same on all sides, as ONNX writes it
    return lax.conv_general_dilated(x, w, (stride, stride), [(pad, pad)] * 2, rhs_dilation=(dilation, dilation),
                                    dimension_numbers=("NHWC", "HWIO", "NHWC"))


def apply(weights, state, pictures, training):
    """Pictures [B, H, W, 3] (0 to 1) to maps [B, H/4, W/4, 4+C] of boxes and logits, hints, and the new state."""
    news = {}

    def layer(name, x):
        _, _, _, stride, dilation = CONVS[name]
        entry = weights[name]
        y = _conv(x, entry["w"], stride, dilation)
        if name in PLAIN:
            return y + entry["b"]
        if training:
            mean, var = y.mean((0, 1, 2)), y.var((0, 1, 2))
            news[name] = {"mean": 0.97 * state[name]["mean"] + 0.03 * mean, "var": 0.97 * state[name]["var"] + 0.03 * var}
        else:
            mean, var = state[name]["mean"], state[name]["var"]
        return (y - mean) * lax.rsqrt(var + 1e-4) * entry["scale"] + entry["b"]

    relu = jax.nn.relu
    x = relu(layer("stem", pictures - 0.45))
    x = relu(layer("half", x))
    fine = relu(x + layer("fine", x))
    x = relu(layer("down", fine))
    x = relu(x + layer("near", x))
    x = relu(x + layer("far", x))
    x = relu(x + layer("join", x))
    x = depth_to_space(layer("up", x))
    x = relu(layer("head", relu(fine + x)))
    return layer("out", relu(layer("mix", x))), layer("hints", x), news


def depth_to_space(x):
    """Four channels of a cell become the four cells of a block (ONNX's DCR order)."""
    batch, height, width, channels = x.shape
    x = x.reshape(batch, height, width, 2, 2, channels // 4)
    return x.transpose(0, 1, 3, 2, 4, 5).reshape(batch, height * 2, width * 2, channels // 4)


def folded(weights, state):
    """Weights (OIHW) and biases with the normalisation folded in."""
    plain = {}
    for name in CONVS:
        entry = {k: np.asarray(v, np.float64) for k, v in weights[name].items()}
        w, b = entry["w"], entry["b"]
        if name not in PLAIN:
            factor = entry["scale"] / np.sqrt(np.asarray(state[name]["var"], np.float64) + 1e-4)
            w, b = w * factor, b - np.asarray(state[name]["mean"], np.float64) * factor
        plain[name] = (w.transpose(3, 2, 0, 1).astype(np.float32), b.astype(np.float32))
    return plain
