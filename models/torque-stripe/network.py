"""The network: plain convolutions down to an eighth of the size for bolts, and to a sixteenth for surfaces.

Per cell of 8 x 8 px the bolt map has a box and a score for each of the three bolt classes, peaked at the centres of
bolts; per cell of 16 x 16 px the surface map has the same for corrosion and cracks. Two maps, because rust around a bolt
has the bolt's centre, and a cell tells one class.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

BOLTS, SURFACES = 3, 2  # classes of the two maps, in the order of the manifest
CLASSES = BOLTS + SURFACES
# Only for learning: where the stripe points on the head and on the plate, as direction (2 x 2) and as line (2 x 2,
# the doubled angle). Whether they agree is what the classes are about; told so, the network finds it ten times sooner.
HINTS = 8
MIDDLE = 0.45  # taken from every pixel, of 0 to 1


@dataclass(frozen=True)
class Layer:
    """A convolution of what another layer gives, normalised and cut at zero."""

    name: str
    source: str
    kernel: int
    inward: int
    outward: int
    stride: int = 1
    dilation: int = 1
    residual: bool = False  # what comes in is added before it is cut
    plain: bool = False  # only the convolution, with a bias


LAYERS = [
    Layer("stem", "picture", 3, 3, 16, 2),
    Layer("half", "stem", 3, 16, 32, 2),
    Layer("fine", "half", 3, 32, 32, residual=True),
    Layer("down", "fine", 3, 32, 64, 2),
    Layer("near", "down", 3, 64, 64, residual=True),
    Layer("far", "near", 3, 64, 64, dilation=2, residual=True),
    Layer("deep", "far", 3, 64, 96, 2),
    Layer("deep_near", "deep", 3, 96, 96, residual=True),
    Layer("deep_far", "deep_near", 3, 96, 96, dilation=2, residual=True),
    Layer("deep_join", "deep_far", 3, 96, 96, residual=True),
    Layer("bolts_head", "far", 3, 64, 64, residual=True),
    Layer("bolts", "bolts_head", 1, 64, 4 + BOLTS, plain=True),
    Layer("surfaces", "deep_join", 1, 96, 4 + SURFACES, plain=True),
    Layer("hints", "bolts_head", 1, 64, HINTS, plain=True),
]
TRAINING_ONLY = {"hints"}


@dataclass(frozen=True)
class Map:
    """What one of the two outputs is about."""

    layer: str
    cell: int  # px
    classes: range
    size_unit: float  # a predicted size of 0 is this many px


MAPS = [Map("bolts", 8, range(BOLTS), 20.0), Map("surfaces", 16, range(BOLTS, CLASSES), 40.0)]


def start(seed):
    """Fresh weights, and the running means and variances of the normalisation."""
    rng = np.random.default_rng(seed)
    weights, state = {}, {}
    for layer in LAYERS:
        spread = np.sqrt(2.0 / (layer.kernel**2 * layer.inward))
        shape = (layer.kernel, layer.kernel, layer.inward, layer.outward)
        entry = {"w": rng.normal(0, spread, shape).astype(np.float32), "b": np.zeros(layer.outward, np.float32)}
        if not layer.plain:
            entry["scale"] = np.ones(layer.outward, np.float32)
            state[layer.name] = {"mean": np.zeros(layer.outward, np.float32), "var": np.ones(layer.outward, np.float32)}
        weights[layer.name] = entry
    for one in MAPS:
        weights[one.layer]["w"] *= 0.3
        weights[one.layer]["b"][4:] = -4.0  # at the start nothing is there
    return weights, state


def _conv(x, w, stride, dilation):
    pad = dilation * (w.shape[0] // 2)  # the same on all sides, as ONNX writes it
    return lax.conv_general_dilated(x, w, (stride, stride), [(pad, pad)] * 2, rhs_dilation=(dilation, dilation),
                                    dimension_numbers=("NHWC", "HWIO", "NHWC"))


def apply(weights, state, pictures, training):
    """Pictures [B, H, W, 3] (0 to 1) to what the plain layers give ([B, H/8, W/8, 7] `bolts`, [B, H/16, W/16, 6]
    `surfaces`, [B, H/8, W/8, 8] `hints`), by name, and the new state.
    """
    news, values = {}, {"picture": pictures - MIDDLE}
    for layer in LAYERS:
        entry, x = weights[layer.name], values[layer.source]
        y = _conv(x, entry["w"], layer.stride, layer.dilation)
        if layer.plain:
            values[layer.name] = y + entry["b"]
            continue
        if training:
            # In one pass over the values: a sixth of the step faster than by the differences from the mean.
            mean = y.mean((0, 1, 2))
            var = jnp.maximum((y * y).mean((0, 1, 2)) - mean * mean, 0.0)
            old = state[layer.name]
            news[layer.name] = {"mean": 0.97 * old["mean"] + 0.03 * mean, "var": 0.97 * old["var"] + 0.03 * var}
        else:
            mean, var = state[layer.name]["mean"], state[layer.name]["var"]
        factor = lax.rsqrt(var + 1e-4) * entry["scale"]
        y = y * factor + (entry["b"] - mean * factor)
        values[layer.name] = jax.nn.relu(x + y if layer.residual else y)
    return {layer.name: values[layer.name] for layer in LAYERS if layer.plain}, news


def folded(weights, state):
    """Weights (OIHW) and biases of the layers that the package has, with the normalisation folded in."""
    plain = {}
    for layer in LAYERS:
        if layer.name in TRAINING_ONLY:
            continue
        entry = {k: np.asarray(v, np.float64) for k, v in weights[layer.name].items()}
        w, b = entry["w"], entry["b"]
        if not layer.plain:
            factor = entry["scale"] / np.sqrt(np.asarray(state[layer.name]["var"], np.float64) + 1e-4)
            w, b = w * factor, b - np.asarray(state[layer.name]["mean"], np.float64) * factor
        plain[layer.name] = (w.transpose(3, 2, 0, 1).astype(np.float32), b.astype(np.float32))
    return plain


def count(weights):
    """Numbers that the package has."""
    names = [layer.name for layer in LAYERS if layer.name not in TRAINING_ONLY]
    return sum(v.size for name in names for k, v in weights[name].items() if k != "scale")
