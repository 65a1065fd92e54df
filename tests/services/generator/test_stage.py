"""The generator's stage: what it agrees to, what it refuses, what passes untouched."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from reelwire.errors import (
    BadParameter,
    BadPayload,
    ModelUnusable,
    OutsideShapeProfile,
    TooLarge,
    Unavailable,
    UnknownModel,
)
from reelwire.media import (
    Chunk,
    Dropped,
    DropReason,
    Frames,
    Offer,
    PayloadKind,
    PixelLayout,
    Sound,
    SoundFormat,
)
from reelwire.metrics import REGISTRY
from reelwire.pixels import convert
from reelwire.v1.config_pb2 import GeneratorConfig
from reelwire.v1.pipeline_pb2 import Control
from services.generator.listing import list_models
from services.generator.stage import GeneratorFactory
from tests.reelwire.models import graphs
from tests.reelwire.models.running import assert_near, levels
from tests.services.generator.streams import (
    EITHER,
    RGB,
    NextStage,
    chunk,
    clip,
    factory,
    feed,
    joined,
    open_stream,
    opening,
    strength_from,
    video,
    whole_stream,
)

GAIN = np.array(graphs.GAIN)
I420 = (PixelLayout.I420,)
SOUND = SoundFormat(48000, "stereo", 2, Fraction(1, 48000))


@pytest.fixture
def generator(tmp_path: Path) -> Iterator[GeneratorFactory]:
    graphs.gain(tmp_path / "gain.onnx")
    graphs.gain(tmp_path / "double.onnx", scale=2)
    graphs.gain(tmp_path / "fixed" / "model.onnx", size=(48, 64))
    graphs.poisoned(tmp_path / "poisoned.onnx")
    (tmp_path / "broken.onnx").write_bytes(b"PK\x03\x04")
    generator = factory(tmp_path)
    yield generator
    generator.close()


def test_frames_go_through_the_model_and_nowhere_else(generator: GeneratorFactory) -> None:
    pixels = clip(5, 20, 30)
    before = pixels.copy()
    made = whole_stream(open_stream(generator, video(30, 20), model="gain"), pixels, 2)
    assert_near(made, levels(pixels * GAIN))
    np.testing.assert_array_equal(pixels, before)


def test_a_scaling_model_offers_larger_frames_to_the_next_stage(generator: GeneratorFactory) -> None:
    after = NextStage()
    opened = open_stream(generator, video(30, 20), after, model="double")
    (given,) = after.offers
    assert (given.video.width, given.video.height, given.layouts) == (60, 40, RGB)
    assert (opened.inputs[0].video.width, opened.inputs[0].video.height) == (30, 20)
    assert given.video.time_base == opened.inputs[0].video.time_base
    pixels = clip(2, 20, 30)
    assert_near(whole_stream(opened, pixels), levels(pixels * GAIN).repeat(2, 1).repeat(2, 2))


def test_the_next_stage_learns_which_model_made_the_frames(generator: GeneratorFactory) -> None:
    after = NextStage()
    open_stream(generator, video(30, 20), after, model="gain")
    (pinned,) = after.models
    assert (pinned.stage, pinned.name, pinned.backend, pinned.precision) == (
        "generator",
        "gain",
        "onnxruntime",
        "fp32",
    )
    assert pinned.sha256 == generator.library.open("gain").sha256
    assert pinned.version == pinned.sha256[:12]


def test_rgb_is_taken_where_it_is_offered_and_i420_is_converted_where_it_is_not(
    generator: GeneratorFactory,
) -> None:
    both = open_stream(generator, video(30, 20, EITHER), model="gain")
    assert both.inputs[0].layouts == RGB
    assert both.inputs[0].video.layout is PixelLayout.RGB24
    planar = open_stream(generator, video(30, 20, I420), model="gain")
    assert planar.inputs[0].layouts == I420
    yuv = np.stack([convert(frame, PixelLayout.RGB24, PixelLayout.I420) for frame in clip(2, 20, 30)])
    rgb = np.stack([convert(frame, PixelLayout.I420, PixelLayout.RGB24) for frame in yuv])
    sent = Chunk(0, Frames(planar.inputs[0].video, (0, 1), yuv))
    _, made, _ = joined(planar.stage.feed(sent))
    assert_near(made, levels(rgb * GAIN))


def test_without_a_model_frames_pass_as_they_are_in_the_layout_that_the_next_stage_takes(
    generator: GeneratorFactory,
) -> None:
    after = NextStage(layouts=EITHER)
    opened = open_stream(generator, video(30, 20, (PixelLayout.RGB24, PixelLayout.I420)), after)
    assert opened.inputs[0].layouts == I420
    assert opened.inputs[0].video.layout is PixelLayout.I420
    assert after.models == ()
    sent = chunk(clip(3, 20, 30), keyframes=(1,))
    (out,) = opened.stage.feed(sent)
    assert out.payload is sent.payload
    assert out.keyframes == (1,)
    assert list(opened.stage.flush()) == []
    assert opened.stage.snapshot() == b""
    with pytest.raises(BadParameter, match=r"set generator\.model"):
        opened.stage.control(strength_from(0, 0.5))


def test_other_tracks_pass_untouched(generator: GeneratorFactory) -> None:
    sound_offer = Offer(1, PayloadKind.SOUND, SOUND)
    after = NextStage()
    config = GeneratorConfig(model="gain")
    opened = generator.open(opening([sound_offer, video(30, 20, track=0)], after, config))
    assert [offer.track for offer in after.offers] == [1, 0]
    assert after.offers[0] == sound_offer
    assert sound_offer in opened.inputs
    sound = Chunk(1, Sound(SOUND, 7, np.zeros((4, 2), np.float32)))
    (out,) = opened.stage.feed(sound)
    assert out.payload is sound.payload


def test_a_second_picture_passes_in_the_layout_that_the_next_stage_chose(generator: GeneratorFactory) -> None:
    second = video(8, 8, EITHER, track=3)
    opened = generator.open(opening([video(30, 20), second], NextStage(), GeneratorConfig(model="gain")))
    assert {offer.track: offer.layouts for offer in opened.inputs} == {0: RGB, 3: I420}


def test_drops_of_stages_before_are_not_told_twice(generator: GeneratorFactory) -> None:
    dropped = (Dropped(2, DropReason.LATE, 0, 1, "preprocess"),)
    for model in ("", "gain"):
        opened = open_stream(generator, video(30, 20), model=model)
        sent = Chunk(0, chunk(clip(1, 20, 30)).payload, dropped)
        assert [out.dropped for out in opened.stage.feed(sent)] == [()]


def test_keyframes_stay_with_their_frames(generator: GeneratorFactory) -> None:
    opened = open_stream(generator, video(30, 20), model="gain")
    out = feed(opened.stage, chunk(clip(9, 20, 30), 100, keyframes=(0, 4, 8)), 3)
    assert joined(out)[2] == [100, 104, 108]


def test_frames_too_many_for_one_message_come_in_several(tmp_path: Path) -> None:
    graphs.gain(tmp_path / "double.onnx", scale=4)
    generator = factory(tmp_path, max_message_bytes=1 << 20)
    opened = open_stream(generator, video(160, 100), model="double")  # 768 000 bytes each
    out = list(opened.stage.feed(chunk(clip(3, 100, 160))))
    assert [item.frame_count for item in out] == [1, 1, 1]
    generator.close()


def test_an_unknown_model_is_answered_with_the_nearest(generator: GeneratorFactory) -> None:
    with pytest.raises(UnknownModel, match='did you mean "double"'):
        open_stream(generator, video(30, 20), model="duoble")


def test_a_broken_model_says_what_is_wrong(generator: GeneratorFactory) -> None:
    with pytest.raises(ModelUnusable, match=r'model "broken".*PyTorch'):
        open_stream(generator, video(30, 20), model="broken")


@pytest.mark.parametrize("name", ["centerface", "selfie-segmentation"])
def test_a_model_whose_result_is_no_picture_is_refused(generator: GeneratorFactory, name: str) -> None:
    with pytest.raises(ModelUnusable, match=f'model "{name}".*no picture'):
        open_stream(generator, video(256, 144), model=name)


def test_a_stream_without_pictures_is_refused(generator: GeneratorFactory) -> None:
    config = GeneratorConfig(model="gain")
    with pytest.raises(BadParameter, match="works on FRAMES, the stream carries SOUND"):
        generator.open(opening([Offer(0, PayloadKind.SOUND, SOUND)], NextStage(), config))


@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan"), float("inf")])
def test_a_strength_outside_its_range_is_refused(generator: GeneratorFactory, strength: float) -> None:
    with pytest.raises(BadParameter, match="expected 0 to 1"):
        open_stream(generator, video(30, 20), model="gain", strength=strength)


def test_backends_that_are_not_here_are_refused_even_without_a_model(generator: GeneratorFactory) -> None:
    with pytest.raises(BadParameter, match="slide-rule"):
        open_stream(generator, video(30, 20), backend="slide-rule")
    with pytest.raises(BadParameter, match="abacus"):
        open_stream(generator, video(30, 20), model="gain", backend="abacus")


def test_a_size_that_the_model_states_it_does_not_take_is_refused_at_the_start(tmp_path: Path) -> None:
    graphs.gain(tmp_path / "model" / "model.onnx")
    (tmp_path / "model" / "model.toml").write_text("[input]\nmin_size = 32\nmax_size = 64\n")
    generator = factory(tmp_path)
    for width, height in ((31, 40), (65, 40)):
        with pytest.raises(OutsideShapeProfile, match=f"cannot run on {width}x{height}.*32 to 64"):
            open_stream(generator, video(width, height), model="model")
    generator.close()


def test_results_larger_than_a_frame_may_be_are_refused_naming_the_setting(tmp_path: Path) -> None:
    graphs.gain(tmp_path / "double.onnx", scale=2)
    generator = factory(tmp_path, max_frame_pixels=30 * 20)
    with pytest.raises(TooLarge, match=r'what model "double" makes.*60x40.*REELWIRE_MAX_FRAME_PIXELS'):
        open_stream(generator, video(30, 20), model="double")
    generator.close()


def test_what_the_next_stage_refuses_is_passed_on(generator: GeneratorFactory) -> None:
    class Closed(NextStage):
        def negotiate(self, offers: object, models: object = ()) -> tuple[Offer, ...]:
            raise Unavailable("the editor is not there")

    with pytest.raises(Unavailable, match="editor"):
        open_stream(generator, video(30, 20), Closed(), model="gain")


def test_a_result_that_is_not_finite_ends_the_stream_with_the_frames_pts(generator: GeneratorFactory) -> None:
    opened = open_stream(generator, video(8, 8), model="poisoned")
    gray = np.full((1, 8, 8, 3), 128, np.uint8)
    assert len(list(opened.stage.feed(chunk(gray, 40)))) == 1
    with pytest.raises(ModelUnusable, match='model "poisoned" gave NaN or infinity for the frame at pts 41'):
        list(opened.stage.feed(chunk(gray * 0, 41)))
    healthy = open_stream(generator, video(8, 8), model="poisoned")
    assert len(list(healthy.stage.feed(chunk(gray)))) == 1


def test_frames_of_another_size_than_agreed_are_refused(generator: GeneratorFactory) -> None:
    opened = open_stream(generator, video(30, 20), model="gain")
    with pytest.raises(BadPayload, match="expected frames of 30x20 RGB24"):
        list(opened.stage.feed(chunk(clip(1, 20, 32))))


def test_only_strength_can_change(generator: GeneratorFactory) -> None:
    opened = open_stream(generator, video(30, 20), model="gain")
    with pytest.raises(BadParameter, match='expected "strength"'):
        opened.stage.control(Control(from_pts=3))
    with pytest.raises(BadParameter, match="expected 0 to 1"):
        opened.stage.control(strength_from(3, 2.0))


def test_each_run_is_counted_with_its_frames(generator: GeneratorFactory) -> None:
    model = {"model": "fixed"}
    run = {**model, "backend": "onnxruntime", "precision": "fp32"}
    counted = {
        "reelwire_engine_batch_size_count": model,
        "reelwire_engine_batch_size_sum": model,
        "reelwire_engine_run_seconds_count": run,
    }
    opened = open_stream(generator, video(64, 48), model="fixed")
    before = {name: REGISTRY.get_sample_value(name, labels) or 0 for name, labels in counted.items()}
    whole_stream(opened, clip(4, 48, 64))
    for name, labels in counted.items():
        assert REGISTRY.get_sample_value(name, labels) == before[name] + 4


def test_the_listing_shows_what_can_be_named_and_why_not(generator: GeneratorFactory) -> None:
    models = {model.name: model for model in list_models(generator.library).models}
    assert {"gain", "double", "fixed", "broken", "identity", "upscale"} <= set(models)
    assert (models["double"].scale, models["double"].problem, models["double"].task) == (
        2,
        "",
        "image-to-image",
    )
    assert "PyTorch" in models["broken"].problem
    assert models["gain"].understood
