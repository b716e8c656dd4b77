"""An accelerator for tests: a device of its own kind, "pretend", whose numbers a CPU computes.

What CUDA would refuse is refused: operations that mix its tensors with those of the CPU, generators of another device.
Each look of the host at the device is written down with its place: what a GPU would have to be waited for, copies in
both directions included.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch._decomp import decompositions
from torch.overrides import TorchFunctionMode
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

from chainrule.layers.dropout import keep_mask

aten = torch.ops.aten
CPU = torch.device("cpu")
SOURCE = str(Path(__file__).parents[2] / "src")

# The host waits for numbers, or for the size of a result.
LOOKS = {
    aten._local_scalar_dense,
    aten.is_nonzero,
    aten.equal,
    aten.nonzero,
    aten.masked_select,
    aten._unique,
    aten._unique2,
    aten.unique_dim,
    aten.unique_consecutive,
    aten.bincount,
    aten._linalg_check_errors,
    aten.linalg_cholesky,
}
SENT = "from the host: "
# CUDA takes a number of the CPU (a tensor without dimensions) everywhere else.
STRICT = {aten.index, aten.index_select, aten.gather, aten.cat, aten.stack, aten.scatter, aten.embedding}


@dataclass
class Watch:
    """What the host did to the device in a block.

    Attributes:
        looks: the place of each look: file:line of the library, and the operation.
    """

    looks: list[str] = field(default_factory=list)


_watches: list[Watch] = []
_doubles = [True]


class PretendTensor(Tensor):
    """A tensor of the device; `inside` has its numbers."""

    inside: Tensor

    @staticmethod
    def __new__(cls, inside: Tensor) -> PretendTensor:
        if inside.dtype == torch.float64 and not _doubles[0]:
            raise TypeError("pretend: the device has no float64")
        wrapper = torch.Tensor._make_wrapper_subclass(
            cls,
            inside.shape,
            strides=inside.stride(),
            storage_offset=inside.storage_offset(),
            dtype=inside.dtype,
            device=torch.device("pretend", 0),
        )
        wrapper.inside = inside
        return wrapper

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return run(func, args, kwargs or {})

    def untyped_storage(self) -> Any:
        return self.inside.untyped_storage()  # views share it, as on any device

    def tolist(self) -> Any:
        return self.cpu().tolist()

    def numpy(self, *args: Any, **options: Any) -> Any:
        raise TypeError("can't convert a pretend tensor to numpy: copy it to the CPU first")

    def __repr__(self, **options: Any) -> str:
        return f"pretend {self.inside!r}"


class Generator(torch.Generator):
    """A generator of the device. It has the numbers of a CPU's of the same seed."""

    def __new__(cls) -> Generator:
        return super().__new__(cls, CPU)

    @property
    def device(self) -> torch.device:
        return torch.device("pretend", 0)

    def clone_state(self) -> Generator:
        return Generator().set_state(self.get_state())


_Generator = torch.Generator


class _Device:
    """`torch.pretend`, what torch and Lightning ask of a device's module."""

    def __init__(self) -> None:
        self.default_generators = (Generator(),)

    def is_initialized(self) -> bool:
        return True

    def is_available(self) -> bool:
        return True

    def current_device(self) -> int:
        return 0

    def device_count(self) -> int:
        return 1

    def device(self, device: Any) -> AbstractContextManager:
        return nullcontext()

    def _is_in_bad_fork(self) -> bool:
        return False

    def manual_seed(self, seed: int) -> None:
        self.default_generators[0].manual_seed(seed)

    manual_seed_all = manual_seed

    def get_rng_state(self, device: Any = None) -> Tensor:
        return self.default_generators[0].get_state()

    def set_rng_state(self, state: Tensor, device: Any = None) -> None:
        self.default_generators[0].set_state(state)

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16, torch.float16]


