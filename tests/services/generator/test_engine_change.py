"""A running stream moves to another engine when a Control says so, and only then."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reelwire.engines.backend import EngineStream
from reelwire.engines.select import Wanted, usable_backends
from reelwire.engines.wrapper import WrappedEngine
from reelwire.errors import BadParameter, OutsideShapeProfile
from reelwire.models import LoadedModel, ModelLibrary
from reelwire.v1.pipeline_pb2 import Control, EngineChange
from services.generator.engine_change import EngineMove
from services.generator.inference import FrameModel
from tests.reelwire.models import graphs
from tests.services.generator.streams import (
    NextStage,
    chunk,
    clip,
    factory,
    joined,
    open_stream,
    video,
    whole_stream,
)

BACKENDS = [backend.name for backend in usable_backends()]
HEIGHT, WIDTH = 16, 24


def engine_from(pts: int, backend: str, precision: str = "") -> Control:
    """A change of engine."""
    return Control(stage="generator", from_pts=pts, engine=EngineChange(backend=backend, precision=precision))


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_stream_moves_at_the_pts_that_was_named_and_its_state_goes_along(
    tmp_path: Path, backend: str
) -> None:
    graphs.quarter_mixing(tmp_path / "model" / "model.onnx", named=True)
    generator, pixels = factory(tmp_path, backend="onnxruntime"), clip(9, HEIGHT, WIDTH)
    unmoved = whole_stream(open_stream(generator, video(WIDTH, HEIGHT), model="model"), pixels)
    after = NextStage()
    opened = open_stream(generator, video(WIDTH, HEIGHT), after, model="model")
    opened.stage.control(engine_from(4, backend, "fp32"))
    moved = whole_stream(opened, pixels)
    assert (moved[:4] == unmoved[:4]).all()
    assert np.abs(moved.astype(int) - unmoved).max() <= 1, "another engine rounds otherwise, by a level"
    assert after.notices == [f"from pts 4 on the model runs on {backend}, cpu, fp32"]
    generator.close()


def test_without_a_control_nothing_changes(tmp_path: Path) -> None:
    graphs.gain(tmp_path / "model" / "model.onnx")
    generator, after = factory(tmp_path, backend="onnxruntime"), NextStage()
    whole_stream(open_stream(generator, video(WIDTH, HEIGHT), after, model="model"), clip(3, HEIGHT, WIDTH))
    assert after.notices == []
    generator.close()


def test_a_pts_that_has_passed_means_the_next_frame_and_is_said(tmp_path: Path) -> None:
    graphs.gain(tmp_path / "model" / "model.onnx")
    generator, after = factory(tmp_path, backend="onnxruntime"), NextStage()
    opened = open_stream(generator, video(WIDTH, HEIGHT), after, model="model")
    pixels = clip(4, HEIGHT, WIDTH)
    first = list(opened.stage.feed(chunk(pixels[:2])))
    opened.stage.control(engine_from(0, "onnxruntime"))
    second = list(opened.stage.feed(chunk(pixels[2:], first_pts=2)))
    assert joined([*first, *second])[0] == [0, 1, 2, 3]
    assert after.notices == [
        "the engine was to change at pts 0, which has passed: it holds from the next frame",
        "from pts 2 on the model runs on onnxruntime, cpu, fp32",
    ]
    opened.stage.close()
    generator.close()


def test_an_engine_that_cannot_run_is_refused_at_once_and_the_stream_goes_on(tmp_path: Path) -> None:
    graphs.gain(tmp_path / "model" / "model.onnx")
    generator = factory(tmp_path, backend="onnxruntime")
    opened = open_stream(generator, video(WIDTH, HEIGHT), model="model")
    for backend in ("", "abacus"):
        with pytest.raises(BadParameter, match=r"backend .* not found.*onnxruntime"):
            opened.stage.control(engine_from(1, backend))
    with pytest.raises(BadParameter, match="precision"):
        opened.stage.control(engine_from(1, "onnxruntime", "fp3"))
    assert len(whole_stream(opened, clip(3, HEIGHT, WIDTH))) == 3
    generator.close()


def test_a_precision_that_the_model_lacks_is_told_and_the_stream_stays(tmp_path: Path) -> None:
    graphs.gain(tmp_path / "model" / "model.onnx")
    generator, after = factory(tmp_path, backend="onnxruntime"), NextStage()
    opened = open_stream(generator, video(WIDTH, HEIGHT), after, model="model")
    opened.stage.control(engine_from(1, "onnxruntime", "int8"))
    assert len(whole_stream(opened, clip(3, HEIGHT, WIDTH))) == 3
    (notice,) = after.notices
    assert notice.startswith("the engine stays onnxruntime, cpu, fp32, the other failed: ")
    assert "int8" in notice
    generator.close()


def test_files_replaced_since_the_start_are_not_moved_to(tmp_path: Path) -> None:
    path = graphs.gain(tmp_path / "model" / "model.onnx")
    generator, after = factory(tmp_path, backend="onnxruntime"), NextStage()
    opened = open_stream(generator, video(WIDTH, HEIGHT), after, model="model")
    graphs.gain(path, shift=0.5)
    for _ in range(2):
        generator.library.refresh()
    opened.stage.control(engine_from(1, "onnxruntime"))
    whole_stream(opened, clip(3, HEIGHT, WIDTH))
    (notice,) = after.notices
    assert "the engine stays" in notice
    generator.close()


def test_a_move_that_is_never_reached_leaves_nothing_behind(tmp_path: Path) -> None:
    graphs.gain(tmp_path / "model" / "model.onnx")
    generator = factory(tmp_path, backend="onnxruntime")
    opened = open_stream(generator, video(WIDTH, HEIGHT), model="model")
    opened.stage.control(engine_from(1000, "onnxruntime"))
    opened.stage.control(engine_from(1001, "onnxruntime"))
    whole_stream(opened, clip(3, HEIGHT, WIDTH))
    generator.close()


class StreamCounter(WrappedEngine):
    """Knows its streams that are not closed."""

    def __init__(self, model: LoadedModel) -> None:
        super().__init__(model.engine)
        self.left: list[EngineStream] = []

    def stream(self, states: Mapping[str, str]) -> EngineStream:
        made, left = super().stream(states), self.left
        left.append(made)
        free = made.close

        def close() -> None:
            free()
            if made in left:
                left.remove(made)

        made.close = close  # type: ignore[method-assign]
        return made


def test_a_move_whose_state_does_not_fit_leaves_no_stream_of_the_other_engine(tmp_path: Path) -> None:
    for shift, name in enumerate(("one", "other")):
        graphs.gain(tmp_path / name / "model.onnx", shift=shift + 1)
    library, notices = ModelLibrary([tmp_path]), NextStage()
    other = library.open("other", Wanted("onnxruntime", "fp32"))
    counter = StreamCounter(other)
    running = FrameModel(library.open("one", Wanted("onnxruntime", "fp32")), HEIGHT, WIDTH)
    move = EngineMove(lambda _: FrameModel(replace(other, engine=counter), HEIGHT, WIDTH), notices.notice)
    move.ask(0, EngineChange(backend="onnxruntime"))
    assert move.due(0, running) is running
    assert "the other failed" in notices.notices[0]
    move.close()
    assert counter.left == []
    library.close()


def test_a_size_that_a_model_does_not_take_leaves_no_stream_of_its_engine(tmp_path: Path) -> None:
    graphs.gain(tmp_path / "model" / "model.onnx")
    (tmp_path / "model" / "model.toml").write_text("[input]\nmax_size = 64\n")
    library = ModelLibrary([tmp_path])
    model = library.open("model")
    counter = StreamCounter(model)
    with pytest.raises(OutsideShapeProfile):
        FrameModel(replace(model, engine=counter), 128, 128)
    assert counter.left == []
    library.close()


def test_a_stream_that_moves_often_keeps_one_engine_loaded_at_a_time(tmp_path: Path) -> None:
    graphs.gain(tmp_path / "model" / "model.onnx")
    generator = factory(tmp_path, backend="onnxruntime", precision="fp32")
    opened = open_stream(generator, video(WIDTH, HEIGHT), model="model")
    pixels = clip(12, HEIGHT, WIDTH)
    wanted = Wanted("onnxruntime", "fp32")
    for pts in range(12):
        backend = BACKENDS[pts % len(BACKENDS)]
        opened.stage.control(engine_from(pts, backend, "fp32"))
        list(opened.stage.feed(chunk(pixels[pts : pts + 1], first_pts=pts)))
    users = generator.library._users
    assert sum(count for count in users.values() if count > 0) == 1
    opened.stage.close()
    assert sum(count for count in users.values() if count > 0) == 0
    assert generator.library.open("model", wanted).engine.backend == "onnxruntime"
    generator.close()
