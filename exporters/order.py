"""Whether a graph's nodes stand in the order in which they are computed; and putting them into it.

ONNX demands that order. ONNX Runtime does not mind, TensorRT's parser and the checker do.
"""

from __future__ import annotations

import onnx

from exporters.errors import ExportError


def check_order(graph: onnx.GraphProto) -> None:
    """ExportError: a node, here or in an inner graph, uses what only a later one computes."""
    late = _first_unready(graph, set())
    if late is not None:
        node, missing = late
        raise ExportError(
            f'node "{node.name}" ({node.op_type}) uses "{missing}" before it is computed; '
            "sort the graph topologically"
        )


def sort_nodes(graph: onnx.GraphProto) -> None:
    """Puts the nodes into the order of computation, each as early as its inputs allow, else as they stood.
    ExportError: there is no such order."""
    made = {name for node in graph.node for name in node.output if name}
    ready: set[str] = set()
    left, ordered = list(graph.node), []
    while left:
        later = []
        for node in left:
            if any(name in made and name not in ready for name in _uses(node)):
                later.append(node)
            else:
                ordered.append(node)
                ready.update(node.output)
        if len(later) == len(left):
            raise ExportError(f'nodes wait for each other, "{left[0].name}" among them; export again')
        left = later
    copied = [_copy(node) for node in ordered]
    del graph.node[:]
    graph.node.extend(copied)


def _copy(node: onnx.NodeProto) -> onnx.NodeProto:
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    return copy


def _uses(node: onnx.NodeProto) -> list[str]:
    """Names of what a node needs, those that its inner graphs take from outside among them."""
    names = [name for name in node.input if name]
    for inner in _inner(node):
        own = {value.name for value in (*inner.input, *inner.initializer)}
        own |= {name for each in inner.node for name in each.output}
        names += [name for each in inner.node for name in _uses(each) if name not in own]
        names += [value.name for value in inner.output if value.name not in own]
    return names


def _inner(node: onnx.NodeProto) -> list[onnx.GraphProto]:
    return [graph for attribute in node.attribute for graph in (attribute.g, *attribute.graphs) if graph.node]


def _first_unready(graph: onnx.GraphProto, outer: set[str]) -> tuple[onnx.NodeProto, str] | None:
    known = outer | {value.name for value in (*graph.input, *graph.initializer)}
    known |= {tensor.values.name for tensor in graph.sparse_initializer}
    for node in graph.node:
        for name in node.input:
            if name and name not in known:
                return node, name
        for inner in _inner(node):
            found = _first_unready(inner, known)
            if found is not None:
                return found
        known |= set(node.output)
    return None
