"""The contract of every model that ships, found by listing: what its files promise, and what streams of
frames may rely on."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterator

import numpy as np
import pytest

from reelwire.errors import OutsideShapeProfile
from reelwire.media import Chunk, Frames, Pixels
from reelwire.models import ModelLibrary, StatefulRunner
from reelwire.models.library import SHIPPED
from reelwire.models.location import find_models
from reelwire.models.spec import PICTURE_TASK
from services.generator.stage import GeneratorFactory
from tests.services.generator.streams import (
    chunk,
    clip,
    factory,
    feed,
    joined,
    open_stream,
    video,
    whole_stream,
)

ENTRIES = {entry.name: entry for entry in ModelLibrary([]).list()}
PICTURE_MODELS = [name for name, entry in ENTRIES.items() if entry.task == PICTURE_TASK]
HEIGHT, WIDTH, FRAMES = 54, 70, 25
EVERY = pytest.mark.parametrize("name", ENTRIES)
EVERY_PICTURE_MODEL = pytest.mark.parametrize("name", PICTURE_MODELS)


@pytest.fixture(scope="module")
def generator() -> Iterator[GeneratorFactory]:
    generator = factory()
    yield generator
    generator.close()


@pytest.fixture(scope="module")
def moving() -> Pixels:
    """A gradient that drifts over noise: smooth and sharp parts, no two frames alike."""
    noise = clip(1, HEIGHT, WIDTH)[0] // 4
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    frames = [
        noise
        + np.stack([(rows * 3 + 7 * t) % 192, (columns * 2 + 5 * t) % 192, (rows + columns + t) % 192], -1)
        for t in range(FRAMES)
    ]
    return np.stack(frames).astype(np.uint8)


def test_the_models_that_must_ship_do() -> None:
    assert {"identity", "upscale"} <= set(PICTURE_MODELS)
    assert set(ENTRIES) == set(find_models([SHIPPED]))


@EVERY
def test_it_can_be_used_and_says_what_it_is(name: str) -> None:
    entry = ENTRIES[name]
    assert entry.problem == ""
    assert all((entry.version, entry.task, entry.description, entry.license, entry.understood))


@EVERY
def test_its_model_toml_has_the_hash_of_its_graph_and_says_where_it_comes_from(name: str) -> None:
    graph = ENTRIES[name].path
    said = tomllib.loads((graph.parent / "model.toml").read_text())
    assert said["sha256"] == hashlib.sha256(graph.read_bytes()).hexdigest() == ENTRIES[name].sha256
    assert said["name"] == name == graph.parent.name
    assert said["license"] in ("Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause")
    assert said.get("source") or said.get("training")


@EVERY
def test_the_same_input_gives_the_same_bytes(name: str) -> None:
    library = ModelLibrary([])
    model = library.open(name)
    picture = model.spec.picture_input
    rgb = clip(model.spec.window.frames, picture.height or 64, picture.width or 96)
    feeds = {picture.name: model.spec.to_tensor(rgb)}
    first, second = (StatefulRunner(model).run(feeds) for _ in range(2))
    assert {key: array.tobytes() for key, array in first.items()} == {
        key: array.tobytes() for key, array in second.items()
    }
    library.close()


@EVERY_PICTURE_MODEL
def test_output_does_not_depend_on_chunking(name: str, generator: GeneratorFactory, moving: Pixels) -> None:
    results = {
        each: whole_stream(open_stream(generator, video(WIDTH, HEIGHT), model=name), moving, each).tobytes()
        for each in (1, 3, 7, 24)
    }
    assert len(set(results.values())) == 1


@EVERY_PICTURE_MODEL
def test_two_streams_at_once_give_what_each_gives_alone(
    name: str, generator: GeneratorFactory, moving: Pixels
) -> None:
    clips = moving[:9], moving[9:18, ::-1]
    alone = [
        whole_stream(open_stream(generator, video(WIDTH, HEIGHT), model=name), pixels).tobytes()
        for pixels in clips
    ]
    streams = [open_stream(generator, video(WIDTH, HEIGHT), model=name).stage for _ in clips]
    outs: list[list[Chunk]] = [[], []]
    for place in range(9):
        for number, stage in enumerate(streams):
            outs[number] += feed(stage, chunk(clips[number][place : place + 1], place))
    for number, stage in enumerate(streams):
        outs[number] += stage.flush()
    assert [joined(out)[1].tobytes() for out in outs] == alone


def _check_size(name: str, height: int, width: int, generator: GeneratorFactory) -> None:
    opened = open_stream(generator, video(width, height), model=name)
    (out,) = [*feed(opened.stage, chunk(clip(1, height, width))), *opened.stage.flush()]
    assert isinstance(out.payload, Frames)
    scale = ENTRIES[name].scale
    assert (out.payload.format.height, out.payload.format.width) == (height * scale, width * scale)
    assert out.payload.pixels.shape == (1, height * scale, width * scale, 3)


@EVERY_PICTURE_MODEL
@pytest.mark.parametrize(("height", "width"), [(54, 70), (33, 47), (64, 64)])
def test_what_comes_out_has_the_size_that_was_offered(
    name: str, height: int, width: int, generator: GeneratorFactory
) -> None:
    _check_size(name, height, width, generator)


@EVERY_PICTURE_MODEL
@pytest.mark.parametrize(("height", "width"), [(2, 2), (1, 1), (1, 64)])
def test_tiny_frames_work_or_are_refused_when_the_stream_opens(
    name: str, height: int, width: int, generator: GeneratorFactory
) -> None:
    try:
        open_stream(generator, video(width, height), model=name)
    except OutsideShapeProfile:
        return
    _check_size(name, height, width, generator)


def test_identity_gives_every_frame_back_as_it_came(generator: GeneratorFactory) -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, axis=3)
    made = whole_stream(open_stream(generator, video(16, 16), model="identity"), levels)
    np.testing.assert_array_equal(made, levels)
