"""A model → files that ONNX Runtime runs, in any language."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from chainrule.engine import exact_arithmetic
from chainrule.engine.finite import name_of
from chainrule.errors import ChainruleError
from chainrule.files import atomic_path, is_stream, write_text
from chainrule.models import AutoregressiveModel, Model
from chainrule.models.base.capabilities import Sequential
from chainrule.tasks.onnx.card import make_card
from chainrule.tasks.onnx.convert import need, to_onnx
from chainrule.tasks.onnx.graphs import Leaves, Parallel, Step
from chainrule.tasks.onnx.phases import by_phase
from chainrule.tasks.onnx.proof import prove
from chainrule.training import Run

ENDING, KEY = ".onnx", "chainrule"
MOST = 2**31 - 1  # bytes of a graph in one file


class Exported(NamedTuple):
    """What was written.

    Attributes:
        step, parallel, card: the files.
        difference: nats, the largest one seen between a log-probability of the model and of ONNX Runtime.
    """

    step: Path
    parallel: Path
    card: Path
    difference: float


def export(model: Model | Run, path: str | Path, *, cond: Tensor | int | None = None) -> Exported:
    """Write one step of a model, with its state as inputs and outputs, and the parallel pass, as ONNX.

    `NAME.onnx` takes "prev" (B, V), the site before; "t", the number of the site; and "state_0" … It gives "logits"
    (B, V, K) of the levels of site t, and the state after it, "next_0" … `NAME.parallel.onnx` takes items "x"
    (B, *event_shape) and gives "logits" (B, D, K) of all variables in generation order. B is any batch size, float32.
    `NAME.onnx.json`, which both graphs also hold as their metadata "chainrule", says what a sampler needs: the domain,
    the order of the variables, the initial state. Both graphs are compared with the model before they are written.

    Args:
        model: of levels, with one ordering; or a run.
        path: of the step, NAME.onnx.
        cond: what is drawn given, for a conditional model; fixed in the files.

    Raises:
        MissingExtraError: if the packages of the extra `export` are not installed.
        ConditionError: if the condition is missing, or not the model's.
        ChainruleError: if the model or the path cannot be exported to, or ONNX Runtime computes something else.

    References:
        ONNX, https://onnx.ai
    """
    path = Path(path)
    if path.suffix != ENDING or is_stream(path):
        raise ChainruleError(
            f"export: expected a file NAME{ENDING}, got {path}; two more are written beside it"
        )
    run, model = (model, model.model) if isinstance(model, Run) else (None, model)
    for package in ("onnx", "onnxscript", "onnxruntime"):
        need(package)
    exported = copy.deepcopy(_exportable(model)).cpu().float().requires_grad_(False)
    given = exported.expand_cond(cond, 1)
    with exact_arithmetic(exported):
        state = exported.init_state(1, cond=given)
        leaves = Leaves(state)
        flat = leaves.flatten(state)
        names = [f"state_{i}" for i in range(len(flat))]
        card = make_card(exported, run, flat, names)
        step, parallel = (
            _with_card(graph, card)
            for graph in (_step(exported, leaves, flat, names), _parallel(exported, given))
        )
        worst = prove(exported, given, leaves, names, step, parallel)
    files = path, path.with_suffix(f".parallel{ENDING}"), path.with_suffix(f"{ENDING}.json")
    for file, graph in zip(files[:2], (step, parallel), strict=True):
        with atomic_path(file) as temporary:
            temporary.write_bytes(graph)
    write_text(files[2], json.dumps(card, indent=1) + "\n")
    return Exported(*files, worst)


def _exportable(model: Model) -> AutoregressiveModel:
    """The model, if it has what is exported.

    Raises:
        ChainruleError: if not: what it lacks, and what to do.
    """
    name = name_of(model)
    if not isinstance(model, AutoregressiveModel):
        if isinstance(model, Sequential):
            raise ChainruleError(
                f"export: {name} mixes several orderings or models; export one of them, in Python: "
                "cr.export(model.factorisation, path)"
            )
        raise ChainruleError(
            f"export: expected a model that draws one variable after another, such as wavenet, transformer, made or "
            f"gated-pixelcnn, got {name}; sample it with chainrule itself"
        )
    if not model.domain.discrete:
        raise ChainruleError(
            f"export: expected a model of levels, got {name} of {model.domain}; sample it with chainrule itself"
        )
    if model.head.coupled and model.head.variables > 1:
        raise ChainruleError(
            f"export: expected variables that are independent in a site, got {type(model.head).__name__}, which draws "
            f"the {model.head.variables} of a site one after another; for images in colour export gated-pixelcnn"
        )
    return model


def _step(model: AutoregressiveModel, leaves: Leaves, state: Sequence[Tensor], names: Sequence[str]) -> Any:
    """The step as an `onnx.ModelProto`."""
    # Two rows: the exporter takes a batch of one for a constant.
    rows = [leaf.repeat_interleave(2, dim=0) for leaf in state]
    args = torch.zeros(2, model.head.variables, dtype=torch.int64), torch.tensor(0), rows
    after = [name.replace("state", "next") for name in names]
    schedule = list(model.schedule())
    kinds = list(dict.fromkeys(schedule))
    parts = [
        to_onnx(
            Step(model, leaves, kind),
            args,
            ["prev", "t", *names],
            ["logits", *after],
            f"{name_of(model)}: step",
        )
        for kind in kinds
    ]
    return by_phase(parts, [kinds.index(kind) for kind in schedule])


def _parallel(model: AutoregressiveModel, cond: Tensor | None) -> Any:
    """The parallel pass as an `onnx.ModelProto`."""
    x = torch.zeros(2, *model.domain.event_shape, dtype=torch.int64)
    return to_onnx(Parallel(model, cond), (x,), ["x"], ["logits"], f"{name_of(model)}: parallel pass")


def _with_card(proto: Any, card: dict) -> bytes:
    """The graph in one file, with its description."""
    need("onnx").helper.set_model_props(proto, {KEY: json.dumps(card)})
    if proto.ByteSize() > MOST:
        raise ChainruleError(f"export: expected graphs below 2 GiB, got one of {proto.ByteSize():,} bytes")
    return proto.SerializeToString()
