"""Faults that an exporter can have, planted one by one: each is refused by the check that is there for it,
and what has no fault passes the same check.

| fault                                   | check                                                    |
|-----------------------------------------|----------------------------------------------------------|
| a symbol specialised by linspace        | ``graph.check_graph``: a free axis came out as a number  |
| a fixed batch                           | ``graph.check_graph``                                    |
| nodes out of order                      | ``order.check_order``                                    |
| swapped channel order                   | ``against_torch.measure_parity``                         |
| wrong normalisation                     | ``against_torch.measure_parity``                         |
| height and width exchanged              | ``against_torch.measure_parity``, at untraced sizes      |
| two states exchanged                    | ``recurrence.with_steps``, over 60 frames                |
| overflow in fp16, a graph alone         | ``half.check_range``: names the node                     |
| overflow in fp16, a network             | ``half_by_torch.measure_half``                           |
| int8 calibrated on the wrong range      | ``variants.check_floor``, PSNR on real frames            |
| a sample of another model               | ``models.sample.check_sample``, when the model is loaded |
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from exporters.against_torch import measure_parity
from exporters.errors import ExportError
from exporters.graph import check_graph, export_graph
from exporters.half import check_range
from exporters.half_by_torch import measure_half
from exporters.order import check_order
from exporters.quantized import Choice, Quantizer
from exporters.recurrence import with_steps
from exporters.sample import make_sample, write_sample
from exporters.served import opened
from exporters.toml import toml_text
from exporters.variants import Wishes, check_floor, entry_of, gather, judged
from reelwire.errors import ModelUnusable
from reelwire.models.manifest import read_manifest
from reelwire.models.sample import check_sample, read_sample
from tests.exporters.folders import CLIP, written
from tests.exporters.networks import (
    Blur,
    Doubling,
    Loud,
    Ramp,
    Scaled,
    Swapped,
    picture_network,
    seeded,
    two_memories_network,
)

pytestmark = pytest.mark.slow
Check = Callable[[Path, bool], object]


def specialised_symbol(own: Path, faulty: bool) -> None:
    export_graph(picture_network(seeded(Ramp if faulty else Blur)))


def batch_fixed(own: Path, faulty: bool) -> None:
    whole = picture_network(seeded(Blur))
    sizes_alone = {axis: size for axis, size in whole.free["frame"].items() if axis != 0}
    traced = replace(whole, free={"frame": sizes_alone}, outputs={"result": (2, 3)})
    check_graph(export_graph(traced if faulty else whole), whole)


def unsorted_graph(own: Path, faulty: bool) -> None:
    graph = export_graph(picture_network(seeded(Blur)))
    if faulty:
        nodes = list(reversed(graph.graph.node))
        copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
        del graph.graph.node[:]
        graph.graph.node.extend(copies)
    check_order(graph.graph)


def _parity_of(own: Path, exported: nn.Module) -> None:
    own.mkdir()
    path = own / "model.onnx"
    path.write_bytes(export_graph(picture_network(exported)).SerializeToString())
    measure_parity(path, picture_network(seeded(Blur)))


def swapped_channels(own: Path, faulty: bool) -> None:
    _parity_of(own, Swapped(seeded(Blur)) if faulty else seeded(Blur))


def wrong_normalisation(own: Path, faulty: bool) -> None:
    _parity_of(own, Scaled(seeded(Blur)) if faulty else seeded(Blur))


class _Turned(Blur):
    """Convolves the picture lying on its side: the shapes fit, whatever they are."""

    def forward(self, frame: torch.Tensor) -> torch.Tensor:
        """Same shape."""
        return super().forward(frame.transpose(2, 3)).transpose(2, 3)


def exchanged_axes(own: Path, faulty: bool) -> None:
    _parity_of(own, seeded(_Turned if faulty else Blur))


def swapped_states(own: Path, faulty: bool) -> None:
    exportable = two_memories_network()
    names = ("slow_next", "quick_next") if faulty else ("quick_next", "slow_next")
    pairs = [{"input": name, "output": got} for name, got in zip(("quick", "slow"), names, strict=True)]
    folder = written(exportable, own, state=pairs)
    parity = measure_parity(folder / "model.onnx", exportable)
    assert with_steps(parity, folder, exportable, 1e-4).steps == 60


def half_overflow_of_a_graph(own: Path, faulty: bool) -> None:
    folder = written(picture_network(seeded(Loud if faulty else Blur)), own)
    with opened(folder) as served:
        check_range(served.files.facts.path, make_sample(served, [CLIP]).inputs)


def half_overflow_of_a_network(own: Path, faulty: bool) -> None:
    measure_half(picture_network(seeded(Loud if faulty else Blur)), {})


def int8_of_the_wrong_range(own: Path, faulty: bool) -> None:
    folder = written(picture_network(seeded(Doubling)), own / "m")
    with opened(folder) as served:
        wishes = Wishes(clips=(CLIP,), frames=6, size=(48, 64))
        material = gather(served, wishes, make_sample(served, [CLIP]))
        scale = np.float32(1 / 255 if faulty else 1)
        runs = [{name: array * scale for name, array in run.items()} for run in material.calibrating.inputs]
        quantizer = Quantizer(onnx.load(folder / "model.onnx"), runs, own)
        ends = frozenset({quantizer.layers[0], quantizer.layers[-1]})
        path = quantizer.quantize(Choice("s8s8", "minmax", ends), own / "model.s8s8.onnx")
        check_floor(entry_of(path, "int8", "s8s8", judged(served, material, path)), 30.0)


def sample_of_another_model(own: Path, faulty: bool) -> None:
    folder = written(picture_network(seeded(Blur)), own / "m")
    other = written(picture_network(Blur()), own / "other")
    with opened(other if faulty else folder) as served:
        run = make_sample(served, [CLIP])
    listed = write_sample(folder, run.inputs[0], run.outputs[0])
    (folder / "model.toml").write_text(toml_text({"sample": listed}))
    with opened(folder) as served:
        sample = read_sample(folder, read_manifest(folder / "model.toml"))
        assert sample is not None
        check_sample(served.engine, sample, 30.0)


FAULTS: dict[str, tuple[Check, str]] = {
    "specialised symbol": (specialised_symbol, "fixed to what was traced"),
    "batch fixed": (batch_fixed, r"axes \[0\] are fixed to what was traced"),
    "unsorted graph": (unsorted_graph, "before it is computed"),
    "swapped channel order": (swapped_channels, "off by"),
    "wrong normalisation": (wrong_normalisation, "off by"),
    "height and width exchanged": (exchanged_axes, "off by"),
    "state pair swapped": (swapped_states, r"check \[\[state\]\] of model.toml: slow_next goes into quick"),
    "fp16 overflow of a graph": (half_overflow_of_a_graph, r'node "node_.*" \(Mul\) reaches .*fp16 holds'),
    "fp16 overflow of a network": (half_overflow_of_a_network, "NaN or infinity in run 1"),
    "int8 calibrated on the wrong range": (int8_of_the_wrong_range, "min_psnr_db of this model is 30"),
    "sample of another model": (sample_of_another_model, "sample is of another model"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_caught(fault: str, tmp_path: Path) -> None:
    plant, said = FAULTS[fault]
    with pytest.raises((ExportError, ModelUnusable), match=said):
        plant(tmp_path / "own", True)


@pytest.mark.parametrize("fault", FAULTS)
def test_the_same_without_the_fault_passes(fault: str, tmp_path: Path) -> None:
    plant, _ = FAULTS[fault]
    plant(tmp_path / "own", False)
