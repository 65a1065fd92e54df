"""A stream starts at once on what there is, and a plan is built aside; GPU and library are fakes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from deploy.fake_tensorrt import fake_gpu
from deploy.fake_tensorrt.fake_backend import fake_backend
from reelwire.engines.registry import standing_in
from reelwire.engines.select import Wanted
from reelwire.errors import PlanMissing
from reelwire.models.served import Leases, ServedModels
from reelwire.settings import Settings
from tests.reelwire.models import graphs

LIVENESS_S = 120.0
ANY = Wanted("auto")


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServedModels]:
    """The models of a service on a machine with TensorRT; nothing was built there yet."""
    monkeypatch.setenv("REELWIRE_CACHE_DIR", str(tmp_path / "cache"))
    with standing_in(fake_backend(fake_gpu("tensorrt"))):
        models = ServedModels(Settings(model_path=str(tmp_path), model_poll_s=0))
        yield models
        models.close()


class Stream:
    """One stream's leases, and what it is told."""

    def __init__(self, served: ServedModels) -> None:
        self.told: list[str] = []
        self.heard = threading.Event()
        self.leases: Leases = served.leases(self._tell)

    def _tell(self, text: str) -> None:
        self.told.append(text)
        self.heard.set()


def run_on_zeros(engine: object) -> float:
    """What the model makes of zeros: one value."""
    made = engine.run({"frame": np.zeros((1, 3, 32, 32), np.float32)})["result"]  # type: ignore[attr-defined]
    return float(made.max())


def test_a_stream_starts_without_a_plan_is_told_when_it_is_there_and_new_ones_get_it(
    served: ServedModels, tmp_path: Path
) -> None:
    graphs.gain(tmp_path / "net" / "model.onnx", shift=2)
    first, later = Stream(served), Stream(served)
    model = first.leases.open("net", ANY)
    assert model.engine.backend != "tensorrt", "at once, on what there is"
    assert [str(each) for each in model.awaiting] == ["tensorrt fp32"]
    assert first.heard.wait(LIVENESS_S)
    (told,) = first.told
    assert "a plan of net@" in told
    assert "new streams of this model get tensorrt, Fake GPU, fp32" in told
    assert run_on_zeros(model.engine) == 2, "it stays where it is"
    moved = later.leases.open("net", ANY)
    assert (moved.engine.backend, moved.engine.device) == ("tensorrt", "Fake GPU")
    assert run_on_zeros(moved.engine) == 2
    assert first.leases.open("net", Wanted("tensorrt")).engine.backend == "tensorrt", "for a Control"
    first.leases.close()
    later.leases.close()


def test_by_name_nothing_falls_back_and_the_error_says_how_to_build_it(
    served: ServedModels, tmp_path: Path
) -> None:
    graphs.gain(tmp_path / "net" / "model.onnx")
    with pytest.raises(PlanMissing, match=r"no plan of model\.onnx.*on Fake GPU; fix: build it with"):
        served.library.open("net", Wanted("tensorrt"))


def test_a_plan_that_was_built_before_is_used_at_once(tmp_path: Path, served: ServedModels) -> None:
    graphs.gain(tmp_path / "net" / "model.onnx")
    stream = Stream(served)
    stream.leases.open("net", ANY)
    assert stream.heard.wait(LIVENESS_S)
    again = ServedModels(Settings(model_path=str(tmp_path), model_poll_s=0))
    model = again.library.open("net", ANY)
    assert (model.engine.backend, model.awaiting) == ("tensorrt", ())
    again.close()
    stream.leases.close()


def test_a_plan_that_cannot_be_built_is_logged_and_streams_go_on(
    served: ServedModels, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    graphs.gain(tmp_path / "bad" / "model.onnx")
    (tmp_path / "bad" / "model.toml").write_text(
        "[[profiles]]\nname = 'wrong'\ninputs = { other = [[1, 2], [1, 2], [1, 2]] }\n"
    )
    graphs.gain(tmp_path / "good" / "model.onnx")
    stream = Stream(served)
    with caplog.at_level(logging.ERROR, "reelwire.models.plan_building"):
        bad = stream.leases.open("bad", ANY)
        stream.leases.open("good", ANY)
        assert stream.heard.wait(LIVENESS_S), "one after the other"
    (line,) = caplog.messages
    assert line.startswith("no plan of bad@")
    assert '"other"' in line
    assert served.library.open("bad", ANY) is bad
    assert len(stream.told) == 1
    stream.leases.close()


def test_an_ending_service_ends_its_builder_and_leaves_nothing_half_written(
    served: ServedModels, tmp_path: Path
) -> None:
    graphs.gain(tmp_path / "net" / "model.onnx")
    stream = Stream(served)
    stream.leases.open("net", ANY)
    stream.leases.close()
    served.close()
    plans = tmp_path / "cache" / "plans"
    assert {path.stem for path in plans.glob("*.plan")} == {path.stem for path in plans.glob("*.json")}
    assert not stream.told, "it had ended"