def run(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """An operation on the device: refused, noted, or computed."""
    packet, leaves = func.overloadpacket, [*_leaves((*args, *kwargs.values()))]
    there = kwargs.get("device")
    home = there is not None and torch.device(there).type != "pretend"
    if packet in (aten._to_copy, aten.copy_):
        if home or (packet is aten.copy_ and not all(isinstance(x, PretendTensor) for x in args[:2])):
            _note(func, "" if home or isinstance(args[1], PretendTensor) else SENT)
    else:
        _refuse_mixtures(func, leaves)
        if packet in LOOKS or _waits_for_size(packet, args, kwargs):
            _note(func)
    if packet is aten.native_dropout:  # as the library does on a CPU
        x, p, _ = args
        with _randomness(func, leaves):
            mask = keep_mask(x.inside, p)
        return PretendTensor(x.inside * mask / (1 - p)), PretendTensor(mask.bool())
    wrappers = {id(x.inside): x for x in leaves if isinstance(x, PretendTensor)}
    inside = _mapped(_inside, args), {name: _mapped(_inside, value) for name, value in kwargs.items()}
    with _randomness(func, leaves):
        result = func(*inside[0], **inside[1])

    def wrapped(x: Any) -> Any:
        if not isinstance(x, Tensor) or home:
            return x
        known = wrappers.get(id(x))
        if known is not None and known.shape != x.shape:
            raise NotImplementedError(f"pretend: {func} changes a shape in place")
        if known is None and packet is aten.copy_:
            return args[0]
        return PretendTensor(x) if known is None else known

    return _mapped(wrapped, result)


def _leaves(x: Any) -> Iterator[Any]:
    for part in x:
        if isinstance(part, list | tuple):
            yield from _leaves(part)
        else:
            yield part


def _mapped(fn: Any, x: Any) -> Any:
    return type(x)(_mapped(fn, part) for part in x) if type(x) in (list, tuple) else fn(x)


def _inside(x: Any) -> Any:
    if isinstance(x, PretendTensor):
        return x.inside
    return CPU if isinstance(x, torch.device) else x


def _refuse_mixtures(func: Any, leaves: list[Any]) -> None:
    strict = func.overloadpacket in STRICT or "index" in func.name()
    for x in leaves:
        if isinstance(x, Tensor) and not isinstance(x, PretendTensor) and (strict or x.ndim):
            raise RuntimeError(
                f"{func}: expected all tensors to be on the same device, got pretend and {tuple(x.shape)} on the CPU"
            )


def _waits_for_size(packet: Any, args: Any, kwargs: dict[str, Any]) -> bool:
    if packet in (aten.index, aten.index_put, aten.index_put_, aten._index_put_impl_):
        masks = [i for i in args[1] if i is not None and i.dtype in (torch.bool, torch.uint8)]
        fills = packet is not aten.index and args[2].numel() == 1  # then it is `masked_fill`
        return bool(masks) and not fills
    return packet is aten.repeat_interleave and kwargs.get("output_size") is None


def _note(func: Any, kind: str = "") -> None:
    if _watches:
        frames = [f for f in traceback.extract_stack() if f.filename.startswith(SOURCE)]
        where = f"{Path(frames[-1].filename).relative_to(SOURCE)}:{frames[-1].lineno}" if frames else "a test"
        for watch in _watches:
            watch.looks.append(f"{where} {kind}{func.name()}")


def _randomness(func: Any, leaves: list[Any]) -> AbstractContextManager:
    """The device's global generator, where one is drawn from."""
    if torch.Tag.nondeterministic_seeded not in func.tags or any(isinstance(x, _Generator) for x in leaves):
        return nullcontext()
    return _own_generator()


@contextmanager
def _own_generator() -> Iterator[None]:
    ours, theirs = torch.pretend.default_generators[0], torch.default_generator
    before = theirs.get_state()
    theirs.set_state(ours.get_state())
    try:
        yield
    finally:
        ours.set_state(theirs.get_state())
        theirs.set_state(before)


class _Instances(type):
    def __instancecheck__(cls, x: Any) -> bool:
        return isinstance(x, _Generator)


class AnyGenerator(metaclass=_Instances):
    """In place of `torch.Generator`, which cannot make one of the device."""

    def __new__(cls, device: Any = "cpu") -> Any:
        return Generator() if torch.device(device).type == "pretend" else _Generator(device)


class _Functions(TorchFunctionMode):
    """What torch decides above its dispatcher: `torch.tensor` on a device of Python, and that generators fit."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        there = kwargs.get("device")
        if there is None and args and isinstance(args[0], Tensor):
            there = args[0].device
        kind = "cpu" if there is None else torch.device(there).type
        generator = kwargs.get("generator")
        if generator is not None and generator.device.type != kind:
            raise RuntimeError(f"{func}: expected a generator of {kind}, got one of {generator.device}")
        if func in (torch.tensor, torch.as_tensor) and kind == "pretend":
            if isinstance(args[0], Tensor):
                return args[0].to(device="pretend", dtype=kwargs.get("dtype"))
            return func(*args, **{**kwargs, "device": "cpu"}).to("pretend")
        return func(*args, **kwargs)


_library = torch.library.Library("_", "IMPL")
_operations = torch.library.Library("aten", "IMPL")
# On a device that is no CPU, torch looks for fused kernels.
RECURRENT = {
    "lstm.input": decompositions.lstm_impl,
    "gru.input": decompositions.gru_impl,
    "rnn_tanh.input": decompositions.rnn_tanh_input,
}


def _made(make: Any, *args: Any, device: Any = None, pin_memory: Any = None, **options: Any) -> Tensor:
    """A factory that torch fills by resizing what it is given, which a tensor written in Python does not bear."""
    return PretendTensor(make(*args, **options))


def install() -> None:
    """Make the device known to torch, once in a process."""
    if hasattr(torch, "pretend"):
        return
    _setup_privateuseone_for_python_backend("pretend", backend_module=_Device())
    for name, make in (("arange", torch.arange), ("linspace", torch.linspace)):
        for overload in ("", ".start", ".start_step") if name == "arange" else ("",):
            _operations.impl(name + overload, partial(_made, make), "PrivateUse1")
    for name, plain in RECURRENT.items():
        _operations.impl(name, plain, "AutogradPrivateUse1")
    _library.fallback(lambda op, *args, **kwargs: run(op, args, kwargs), "PrivateUse1")


@contextmanager
def accelerator() -> Iterator[torch.device]:
    """The device, within a block."""
    install()
    with patch.object(torch, "Generator", AnyGenerator), _Functions():
        yield torch.device("pretend", 0)


@contextmanager
def watched() -> Iterator[Watch]:
    """Write down each look of the host."""
    watch = Watch()
    _watches.append(watch)
    try:
        yield watch
    finally:
        _watches.remove(watch)


@contextmanager
def no_looks() -> Iterator[None]:
    """Fail if the host has looked."""
    with watched() as watch:
        yield
    assert not watch.looks, f"the host looks at the device: {sorted(set(watch.looks))}"


@contextmanager
def no_doubles() -> Iterator[None]:
    """A device without float64, as Apple's."""
    _doubles[0] = False
    try:
        yield
    finally:
        _doubles[0] = True
