"""Graphs from torch: free where they must be, compared where they never were traced, refused otherwise."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import onnx
import pytest

from exporters.against_torch import measure_parity
from exporters.errors import ExportError
from exporters.graph import OPSET, check_graph, export_graph
from tests.exporters.networks import Blur, Branching, Noisy, Ramp, picture_network, remembering_network
from training.recipe import Exportable

pytestmark = pytest.mark.slow


def saved(exportable: Exportable, path: Path) -> Path:
    """Exported to ``path``."""
    path.write_bytes(export_graph(exportable).SerializeToString())
    return path


@pytest.fixture(scope="module")
def blur() -> Exportable:
    """A network of one convolution, any size."""
    return picture_network(Blur())


@pytest.fixture(scope="module")
def blur_graph(blur: Exportable) -> onnx.ModelProto:
    """The same, exported; read only."""
    return export_graph(blur)


def shape_of(value: onnx.ValueInfoProto) -> list[int | str]:
    """Lengths, and the names of free ones."""
    return [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]


def test_batch_and_size_are_free_and_the_state_is_tied_to_the_picture() -> None:
    exportable = remembering_network()
    graph = export_graph(exportable).graph
    assert {value.name: shape_of(value) for value in (*graph.input, *graph.output)} == {
        "frame": ["batch", 3, "2*h2", "2*w2"],
        "h": ["batch", 3, "h2", "w2"],
        "result": ["batch", 3, "2*h2", "2*w2"],
        "h_next": ["batch", 3, "h2", "w2"],
    }


def test_a_graph_says_nothing_of_who_exported_it(blur: Exportable, blur_graph: onnx.ModelProto) -> None:
    written = blur_graph.SerializeToString()
    assert written == export_graph(blur).SerializeToString()
    assert str(Path(__file__).parent).encode() not in written
    assert {(entry.domain, entry.version) for entry in blur_graph.opset_import} == {("", OPSET)}


def test_a_network_that_fixes_its_size_when_traced_is_refused() -> None:
    with pytest.raises(ExportError, match=r"64\]: axes \[3\] are fixed to what was traced"):
        export_graph(picture_network(Ramp()))


def test_a_graph_whose_output_alone_is_fixed_is_refused(
    blur: Exportable, blur_graph: onnx.ModelProto
) -> None:
    graph = onnx.ModelProto()
    graph.CopyFrom(blur_graph)
    graph.graph.output[0].type.tensor_type.shape.dim[2].dim_value = 48
    with pytest.raises(ExportError, match=r"not valid ONNX|fixed to what was traced"):
        check_graph(graph, blur)


def test_parity_is_measured_at_the_traced_size_the_least_and_two_never_traced_with_an_odd_batch(
    tmp_path: Path,
) -> None:
    exportable = remembering_network()
    parity = measure_parity(saved(exportable, tmp_path / "m.onnx"), exportable)
    assert parity.error < 1e-6
    traced, least, *others = parity.sizes
    assert traced == tuple(exportable.inputs["frame"].shape)
    assert least == (1, 3, 2, 2)
    assert len(others) == 2
    for size in others:
        assert size[0] % 2 == 1
        assert size[0] != traced[0]
        assert size[2] != traced[2]
        assert size[3] != traced[3]


def test_a_graph_of_other_weights_is_off(blur_graph: onnx.ModelProto, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(blur_graph.SerializeToString())
    with pytest.raises(ExportError, match=r"off by 0\.\d+ at \[2, 3, 48, 64\], at most 0.0001 passes"):
        measure_parity(path, picture_network(Blur()))


def test_a_graph_that_runs_at_the_traced_size_alone_is_refused(blur: Exportable, tmp_path: Path) -> None:
    path = saved(replace(blur, free={}, outputs={"result": ()}), tmp_path / "m.onnx")
    with pytest.raises(ExportError, match=r"does not run at \[1, 3, 4, 4\], a size that must be free"):
        measure_parity(path, blur)


def test_a_network_that_gives_no_numbers_is_refused(tmp_path: Path) -> None:
    exportable = picture_network(Noisy())
    with pytest.raises(ExportError, match="holds NaN or infinity"):
        measure_parity(saved(exportable, tmp_path / "m.onnx"), exportable)


def test_what_has_no_onnx_form_is_refused_in_one_line() -> None:
    with pytest.raises(ExportError, match="cannot be exported") as refused:
        export_graph(picture_network(Branching()))
    assert "\n" not in str(refused.value)
