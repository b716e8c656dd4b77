"""PixelCNN++ as its authors' TensorFlow code names its variables, and as the common port to PyTorch does."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from chainrule.domain import Domain
from chainrule.errors import ChainruleError
from chainrule.heads import Head
from chainrule.models import Model, create_model

SCALES = 3
WHAT = "weights of PixelCNN++"
# The layer that reads the image first, in either layout, and the class features of the first block.
PORT, AUTHORS, LABELS = "u_init.conv", "model/conv2d_0", "model/conditional_weights_0/hw"
AVERAGE = "/ExponentialMovingAverage"
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


class Layer(NamedTuple):
    """A weight-normalised layer: its name here and in the port, its kind, and its sizes.

    Attributes:
        ours: below `network`.
        port: without the parameter.
        kind: as the authors' variables are named: conv2d, deconv2d, or dense for 1×1.
        shape: (C', C, rows, columns).
    """

    ours: str
    port: str
    kind: str
    shape: tuple[int, int, int, int]


def is_pixelcnn_plus_plus(state: Mapping[str, Any]) -> bool:
    """Whether the names of the tensors are those of either layout."""
    names = _plain(state)
    return f"{PORT}.bias" in names or f"{AUTHORS}/b" in names


def pixelcnn_plus_plus(
    state: Mapping[str, Tensor], *, height: int | None = None, width: int | None = None
) -> Model:
    """Build the model that has these weights, and computes what they did: images of 256 levels.

    Two layouts are known. One is that of the common port to PyTorch: `u_init`, `ul_init`, `up_layers`, `down_layers`,
    …, with `weight_g` and `weight_v`, or the parametrisation that replaced them, and with or without a `module.` before
    all names. The other is that of the authors' TensorFlow variables, `model/conv2d_0/V`, `g`, `b`, …, also of images
    with classes; where there are moving averages of all, as the authors evaluate, these are taken.

    Their first convolutions shift their output, ours the image. So a bias of theirs is not in the first row or column,
    and here it belongs to the weight of the ones beside the image, which are not there either. Their normalisation of a
    transposed convolution may be by its inputs; weights are kept as what they amount to.

    What remains different: bins of less than 1e-5 are exact here and approximate there; samples are rounded to levels.

    Args:
        state: tensors by name.
        height, width: of the images, which weights do not say: multiples of 4, by default 32, or 28 with one colour.

    Raises:
        ChainruleError: if they are none of PixelCNN++, some are missing or have other shapes, or a size does not suit.

    References:
        Salimans, Karpathy, Chen, Kingma (2017), https://arxiv.org/abs/1701.05517, and the code of its authors.
    """
    state = _plain(state)
    if not is_pixelcnn_plus_plus(state):
        raise ChainruleError(
            f"{WHAT}: expected a tensor {PORT}.bias or {AUTHORS}/b, got {len(state)} other names"
        )
    if f"{AUTHORS}/b" in state:
        state, read = _averages(state), _of_authors
    else:
        read = _of_port
    sizes, wide = _sizes(dict(state)), any(_is_double(value) for value in state.values())
    layers = list(_layers(**sizes))
    tensors = dict(read(state, layers))
    classes = _classes(state, layers, tensors)
    if state:
        raise ChainruleError(f"{WHAT}: expected no tensors besides, got {min(state)}")
    colours, components = sizes["inputs"] - 1, _components(sizes)
    default = 28 if colours == 1 else 32
    height, width = height or default, width or default
    if height < 4 or width < 4 or height % 4 or width % 4:
        raise ChainruleError(f"{WHAT}: expected a height and a width that 4 divides, got {height} × {width}")
    model: Any = create_model(
        "pixelcnn-plus-plus", Domain.image(colours, height, width, levels=256), channels=sizes["channels"],
        depth=sizes["depth"], scales=SCALES, components=components, dropout=0.5, classes=classes,
    )  # fmt: skip
    _first_biases(tensors)
    _outputs(tensors, model.head)
    model = model.to(torch.float64 if wide else torch.float32)
    model.network.load_state_dict(tensors)
    return model.eval()


# --- the layers, in the order in which the authors' code makes them ------------------------------------------


def _layers(inputs: int, channels: int, depth: int, outputs: int) -> Iterator[Layer]:
    c = channels
    yield Layer("first_u", PORT, "conv2d", (c, inputs, 2, 3))
    yield Layer("first_above", "ul_init.0.conv", "conv2d", (c, inputs, 1, 3))
    yield Layer("first_left", "ul_init.1.conv", "conv2d", (c, inputs, 2, 1))
    for i in range(SCALES):
        for k in range(depth):
            yield from _pair(f"{_level(i)}.blocks.{k}", f"up_layers.{i}", k, c, shortcut=0)
        if i < SCALES - 1:
            yield Layer(f"{_level(i)}.down_u", f"downsize_u_stream.{i}.conv", "conv2d", (c, c, 2, 3))
            yield Layer(f"{_level(i)}.down_ul", f"downsize_ul_stream.{i}.conv", "conv2d", (c, c, 2, 2))
    for i in range(SCALES):
        level = SCALES - 1 - i
        for k in range(depth + (i > 0)):
            yield from _pair(f"{_level(level)}.blocks.{depth + k}", f"down_layers.{i}", k, c, shortcut=1)
        if level:
            yield Layer(f"{_level(level - 1)}.up_u", f"upsize_u_stream.{i}.deconv", "deconv2d", (c, c, 2, 3))
            yield Layer(
                f"{_level(level - 1)}.up_ul", f"upsize_ul_stream.{i}.deconv", "deconv2d", (c, c, 2, 2)
            )
    yield Layer("last", "nin_out.lin_a", "dense", (outputs, c, 1, 1))


def _level(i: int) -> str:
    return "level" + i * ".inner"


def _pair(ours: str, port: str, k: int, c: int, *, shortcut: int) -> Iterator[Layer]:
    for stream, columns, parts in ("u", 3, shortcut), ("ul", 2, 1 + shortcut):
        here, there = f"{ours}.{stream}", f"{port}.{stream}_stream.{k}"
        yield Layer(f"{here}.first", f"{there}.conv_input.conv", "conv2d", (c, 2 * c, 2, columns))
        if parts:
            yield Layer(f"{here}.nin", f"{there}.nin_skip.lin_a", "dense", (c, 2 * parts * c, 1, 1))
        yield Layer(f"{here}.second", f"{there}.conv_out.conv", "conv2d", (2 * c, 2 * c, 2, columns))


# --- the sizes ------------------------------------------------------------------------------------------------


def _sizes(state: dict[str, Any]) -> dict[str, int]:
    """What the first and the last layer say, and the number of layers: 33 for each block at a resolution, and 24."""
    biases = [name for name in state if re.search(r"(\.bias|/b)$", name)]
    depth, rest = divmod(len(biases) - 24, 33)
    if depth < 1 or rest:
        raise ChainruleError(f"{WHAT}: expected 33·depth + 24 layers at 3 resolutions, got {len(biases)}")
    authors = f"{AUTHORS}/b" in state
    first = f"{AUTHORS}/V" if authors else _kernel_names(state, PORT)[1]
    last = f"model/dense_{9 * depth + 4}/b" if authors else "nin_out.lin_a.bias"
    kernel, bias = _take(state, first, None), _take(state, last, None)
    if kernel.ndim != 4 or bias.ndim != 1:
        raise ChainruleError(
            f"{WHAT}: expected 4 dimensions of {first} and 1 of {last}, got {kernel.ndim} and {bias.ndim}"
        )
    inputs, channels = kernel.shape[2:] if authors else (kernel.shape[1], kernel.shape[0])
    sizes = {"inputs": inputs, "channels": channels, "depth": depth, "outputs": len(bias)}
    if inputs not in (2, 4) or not channels or not _components(sizes) or len(bias) % _per_component(inputs):
        raise ChainruleError(
            f"{WHAT}: expected 1 or 3 colours and ones, and 3 or 10 outputs for each component, "
            f"got {inputs} inputs, {channels} channels and {len(bias)} outputs"
        )
    return sizes


def _per_component(inputs: int) -> int:
    return 3 if inputs == 2 else 10


def _components(sizes: Mapping[str, int]) -> int:
    return sizes["outputs"] // _per_component(sizes["inputs"])


# --- reading --------------------------------------------------------------------------------------------------


def _of_port(state: dict[str, Any], layers: Iterable[Layer]) -> Iterator[tuple[str, Tensor]]:
    """The parameters of the port, by their names in our network."""
    for layer in layers:
        outputs, inputs, *size = layer.shape
        shape = (inputs, outputs, *size) if layer.kind == "deconv2d" else (outputs, inputs, *size)
        if layer.kind == "dense":
            shape = shape[:2]
        gain, direction = _kernel_names(state, layer.port)
        v = _take(state, direction, shape)
        g = _take(state, gain, (shape[0], *[1] * (len(shape) - 1)))
        weight = g * _unit(
            v, tuple(range(1, len(shape)))
        )  # of a transposed convolution, one norm for each input
        order = (2, 3, 1, 0) if layer.kind == "deconv2d" else (0, 2, 3, 1)
        weight = weight.reshape(*shape[:2], *size).permute(order)
        yield from _parameters(layer, weight, _take(state, f"{layer.port}.bias", (outputs,)))


def _of_authors(state: dict[str, Any], layers: Iterable[Layer]) -> Iterator[tuple[str, Tensor]]:
    """The same of the authors' variables, which are numbered in the order in which they are made."""
    counts = dict.fromkeys(("conv2d", "deconv2d", "dense"), 0)
    for layer in layers:
        name = f"model/{layer.kind}_{counts[layer.kind]}"
        counts[layer.kind] += 1
        outputs, inputs, *size = layer.shape
        shape = (*size, outputs, inputs) if layer.kind == "deconv2d" else (*size, inputs, outputs)
        v = _take(state, f"{name}/V", shape[2:] if layer.kind == "dense" else shape).reshape(shape)
        g, b = _take(state, f"{name}/g", (outputs,)), _take(state, f"{name}/b", (outputs,))
        if layer.kind == "deconv2d":
            weight = g[:, None] * _unit(v, (0, 1, 3))
        else:
            weight = (g * _unit(v, (0, 1, 2))).permute(3, 0, 1, 2)
        yield from _parameters(layer, weight, b)


def _parameters(layer: Layer, weight: Tensor, bias: Tensor) -> Iterator[tuple[str, Tensor]]:
    """A kernel in our order of dimensions, (C', rows, columns, C), or transposed (rows, columns, C', C)."""
    if layer.ours.endswith("nin") and layer.shape[1] == 4 * layer.shape[0]:
        # Theirs reads elu(u), elu(skip), elu(-u), elu(-skip); ours elu(±u), elu(±skip).
        weight = weight.unflatten(3, (2, 2, -1)).transpose(3, 4).flatten(3)
    dims = (0, 1, 3) if layer.kind == "deconv2d" else (1, 2, 3)
    yield f"{layer.ours}.weight", _unit(weight, dims)
    yield f"{layer.ours}.gain", weight.square().sum(dims).sqrt()
    yield f"{layer.ours}.bias", bias


def _unit(v: Tensor, dims: tuple[int, ...]) -> Tensor:
    """v / ‖v‖, 0 where v is."""
    return v / v.square().sum(dims, keepdim=True).sqrt().clamp(min=1e-30)


def _classes(state: dict[str, Any], layers: Iterable[Layer], tensors: dict[str, Tensor]) -> int | None:
    """The number of classes; what each gives to each block goes to `tensors`, a row for each class."""
    if LABELS not in state:
        return None
    blocks = [layer for layer in layers if layer.ours.endswith(".second")]
    first = _take(dict(state), LABELS, None)
    classes = len(first) if first.ndim else 0
    features = {
        layer.ours: _take(state, f"model/conditional_weights_{i}/hw", (classes, layer.shape[0]))
        for i, layer in enumerate(blocks)
    }
    order = sorted(features, key=_place)
    tensors["condition.features.weight"] = torch.cat([features[name] for name in order], dim=1)
    return classes


def _place(block: str) -> tuple[int, int, bool]:
    """Finer resolutions first, then blocks as they come, then u before ul."""
    _, index, stream, _ = block.rsplit(".", 3)
    return block.count("inner"), int(index), stream == "ul"


# --- what is written otherwise here ---------------------------------------------------------------------------


def _first_biases(tensors: dict[str, Tensor]) -> None:
    """The biases of the first convolutions become weights of the ones, at the tap that a shift leaves in the image."""
    for name, tap in ("first_u", 1), ("first_above", 1), ("first_left", 0):
        weight = tensors[f"{name}.weight"] * tensors[f"{name}.gain"][:, None, None, None]
        weight[:, -1, tap, -1] += tensors[f"{name}.bias"]
        tensors[f"{name}.weight"] = _unit(weight, (1, 2, 3))
        tensors[f"{name}.gain"] = weight.square().sum((1, 2, 3)).sqrt()
        tensors[f"{name}.bias"] = torch.zeros_like(tensors[f"{name}.bias"])


def _outputs(tensors: dict[str, Tensor], head: Head) -> None:
    """The parameters of the mixture: after the logits, colour by colour there and kind by kind here.

    The kinds are means, log-scales and coefficients. Ours are measured from those that the head has at 0.
    """
    _, means, log_scales, _ = head.init_state(torch.zeros(1, head.size, dtype=torch.float64))
    _, colours, k = means.shape
    for name in ("last.weight", "last.gain", "last.bias"):
        logits, rest = tensors[name].tensor_split([k])
        tensors[name] = torch.cat([logits, rest.unflatten(0, (colours, -1, k)).transpose(0, 1).flatten(0, 2)])
    at_zero = torch.cat([means.flatten(), log_scales.flatten()])
    tensors["last.bias"][k : k + len(at_zero)] -= at_zero


def _is_double(value: Any) -> bool:
    return isinstance(value, Tensor) and value.dtype == torch.float64


# --- names ----------------------------------------------------------------------------------------------------


def _plain(state: Mapping[str, Any]) -> dict[str, Any]:
    """Without what wrappers and TensorFlow put around names."""
    return {name.removeprefix("module.").removesuffix(":0"): value for name, value in state.items()}


def _averages(state: Mapping[str, Any]) -> dict[str, Any]:
    """The moving averages by the names of their variables, if there are any; without the optimiser's own."""
    found = {name: value for name, value in state.items() if re.fullmatch(r"model/\w+/(V|g|b|hw)", name)}
    averages = {name: state.get(name + AVERAGE) for name in found}
    return found if averages[f"{AUTHORS}/b"] is None else averages


def _kernel_names(state: Mapping[str, Tensor], layer: str) -> tuple[str, str]:
    """Names of g and v: of `weight_norm`, or of the parametrisation that replaced it."""
    new = f"{layer}.parametrizations.weight.original"
    return (f"{new}0", f"{new}1") if f"{new}0" in state else (f"{layer}.weight_g", f"{layer}.weight_v")


def _take(state: dict[str, Any], name: str, shape: Sequence[int] | None) -> Tensor:
    """Take a tensor out, in float64, of this shape if one is given.

    Raises:
        ChainruleError: if there is none, or it has another shape, another type or a number that is not finite.
    """
    tensor = state.pop(name, None)
    if not isinstance(tensor, Tensor) or tensor.layout != torch.strided or tensor.dtype not in FLOATS:
        got = str(tensor.dtype) if isinstance(tensor, Tensor) else "none"
        raise ChainruleError(f"{WHAT}: expected a tensor {name} of floats, got {got}")
    if shape is not None and tuple(tensor.shape) != tuple(shape):
        raise ChainruleError(f"{WHAT}: expected {name} of {tuple(shape)}, got {tuple(tensor.shape)}")
    if tensor.is_meta or tensor.untyped_storage().nbytes() < tensor.numel() * tensor.element_size():
        raise ChainruleError(f"{WHAT}: expected every number of {name} to be stored, got fewer")
    if not torch.isfinite(tensor).all():
        raise ChainruleError(f"{WHAT}: expected finite numbers in {name}")
    return tensor.detach().double().cpu()
