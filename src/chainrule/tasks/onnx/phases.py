"""Steps of several kinds → one graph, which does the work of site t's kind."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from chainrule.tasks.onnx.convert import need


def by_phase(parts: Sequence[Any], schedule: Sequence[int]) -> Any:
    """One `onnx.ModelProto` of several with the same inputs and outputs, whose weights it holds once.

    Args:
        parts: one for each kind of sites; "t" is one of their inputs.
        schedule: the kind of each site; those after the last are of its kind.
    """
    if len(parts) == 1:
        return parts[0]
    helper, first = need("onnx").helper, parts[0]
    weights: dict[tuple, Any] = {}
    branches = [_branch(part.graph, f"phase_{i}_", weights) for i, part in enumerate(parts)]
    int64 = need("onnx").TensorProto.INT64
    tables = [
        helper.make_tensor("kinds", int64, [len(schedule)], schedule),
        helper.make_tensor("last_site", int64, [], [len(schedule) - 1]),
    ]
    nodes = [
        helper.make_node("Min", ["t", "last_site"], ["site"]),
        helper.make_node("Gather", ["kinds", "site"], ["kind"]),
        *_choose(branches, 0, len(branches), [output.name for output in first.graph.output]),
    ]
    initial = [*tables, *weights.values()]
    graph = helper.make_graph(nodes, "step", first.graph.input, first.graph.output, initial)
    return helper.make_model(graph, opset_imports=first.opset_import, ir_version=first.ir_version)


def _branch(graph: Any, prefix: str, weights: dict[tuple, Any]) -> Any:
    """The graph without inputs of its own, its names made unique; its weights join those of the others."""
    onnx = need("onnx")
    names = {value.name: value.name for value in graph.input} | {"": ""}
    for tensor in graph.initializer:
        content = onnx.numpy_helper.to_array(tensor)
        key = tensor.data_type, content.shape, content.tobytes()
        if key not in weights:
            weights[key] = onnx.numpy_helper.from_array(content, prefix + tensor.name)
        names[tensor.name] = weights[key].name
    for node in graph.node:
        node.name = prefix + node.name
        node.input[:] = [names.get(name, prefix + name) for name in node.input]
        node.output[:] = [prefix + name if name else "" for name in node.output]
    return onnx.helper.make_graph(graph.node, prefix + "graph", [], _renamed(graph.output, prefix))


def _choose(branches: Sequence[Any], first: int, last: int, outputs: Sequence[str]) -> list[Any]:
    """Nodes that compute the outputs by the branch of number `kind`, one of first … last-1."""
    helper, middle = need("onnx").helper, (first + last) // 2
    number = helper.make_tensor(f"number_{middle}", need("onnx").TensorProto.INT64, [], [middle])
    halves = _half(branches, first, middle), _half(branches, middle, last)
    return [
        helper.make_node("Constant", [], [number.name], value=number),
        helper.make_node("Less", ["kind", number.name], [f"below_{middle}"]),
        helper.make_node("If", [f"below_{middle}"], outputs, then_branch=halves[0], else_branch=halves[1]),
    ]


def _half(branches: Sequence[Any], first: int, last: int) -> Any:
    if last - first == 1:
        return branches[first]
    outputs = _renamed(branches[first].output, f"until_{last}_")
    nodes = _choose(branches, first, last, [output.name for output in outputs])
    return need("onnx").helper.make_graph(nodes, f"phases_{first}_{last}", [], outputs)


def _renamed(values: Sequence[Any], prefix: str) -> list[Any]:
    """Copies of values with other names."""
    copies = [copy.deepcopy(value) for value in values]
    for value in copies:
        value.name = prefix + value.name
    return copies
