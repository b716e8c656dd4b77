"""Weights of PixelCNN++ in both published layouts give the numbers that the nets they come from give.

The nets are written here as their code has them: `Port` with the module names of the common port to PyTorch, and
`Authors` with the numbered variables of the TensorFlow code. Their likelihood is `likelihood`, without its
approximation of bins of less than 1e-5, of which a test makes sure that there are none.
"""

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

import chainrule as cr
from chainrule.errors import ChainruleError
from chainrule.importers.pixelcnn_plus_plus import is_pixelcnn_plus_plus, pixelcnn_plus_plus
from chainrule.models import load_model, save_model
from test_cli import call

C, DEPTH, COMPONENTS, SIZE = 5, 2, 3, (8, 12)


def celu(x):
    return F.elu(torch.cat([x, -x], 1))


def down(x):
    return F.pad(x[:, :, :-1], (0, 0, 1, 0))


def right(x):
    return F.pad(x[..., :-1], (1, 0))


# --- the port to PyTorch -------------------------------------------------------------------------------------


class Conv(nn.Module):
    """Reads rows up to its own; columns around its own, or up to it; what it gives may be shifted."""

    def __init__(self, inputs, outputs, size, *, stride=1, left=None, shift=None):
        super().__init__()
        self.conv = weight_norm(nn.Conv2d(inputs, outputs, size, stride))
        left = (size[1] - 1) // 2 if left is None else left
        self.around = (left, size[1] - 1 - left, size[0] - 1, 0)
        self.shift = shift

    def forward(self, x):
        x = self.conv(F.pad(x, self.around))
        return x if self.shift is None else self.shift(x)


class Deconv(nn.Module):
    def __init__(self, size, left):
        super().__init__()
        self.deconv = weight_norm(nn.ConvTranspose2d(C, C, size, 2, output_padding=1))
        self.left = left

    def forward(self, x):
        return self.deconv(x)[:, :, : 2 * x.shape[2], self.left : self.left + 2 * x.shape[3]]


