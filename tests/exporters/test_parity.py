"""PyTorch and the exported model agree: at sizes never traced, over many frames with state, and in half."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from exporters.against_torch import Parity, measure_parity
from exporters.errors import ExportError
from exporters.graph import export_graph
from exporters.half_by_torch import HalfParity, measure_half
from exporters.onnx import main as export_main
from exporters.parity import Measured, main, write_metrics
from exporters.recurrence import STEPS, state_shapes, with_steps
from exporters.served import opened
from reelwire.models.manifest import read_manifest
from tests.exporters.folders import written
from tests.exporters.networks import (
    Blur,
    Doubling,
    clip_network,
    picture_network,
    seeded,
    two_memories_network,
)
from tests.training.material import arguments, write_material
from training.recipe import Exportable
from training.train import main as train

pytestmark = pytest.mark.slow
PAIRS = [{"input": name, "output": f"{name}_next"} for name in ("quick", "slow")]


@pytest.mark.parametrize(
    "exportable",
    [picture_network(seeded(Doubling)), clip_network(), two_memories_network()],
    ids=["transposed convolutions", "three dimensions", "two states"],
)
def test_each_kind_of_network_agrees_at_the_traced_the_least_and_two_other_sizes(
    exportable: Exportable, tmp_path: Path
) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(export_graph(exportable).SerializeToString())
    parity = measure_parity(path, exportable)
    assert parity.error < 1e-5
    assert len(set(parity.sizes)) == 4


def test_a_recurrent_model_agrees_over_sixty_frames(tmp_path: Path) -> None:
    exportable = two_memories_network()
    folder = written(exportable, tmp_path / "net", state=PAIRS)
    parity = with_steps(measure_parity(folder / "model.onnx", exportable), folder, exportable, 1e-4)
    assert parity.steps == STEPS == 60
    assert parity.steps_error < 1e-5


def test_a_model_without_state_has_no_steps_to_measure(tmp_path: Path) -> None:
    exportable = picture_network(seeded(Blur))
    folder = written(exportable, tmp_path / "net")
    parity = measure_parity(folder / "model.onnx", exportable)
    assert with_steps(parity, folder, exportable, 1e-4) == parity


def test_half_does_not_drift_over_two_hundred_frames(tmp_path: Path) -> None:
    exportable = two_memories_network()
    folder = written(exportable, tmp_path / "net", state=PAIRS)
    with opened(folder) as served:
        states = state_shapes(served, exportable)
    half = measure_half(exportable, states)
    assert half.steps == 200
    assert 0 < half.late_error <= half.error < 5e-3


class _Creeping(torch.nn.Module):
    """Its state grows by a little each frame: beyond 2048 half has no odd numbers left."""

    def __init__(self) -> None:
        super().__init__()
        self.step = torch.nn.Parameter(torch.tensor(0.01))

    def forward(self, frame: torch.Tensor, h: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(N, 3, H, W) each → the same."""
        grown = h + self.step * (16 + frame.mean())
        return torch.sin(grown * 4), grown


def test_half_that_drifts_is_refused_with_the_frame() -> None:
    whole = two_memories_network()
    exportable = Exportable(
        module=_Creeping().eval(),
        inputs={"frame": whole.inputs["frame"], "h": whole.inputs["quick"]},
        free={},
        outputs={"result": (), "h_next": ()},
    )
    with pytest.raises(ExportError, match=r"off by .* in run \d+, at most 0.02 passes") as refused:
        measure_half(exportable, {"h": tuple(exportable.inputs["h"].shape)})
    assert int(str(refused.value).split("in run ")[1].split(",")[0]) > 1


def test_the_command_compares_a_folder_with_its_checkpoint_and_refuses_another(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    material = write_material(tmp_path / "material")
    assert train(arguments(material, tmp_path / "run", stop_after=4)) == 0
    checkpoint = tmp_path / "run" / "checkpoint.pt"
    given = [str(checkpoint), "--out", str(tmp_path / "m"), "--name", "net", "--version", "1"]
    assert export_main(given) == 0
    assert main([str(checkpoint), str(tmp_path / "m" / "net")]) == 0
    assert "off from PyTorch at 4 sizes" in capsys.readouterr().out
    toml = tmp_path / "m" / "net" / "model.toml"
    exported = read_manifest(toml)
    toml.write_text(toml.read_text().replace("parity_max_abs_error", "older"))
    assert main([str(checkpoint), str(toml.parent), "--write"]) == 0
    assert read_manifest(toml).metrics["parity_max_abs_error"] == exported.metrics["parity_max_abs_error"]
    assert read_manifest(toml).profiles == exported.profiles
    assert {path.name for path in toml.parent.iterdir()} == {"model.onnx", "model.toml", "sample.npz"}
    content = torch.load(checkpoint, weights_only=True)
    for weights in content["modules"]["network"].values():
        weights += torch.from_numpy(np.float32(0.1) * np.ones(weights.shape, np.float32))
    torch.save(content, checkpoint)
    assert main([str(checkpoint), str(tmp_path / "m" / "net")]) == 1
    assert "off by" in capsys.readouterr().err


def test_what_half_loses_can_stand_in_model_toml(tmp_path: Path) -> None:
    exportable = two_memories_network()
    folder = written(exportable, tmp_path / "net", state=PAIRS)
    exact = Parity(2e-7, ((1, 3, 8, 8),), "onnxruntime", 60, 3e-7)
    write_metrics(folder, Measured(exact, HalfParity(0.00123456, 0.001, 200)))
    metrics = read_manifest(folder / "model.toml").metrics
    assert (metrics["parity_steps"], metrics["parity_steps_max_abs_error"]) == (60, 3e-7)
    assert (metrics["half_steps"], metrics["half_max_abs_error"]) == (200, 0.00123)
