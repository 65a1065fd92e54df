"""Whether runs of different streams become one inference is tried, said, and kept; never guessed."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from reelwire.engines import open_engine
from reelwire.engines.backend import Array, Engine
from reelwire.engines.batching import BatchingEngine
from reelwire.engines.host_stream import HostStream
from reelwire.engines.wrapper import WrappedEngine
from reelwire.errors import ModelUnusable
from reelwire.metrics import REGISTRY
from reelwire.models import ModelLibrary
from reelwire.models.batch_decision import BatchDecision, BatchedModel, BatchOptions
from reelwire.models.batch_probe import LENGTHS
from reelwire.models.batching import decide, slots_of, with_batching
from reelwire.models.library import SHIPPED
from reelwire.models.manifest import Manifest, read_manifest
from reelwire.models.understand import understand
from reelwire.threads import usable_cores
from tests.reelwire.models import batch_graphs, graphs

ON = BatchOptions("on", max_batch=8, streams=16)
AUTO = BatchOptions("auto", max_batch=8, streams=16 * usable_cores())
WINDOW = "[window]\nframes = 3\noverlap = 2\n"
EXACT: dict[str, tuple[graphs.Maker, str]] = {
    "stateless": (graphs.gain, ""),
    "recurrent": (lambda path: graphs.quarter_mixing(path, named=True), ""),
    "recurrent without names": (lambda path: graphs.quarter_mixing(path, named=False), ""),
    "window": (lambda path: graphs.window_mean(path, frames=5, each=True), ""),
    "window of one picture": (lambda path: graphs.window_mean(path, frames=3, each=False), WINDOW),
    "stacked window": (lambda path: graphs.stacked_first(path, 3), WINDOW),
}


class Counted(WrappedEngine):
    """Notes the rows of each inference. A run costs ``fixed`` more inferences, and ``each`` for each row
    beyond the first: so that batches really pay, or really do not."""

    def __init__(self, inner: Engine, *, fixed: int = 0, each: int = 0) -> None:
        super().__init__(inner)
        self.rows: list[int] = []
        self._fixed, self._each = fixed, each

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        rows = inputs["frame"].shape[0]
        self.rows.append(rows)
        alone = {name: array[:1] for name, array in inputs.items()}
        for _ in range(self._fixed + self._each * (rows - 1)):
            self.inner.run(alone)
        return self.inner.run(inputs)

    def stream(self, states: Mapping[str, str]) -> HostStream:
        return HostStream(self.run, states)


class DeviceStream:
    """As a stream whose state lies where the engine runs: no ``HostStream``."""

    def __init__(self, host: HostStream) -> None:
        self.step, self.state, self.load, self.close = host.step, host.state, host.load, host.close


class OnDevice(WrappedEngine):
    def stream(self, states: Mapping[str, str]) -> DeviceStream:
        return DeviceStream(HostStream(self.run, states))


def decided(
    path: Path, options: BatchOptions = ON, engine: Engine | None = None, toml: str = ""
) -> BatchDecision:
    """For the graph at ``path``."""
    (path.parent / "model.toml").write_text(toml)
    manifest = read_manifest(path.parent / "model.toml")
    spec = understand(open_engine(path), manifest)
    return decide(engine or open_engine(path), spec, options, BatchedModel(most=manifest.batch.max))


@pytest.mark.parametrize("kind", EXACT)
def test_models_of_every_kind_are_batched_where_batches_are_bit_for_bit_the_same(
    tmp_path: Path, kind: str
) -> None:
    make, toml = EXACT[kind]
    decision = decided(make(tmp_path / "model.onnx"), toml=toml)
    assert (decision.on, decision.max_batch, decision.exact) == (True, 8, True)
    assert str(decision).startswith("runs of up to 8 streams are one inference: ")


@pytest.mark.parametrize("options", [ON, AUTO], ids=["on", "auto"])
@pytest.mark.parametrize(
    "coupled", [batch_graphs.row_mean, batch_graphs.row_rounded], ids=["mean", "last bits"]
)
def test_a_model_whose_rows_touch_each_other_runs_alone(
    tmp_path: Path, coupled: graphs.Maker, options: BatchOptions
) -> None:
    decision = decided(coupled(tmp_path / "model.onnx"), options)
    assert (decision.on, decision.max_batch, decision.exact, decision.gain) == (False, 1, False, None)
    assert "is off runs alone by up to" in str(decision)


def test_a_state_that_touches_another_streams_shows_although_the_pictures_agree(tmp_path: Path) -> None:
    decision = decided(batch_graphs.row_mean_state(tmp_path / "model.onnx"))
    assert (decision.on, decision.exact) == (False, False)


def test_an_operator_may_accept_a_stated_difference_and_no_larger_one(tmp_path: Path) -> None:
    path = batch_graphs.row_rounded(tmp_path / "model.onnx")
    accepted = decided(path, replace(ON, tolerance=1e-6))
    assert (accepted.on, accepted.exact) == (True, False)
    assert "which REELWIRE_BATCH_TOLERANCE allows" in str(accepted)
    assert not decided(path, replace(ON, tolerance=1e-12)).on
    assert not decided(path, replace(AUTO, tolerance=1e-6)).on, "auto accepts nothing"


def test_the_lengths_that_are_allowed_are_compared_and_no_longer_ones(tmp_path: Path) -> None:
    path = graphs.gain(tmp_path / "model.onnx")
    for most, lengths in ((8, {*LENGTHS, 8}), (4, {1, 2, 3, 4}), (2, {1, 2})):
        engine = Counted(open_engine(path))
        assert decided(path, replace(ON, max_batch=most), engine).max_batch == most
        assert set(engine.rows) == lengths


@pytest.mark.parametrize(("fixed", "each", "on"), [(200, 0, True), (100, 300, False)], ids=["pays", "costs"])
def test_auto_batches_where_it_was_measured_to_pay(tmp_path: Path, fixed: int, each: int, on: bool) -> None:
    path = graphs.gain(tmp_path / "model.onnx")
    decision = decided(path, AUTO, Counted(open_engine(path), fixed=fixed, each=each))
    assert (decision.on, decision.exact) == (on, True)
    assert decision.gain is not None
    assert (decision.gain >= 1.05) == on
    assert f"{decision.gain:.2f} times the frames per second" in str(decision)
    if on:
        assert decision.max_batch > 1


SOLO: dict[str, tuple[BatchOptions, str, str]] = {
    "off": (BatchOptions("off", streams=16), "", "REELWIRE_BATCH is off"),
    "one stream": (replace(AUTO, streams=1), "", "takes one stream at once"),
    "room for all": (replace(AUTO, streams=usable_cores() or 1), "", "at once"),
    "limited by the service": (replace(ON, max_batch=1), "", "allows batches of 1 only"),
    "limited by the model": (ON, "[batch]\nmax = 1\n", "allows batches of 1 only"),
}


@pytest.mark.parametrize("why", SOLO)
def test_nothing_is_tried_where_it_cannot_matter(tmp_path: Path, why: str) -> None:
    options, toml, words = SOLO[why]
    path = graphs.gain(tmp_path / "model.onnx")
    engine = Counted(open_engine(path))
    decision = decided(path, options, engine, toml)
    assert (decision.on, decision.max_batch, decision.exact) == (False, 1, None)
    assert words in str(decision)
    assert engine.rows == []


def test_a_model_toml_can_only_lower_the_limit(tmp_path: Path) -> None:
    path = graphs.gain(tmp_path / "model.onnx")
    assert decided(path, toml="[batch]\nmax = 3\n").max_batch == 3
    assert decided(path, toml="[batch]\nmax = 64\n").max_batch == 8
    (tmp_path / "model.toml").write_text("[batch]\nmax = 65\n")
    with pytest.raises(ModelUnusable, match=r"batch\.max"):
        read_manifest(tmp_path / "model.toml")


def test_a_graph_that_takes_one_at_a_time_says_which_input(tmp_path: Path) -> None:
    path = shutil.copy(SHIPPED / "selfie-segmentation" / "model.onnx", tmp_path / "model.onnx")
    decision = decided(Path(path), toml='task = "segmentation"\n')
    assert "has no batch axis" in str(decision)
    assert "input_1" in str(decision)


def test_an_engine_that_keeps_states_on_its_device_is_not_wrapped(tmp_path: Path) -> None:
    path = graphs.quarter_mixing(tmp_path / "model.onnx", named=True)
    decision = decided(path, ON, OnDevice(open_engine(path)))
    assert "keeps each stream's state where it runs" in str(decision)


def test_what_batches_are_made_with_is_what_was_decided(tmp_path: Path) -> None:
    path = graphs.gain(tmp_path / "model.onnx")
    engine = open_engine(path)
    spec = understand(engine, Manifest())
    decision = decide(engine, spec, ON)
    assert isinstance(with_batching(engine, spec, decision, ON), BatchingEngine)
    off = decide(engine, spec, BatchOptions())
    assert with_batching(engine, spec, off, BatchOptions()) is engine
    assert slots_of(engine) == usable_cores()


def test_a_decision_is_kept_for_the_same_model_way_and_wish(tmp_path: Path) -> None:
    path = graphs.gain(tmp_path / "model.onnx", shift=0.25)
    spec = understand(open_engine(path), Manifest())
    model = BatchedModel(sha256=path.read_bytes().hex()[-64:])
    first, second, other = (Counted(open_engine(path)) for _ in range(3))
    decision = decide(first, spec, ON, model)
    assert first.rows
    assert decide(second, spec, ON, model) == decision
    assert second.rows == []
    assert decide(other, spec, replace(ON, max_batch=4), model).max_batch == 4
    assert other.rows


def test_a_library_logs_shows_and_binds_what_was_decided(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    graphs.gain(tmp_path / "shown.onnx", shift=0.125)
    library = ModelLibrary([tmp_path], batch=replace(ON, max_batch=4))
    labels = {"model": "shown", "backend": "onnxruntime"}
    with caplog.at_level(logging.INFO):
        model = library.open("shown")
    assert f"{model.name}@{model.version}: {model.batching}" in caplog.text
    assert model.pinned("generator").max_batch == model.batching.max_batch == 4
    assert REGISTRY.get_sample_value("reelwire_engine_max_batch", labels) == 4
    library.close()
    assert REGISTRY.get_sample_value("reelwire_engine_max_batch", labels) is None