class NIN(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.lin_a = weight_norm(nn.Linear(inputs, outputs))

    def forward(self, x):
        return self.lin_a(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Gated(nn.Module):
    def __init__(self, size, left, parts):
        super().__init__()
        self.conv_input = Conv(2 * C, C, size, left=left)
        if parts:
            self.nin_skip = NIN(2 * parts * C, C)
        self.conv_out = Conv(2 * C, 2 * C, size, left=left)

    def forward(self, x, a=None):
        hidden = self.conv_input(celu(x))
        if a is not None:
            hidden = hidden + self.nin_skip(celu(a))
        a, b = self.conv_out(celu(hidden)).chunk(2, 1)
        return x + a * torch.sigmoid(b)


class Blocks(nn.Module):
    def __init__(self, n, parts):
        super().__init__()
        self.u_stream = nn.ModuleList(Gated((2, 3), 1, parts) for _ in range(n))
        self.ul_stream = nn.ModuleList(Gated((2, 2), 1, parts + 1) for _ in range(n))


class Port(nn.Module):
    def __init__(self, colours):
        super().__init__()
        self.down_layers = nn.ModuleList(Blocks(DEPTH + (i > 0), 1) for i in range(3))
        self.up_layers = nn.ModuleList(Blocks(DEPTH, 0) for _ in range(3))
        self.downsize_u_stream = nn.ModuleList(Conv(C, C, (2, 3), stride=2) for _ in range(2))
        self.downsize_ul_stream = nn.ModuleList(Conv(C, C, (2, 2), stride=2, left=1) for _ in range(2))
        self.upsize_u_stream = nn.ModuleList(Deconv((2, 3), 1) for _ in range(2))
        self.upsize_ul_stream = nn.ModuleList(Deconv((2, 2), 0) for _ in range(2))
        self.u_init = Conv(colours + 1, C, (2, 3), shift=down)
        self.ul_init = nn.ModuleList(
            [Conv(colours + 1, C, (1, 3), shift=down), Conv(colours + 1, C, (2, 1), shift=right)]
        )
        self.nin_out = NIN(C, (3 if colours == 1 else 10) * COMPONENTS)

    def forward(self, x):
        x = torch.cat([x, torch.ones_like(x[:, :1])], 1)
        us, uls = [self.u_init(x)], [self.ul_init[0](x) + self.ul_init[1](x)]
        for i, blocks in enumerate(self.up_layers):
            if i:
                us.append(self.downsize_u_stream[i - 1](us[-1]))
                uls.append(self.downsize_ul_stream[i - 1](uls[-1]))
            for for_u, for_ul in zip(blocks.u_stream, blocks.ul_stream, strict=True):
                us.append(for_u(us[-1]))
                uls.append(for_ul(uls[-1], us[-1]))
        u, ul = us.pop(), uls.pop()
        for i, blocks in enumerate(self.down_layers):
            if i:
                u, ul = self.upsize_u_stream[i - 1](u), self.upsize_ul_stream[i - 1](ul)
            for for_u, for_ul in zip(blocks.u_stream, blocks.ul_stream, strict=True):
                u = for_u(u, us.pop())
                ul = for_ul(ul, torch.cat([u, uls.pop()], 1))
        assert not us and not uls
        return self.nin_out(F.elu(ul))


# --- the authors' TensorFlow code ----------------------------------------------------------------------------


class Authors:
    """Variables are made, or read, under numbered names in the order of the calls; tensors are (B, C, H, W)."""

    def __init__(self, variables, make=None, average=""):
        self.variables, self.make, self.average, self.counts = variables, make, average, {}

    def get(self, kind, **shapes):
        index = self.counts[kind] = self.counts.get(kind, -1) + 1
        names = [f"model/{kind}_{index}/{part}" for part in shapes]
        if self.make is not None:
            for (part, shape), name in zip(shapes.items(), names, strict=True):
                self.variables[name] = self.make(part, shape)
        return [torch.from_numpy(self.variables[name + self.average]) for name in names]

    def conv2d(self, x, outputs, size, left, stride=1):
        V, g, b = self.get("conv2d", V=(*size, x.shape[1], outputs), g=(outputs,), b=(outputs,))
        W = g * V / V.square().sum((0, 1, 2)).sqrt()
        x = F.pad(x, (left, size[1] - 1 - left, size[0] - 1, 0))
        return F.conv2d(x, W.permute(3, 2, 0, 1), b, stride)

    def deconv2d(self, x, outputs, size, left):
        V, g, b = self.get("deconv2d", V=(*size, outputs, x.shape[1]), g=(outputs,), b=(outputs,))
        W = g[:, None] * V / V.square().sum((0, 1, 3), keepdim=True).sqrt()
        y = F.conv_transpose2d(x, W.permute(3, 2, 0, 1), b, 2, output_padding=1)
        return y[:, :, : 2 * x.shape[2], left : left + 2 * x.shape[3]]

    def nin(self, x, outputs):
        V, g, b = self.get("dense", V=(x.shape[1], outputs), g=(outputs,), b=(outputs,))
        y = x.permute(0, 2, 3, 1) @ V * (g / V.square().sum(0).sqrt()) + b
        return y.permute(0, 3, 1, 2)

    def gated(self, x, size, a, h):
        hidden = self.conv2d(celu(x), C, size, 1)
        if a is not None:
            hidden = hidden + self.nin(celu(a), C)
        gates = self.conv2d(celu(hidden), 2 * C, size, 1)
        if h is not None:
            (hw,) = self.get("conditional_weights", hw=(h.shape[1], 2 * C))
            gates = gates + (h @ hw)[:, :, None, None]
        a, b = gates.chunk(2, 1)
        return x + a * torch.sigmoid(b)

    def __call__(self, x, h=None):
        self.counts.clear()
        x = torch.cat([x, torch.ones_like(x[:, :1])], 1)
        us = [down(self.conv2d(x, C, (2, 3), 1))]
        uls = [down(self.conv2d(x, C, (1, 3), 1)) + right(self.conv2d(x, C, (2, 1), 0))]
        for i in range(3):
            if i:
                us.append(self.conv2d(us[-1], C, (2, 3), 1, stride=2))
                uls.append(self.conv2d(uls[-1], C, (2, 2), 1, stride=2))
            for _ in range(DEPTH):
                us.append(self.gated(us[-1], (2, 3), None, h))
                uls.append(self.gated(uls[-1], (2, 2), us[-1], h))
        u, ul = us.pop(), uls.pop()
        for i in range(3):
            if i:
                u, ul = self.deconv2d(u, C, (2, 3), 1), self.deconv2d(ul, C, (2, 2), 0)
            for _ in range(DEPTH + (i > 0)):
                u = self.gated(u, (2, 3), us.pop(), h)
                ul = self.gated(ul, (2, 2), torch.cat([u, uls.pop()], 1), h)
        assert not us and not uls
        return self.nin(F.elu(ul), 10 * COMPONENTS)


# --- their mixture -------------------------------------------------------------------------------------------


def mixture(params, colours):
    """(B, P, H, W) → logits (B, H, W, K), and means, log-scales and coefficients (B, H, W, colours, K)."""
    params = params.permute(0, 2, 3, 1)
    logits, rest = params[..., :COMPONENTS], params[..., COMPONENTS:].unflatten(-1, (colours, -1))
    means, log_scales, coefficients = rest.tensor_split([COMPONENTS, 2 * COMPONENTS], -1)
    return logits, means, log_scales.clamp(min=-7), torch.tanh(coefficients)


def likelihood(x, params):
    """Colours (B, colours, H, W) in [-1, 1] → nats (B,)."""
    logits, means, log_scales, c = mixture(params, x.shape[1])
    x = x.permute(0, 2, 3, 1)[..., None]
    if x.shape[3] == 3:
        red, green, blue = means.unbind(3)
        green = green + c[..., 0, :] * x[..., 0, :]
        blue = blue + c[..., 1, :] * x[..., 0, :] + c[..., 2, :] * x[..., 1, :]
        means = torch.stack([red, green, blue], 3)
    plus, minus = (torch.exp(-log_scales) * (x - means + edge) for edge in (1 / 255, -1 / 255))
    mass = torch.sigmoid(plus) - torch.sigmoid(minus)
    inside = (x > -0.999) & (x < 0.999)
    assert mass[inside.expand_as(mass)].min() > 1e-5
    terms = torch.where(x < -0.999, F.logsigmoid(plus), F.logsigmoid(-minus))
    terms = torch.where(inside, mass.log(), terms).sum(3) + torch.log_softmax(logits, -1)
    return torch.logsumexp(terms, -1).sum((1, 2))


def images(colours, n=4):
    """Levels with both ends among them."""
    x = torch.randint(-40, 296, (n, colours, *SIZE), generator=torch.Generator().manual_seed(1))
    return x.clamp(0, 255)


def compare(equal, model, params, x, cond=None, tolerance=1e-7):
    """The mixture of each pixel, and the likelihood of each image. Levels enter ours as float32 numbers: hence 1e-7."""
    params = params.double()
    logits, means, log_scales, c = mixture(params, x.shape[1])
    with torch.no_grad():
        ours = model.head.init_state(model(x, cond).double().flatten(0, 1))
    theirs = [torch.log_softmax(logits, -1), means, log_scales, *([c] if x.shape[1] == 3 else [])]
    for here, there in zip(ours, theirs, strict=False):  # one colour has no coefficients
        equal(here, there.flatten(0, 2), tolerance)
    equal(model.log_prob(x, cond=cond), likelihood(2 * x.double() / 255 - 1, params), tolerance)


def ported(colours=3, dtype=torch.float64):
    """The port, its weights at random, scales and biases as after training: none is 0 or 1, some g are negative."""
    torch.manual_seed(0)
    port = Port(colours).to(dtype)
    with torch.no_grad():
        for name, parameter in port.named_parameters():
            if name.endswith("original0"):
                parameter.copy_(0.6 + 0.4 * torch.randn_like(parameter))
            elif name.endswith("bias"):
                parameter.copy_(0.3 * torch.randn_like(parameter))
        port.nin_out.lin_a.parametrizations.weight.original0.mul_(0.3)
    return port


def old_names(state):
    """As `torch.nn.utils.weight_norm` and `DataParallel` name them."""
    new = "parametrizations.weight.original"
    return {
        f"module.{n.replace(new + '0', 'weight_g').replace(new + '1', 'weight_v')}": v
        for n, v in state.items()
    }


@pytest.mark.proves(
    "pixel-cnn-pp, written afresh", "PixelCNN", "pixelcnn-plus-plus", "mixtures; log-likelihoods"
)
@pytest.mark.parametrize("colours", [3, 1])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_the_ports_weights(colours, dtype, equal, tmp_path):
    """Row `pixelcnn-plus-plus`, PyTorch port."""
    port = ported(colours, dtype)
    torch.save(old_names(port.state_dict()), tmp_path / "net.pth")
    model = cr.from_pretrained(tmp_path / "net.pth", size=(8, 12))
    x = images(colours)
    with torch.no_grad():
        params = port(2 * x.to(dtype) / 255 - 1)
    assert next(model.parameters()).dtype == dtype
    compare(equal, model, params, x, tolerance=1e-7 if dtype == torch.float64 else 1e-5)
    assert sum(p.numel() for p in model.parameters()) == sum(p.numel() for p in port.parameters())


def test_the_newer_parametrisation_in_safetensors(equal, tmp_path):
    port = ported()
    safetensors.torch.save_file(port.state_dict(), tmp_path / "net.safetensors")
    x, model = images(3), cr.from_pretrained(tmp_path / "net.safetensors", size=(8, 12))
    compare(equal, model, port(2 * x.double() / 255 - 1), x)
    before = model.log_prob(x)
    save_model(model, tmp_path, version="0")
    assert torch.equal(load_model(tmp_path).log_prob(x), before)


def test_native_samples_are_eager_samples():
    model = pixelcnn_plus_plus(ported(dtype=torch.float32).state_dict(), height=8, width=12)
    drawn = [
        model.sample(3, generator=torch.Generator().manual_seed(2), runner=runner)
        for runner in ("eager", "native")
    ]
    assert torch.equal(*drawn) and len(drawn[0].unique()) > 50


@pytest.mark.proves(
    "OpenAI's code, written afresh", "model_spec", "pixelcnn-plus-plus", "mixtures; log-likelihoods"
)
@pytest.mark.parametrize("average", ["", "/ExponentialMovingAverage"])
@pytest.mark.parametrize("classes", [None, 4])
def test_the_authors_variables(average, classes, equal, tmp_path):
    """Row `pixelcnn-plus-plus`, authors' layout."""
    rng = np.random.default_rng(0)

    def make(part, shape):
        values = 0.6 + 0.4 * rng.standard_normal(shape) if part == "g" else 0.3 * rng.standard_normal(shape)
        return values if shape != (10 * COMPONENTS,) or part == "b" else 0.3 * values

    x, labels = images(3), torch.tensor([0, 3, 1, 3])
    h = None if classes is None else F.one_hot(labels, classes).double()
    inputs, variables = 2 * x.double() / 255 - 1, {}
    Authors(variables, make)(inputs, h)
    if average:
        variables |= {name + average: make(name[-1], value.shape) for name, value in variables.items()}
    np.savez(
        tmp_path / "net.npz", **{f"{name}:0": v for name, v in variables.items()}, **{"model/adam_t:0": 1.0}
    )
    model = cr.from_pretrained(tmp_path / "net.npz", size=(8, 12))
    params = Authors(variables, average=average)(inputs, h)
    compare(equal, model, params, x, None if h is None else labels)


def test_the_papers_sizes():
    """Sizes that weights do not say; the number of parameters is in the tests of the model."""
    assert pixelcnn_plus_plus(ported().state_dict()).domain.event_shape == (3, 32, 32)
    assert pixelcnn_plus_plus(ported(1).state_dict()).domain.event_shape == (1, 28, 28)


NAME = "up_layers.1.ul_stream.0.nin_skip.lin_a"
WEIGHT = "u_init.conv.parametrizations.weight.original"


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda s: s.pop("u_init.conv.bias"), "expected a tensor u_init.conv.bias or model/conv2d_0/b, got"),
        (lambda s: s.pop(f"{NAME}.bias"), "expected 33·depth [+] 24 layers at 3 resolutions, got 89"),
        (lambda s: s.pop(f"{WEIGHT}1"), "expected a tensor .*original1 of floats, got none"),
        (
            lambda s: s.update({f"{WEIGHT}1": torch.ones(5, 3, 2, 3)}),
            "expected 1 or 3 colours .* got 3 inputs",
        ),
        (lambda s: s.update({f"{WEIGHT}1": torch.ones(5, 3)}), "expected 4 dimensions of .* got 2 and 1"),
        (
            lambda s: s.update({"labels.weight": torch.ones(3)}),
            "expected no tensors besides, got labels.weight",
        ),
        (lambda s: s.update({f"{NAME}.bias": torch.ones(6)}), rf"expected {NAME}.bias of \(5,\), got \(6,\)"),
        (lambda s: s.update({f"{NAME}.bias": torch.ones(5).int()}), "of floats, got torch.int32"),
        (lambda s: s.update({f"{NAME}.bias": torch.ones(5, device="meta")}), "to be stored, got fewer"),
        (lambda s: s.update({f"{NAME}.bias": torch.full((5,), torch.inf)}), f"finite numbers in {NAME}.bias"),
        (
            lambda s: s.update({f"{WEIGHT}1": torch.ones(()).expand(10**9, 4, 2, 3)}),
            "to be stored, got fewer",
        ),
    ],
)
def test_others_are_refused(change, message):
    state = ported().state_dict()
    change(state)
    with pytest.raises(ChainruleError, match=f"^weights of PixelCNN[+][+]: .*{message}"):
        pixelcnn_plus_plus(state)


