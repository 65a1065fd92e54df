"""Nodes stand in the order in which they are computed, or are put into it, or are refused."""

from __future__ import annotations

import onnx
import pytest
from onnx import TensorProto, helper

from exporters.errors import ExportError
from exporters.order import check_order, sort_nodes


def chain(*places: int) -> onnx.GraphProto:
    """x → a → b → c, written in this order; b is an If whose branches use a."""
    branch = helper.make_graph(
        [helper.make_node("Neg", ["a"], ["inner"], name="inside")],
        "branch",
        [],
        [helper.make_tensor_value_info("inner", TensorProto.FLOAT, None)],
    )
    nodes = [
        helper.make_node("Abs", ["x"], ["a"], name="first"),
        helper.make_node("If", ["yes"], ["b"], name="second", then_branch=branch, else_branch=branch),
        helper.make_node("Relu", ["b"], ["c"], name="third"),
    ]
    return helper.make_graph(
        [nodes[place] for place in places],
        "g",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, [1]),
            helper.make_tensor_value_info("yes", TensorProto.BOOL, []),
        ],
        [helper.make_tensor_value_info("c", TensorProto.FLOAT, None)],
    )


def test_a_graph_in_order_passes_and_stays() -> None:
    graph = chain(0, 1, 2)
    before = graph.SerializeToString()
    check_order(graph)
    sort_nodes(graph)
    assert graph.SerializeToString() == before


@pytest.mark.parametrize("places", [(1, 0, 2), (2, 1, 0), (0, 2, 1)], ids=str)
def test_a_graph_out_of_order_is_refused_and_can_be_sorted(places: tuple[int, ...]) -> None:
    graph = chain(*places)
    with pytest.raises(ExportError, match="before it is computed; sort"):
        check_order(graph)
    sort_nodes(graph)
    check_order(graph)
    assert [node.name for node in graph.node] == ["first", "second", "third"]


def test_nodes_that_wait_for_each_other_are_refused() -> None:
    graph = chain(0, 1, 2)
    graph.node[0].input[0] = "c"
    with pytest.raises(ExportError, match="wait for each other"):
        sort_nodes(graph)
