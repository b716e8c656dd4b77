"""A module → an ONNX graph, by torch's exporter."""

from __future__ import annotations

import logging
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_map

from chainrule.errors import ChainruleError, optional_import

EXTRA = "export"


def need(module: str) -> Any:
    """A package of the extra.

    Raises:
        MissingExtraError: if it is not installed.
    """
    return optional_import(module, EXTRA)


def to_onnx(module: nn.Module, args: tuple, inputs: Sequence[str], outputs: Sequence[str], whose: str) -> Any:
    """An `onnx.ModelProto` of any batch size.

    Args:
        module: without randomness, in evaluation mode.
        args: examples of its arguments, tensors or lists of tensors; all but 0-d ones have the batch first.
        inputs, outputs: names of these tensors, and of the results.
        whose: for the message.

    Raises:
        ChainruleError: if the exporter cannot follow the module.
    """
    batch = torch.export.Dim("batch")
    shapes = tree_map(lambda tensor: {0: batch} if tensor.ndim else None, args)
    names: Any = {"input_names": list(inputs), "output_names": list(outputs)}
    try:
        # With gradients on, layers write into a copy of their state, which a graph without memory can do.
        with _quiet(), torch.enable_grad():
            # Traced here: the exporter would try other ways as well, some of which fix the batch size.
            traced = torch.export.export(module, args, dynamic_shapes=shapes, strict=False)
            program: Any = torch.onnx.export(traced, (), dynamo=True, verbose=False, **names)
            proto = program.model_proto
    except Exception as error:  # whatever the exporter meets
        raise ChainruleError(
            f"export: {whose}: torch's exporter cannot follow it ({_reason(error)}); sample with chainrule itself"
        ) from error
    _forget_sources(proto.graph)
    return proto


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter warns of itself, and logs which packages it could use."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _reason(error: BaseException) -> str:
    """The first line of what was the matter first."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return textwrap.shorten(lines[0], 120, placeholder=" …")


def _forget_sources(graph: Any) -> None:
    """Leave out names of files and lines of this machine, which would be most of a small graph."""
    graph.ClearField("value_info")
    for part in (graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