def test_sizes_that_do_not_halve_twice_are_refused():
    with pytest.raises(ChainruleError, match="a height and a width that 4 divides, got 8 × 10"):
        pixelcnn_plus_plus(ported().state_dict(), height=8, width=10)


def test_recognised_by_names():
    assert is_pixelcnn_plus_plus(old_names(ported().state_dict()))
    assert is_pixelcnn_plus_plus({"model/conv2d_0/b:0": None})
    assert not is_pixelcnn_plus_plus({"transformer.wte.weight": None})


def test_they_become_a_run(tmp_path):
    torch.save(old_names(ported(dtype=torch.float32).state_dict()), tmp_path / "net.pth")
    found = call("import", tmp_path / "net.pth", "--size", "8x12", "--out", tmp_path / "run")
    assert found.status == 0 and "pixelcnn-plus-plus on image:3x8x12:256" in found.err
    assert call("sample", tmp_path / "run", "-n", 2, "-o", tmp_path / "x.png").status == 0
    for options, words in {
        ("--size", "8"): "--size: expected a height and a width such as 32x32, got '8'",
        ("--length", "8"): "net.pth: length, start: expected none for images",
        ("--size", "6x6"): "net.pth: weights of PixelCNN++: expected a height and a width that 4 divides",
    }.items():
        assert words in call("import", tmp_path / "net.pth", *options, "--out", tmp_path / "other").error
    assert not (tmp_path / "other").exists()


def test_arrays_that_are_none_are_refused(tmp_path):
    (tmp_path / "text.npz").write_text("text")
    np.savez_compressed(tmp_path / "zeros.npz", **{"model/conv2d_0/b": np.zeros(10**6)})
    np.savez(tmp_path / "objects.npz", **{"model/conv2d_0/b": np.array([{}], dtype=object)})
    for name in ("text", "zeros", "objects"):
        with pytest.raises(ChainruleError, match=f"{name}.npz: not a readable file of arrays"):
            cr.from_pretrained(tmp_path / f"{name}.npz")
