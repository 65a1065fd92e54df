"""trim and fade: exact times, for the picture and for the sound."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from reelwire.errors import BadParameter
from reelwire.media import (
    Chunk,
    DropReason,
    Offer,
    Packet,
    PacketFormat,
    Packets,
    PayloadKind,
    Samples,
    Sound,
)
from reelwire.stage import Stage
from services.editor.stage import EditorFactory
from tests.services.editor.streams import (
    RATE,
    SOUND,
    Effects,
    NextStage,
    change,
    chunk,
    clip,
    factory,
    feed,
    joined,
    open_stream,
    run_clip,
    sound_chunk,
    sound_offer,
    sounds,
    video,
)

ONES = np.ones((RATE, 2), np.float32)


@pytest.fixture(scope="module")
def editor() -> Iterator[EditorFactory]:
    editor = factory()
    yield editor
    editor.close()


def _open(editor: EditorFactory, effects: Effects, after: NextStage | None = None) -> Stage:
    return open_stream(editor, effects, [video(64, 48), sound_offer()], after).stage


def _hear(stage: Stage, samples: Samples, each: int) -> tuple[list[int], Samples]:
    out: list[Chunk] = []
    for start in range(0, len(samples), each):
        out += stage.feed(sound_chunk(samples[start : start + each], start))
    return sounds(out)


def test_frames_outside_are_trimmed_and_told(editor: EditorFactory) -> None:
    result = run_clip(editor, [("trim", {"start_s": 0.2, "end_s": 0.84})], clip(25), 7)
    assert result.pts == list(range(5, 21))
    assert {dropped.reason for dropped in result.dropped} == {DropReason.TRIMMED}
    assert result.lost == 9


@pytest.mark.parametrize("each", [1, 997, 1024, RATE])
def test_sound_is_cut_to_the_sample_whatever_the_chunks(each: int, editor: EditorFactory) -> None:
    times = {"start_s": 0.0004, "end_s": 0.001} if each == 1 else {"start_s": 0.2, "end_s": 0.84}
    ramp = np.arange(2 * RATE, dtype=np.float32).reshape(RATE, 2)[: 100 if each == 1 else RATE]
    pts, samples = _hear(_open(editor, [("trim", times)]), ramp, each)
    first, last = -(-round(times["start_s"] * 1e6) * RATE // 10**6), round(times["end_s"] * RATE)
    assert pts[0] == first
    np.testing.assert_array_equal(samples, ramp[first:last])


def test_sound_of_a_coarse_time_base_is_cut_at_the_same_time(editor: EditorFactory) -> None:
    coarse = replace(SOUND, time_base=Fraction(1, 1000))
    offers = [video(64, 48), Offer(1, PayloadKind.SOUND, coarse)]
    stage = open_stream(editor, [("trim", {"start_s": 0.5})], offers).stage
    (out,) = stage.feed(Chunk(1, Sound(coarse, 250, ONES)))
    assert isinstance(out.payload, Sound)
    assert out.payload.pts == 500
    assert len(out.payload.samples) == RATE - RATE // 4


def test_a_span_with_nothing_in_it_is_refused(editor: EditorFactory) -> None:
    with pytest.raises(BadParameter, match="end_s above start_s"):
        _open(editor, [("trim", {"start_s": 2, "end_s": 2})])


def test_encoded_sound_is_cut_by_packets_and_the_caller_is_told(editor: EditorFactory) -> None:
    format_ = PacketFormat("aac", Fraction(1, RATE), sound=SOUND)
    after = NextStage()
    offers = [video(64, 48), Offer(1, PayloadKind.PACKETS, format_)]
    stage = open_stream(editor, [("trim", {"start_s": 0.1, "end_s": 0.2})], offers, after).stage
    packets = tuple(Packet(place * 1024, place * 1024, 1024, True, b"x") for place in range(20))
    kept = [
        packet.pts // 1024
        for packet_chunk in (packets[:7], packets[7:])
        for out in stage.feed(Chunk(1, Packets(packet_chunk)))
        if isinstance(out.payload, Packets)
        for packet in out.payload.packets
    ]
    assert kept == list(range(4, 10))  # 0.1 s lies in packet 4, 0.2 s in packet 9
    assert "by whole packets" in after.notices[0]


def test_a_fade_mixes_with_its_colour_in_step_with_time(editor: EditorFactory) -> None:
    white = np.full((26, 8, 8, 3), 255, np.uint8)
    params = {"in_s": 0.4, "out_start_s": 0.6, "out_s": 0.4, "color": "#0000ff"}
    result = run_clip(editor, [("fade", params)], white, 7)
    red = [int(each[0, 0, 0]) for each in result.pixels]
    levels = [min(1, index / 10) * (1 - min(1, max(0, (index - 15) / 10))) for index in range(26)]
    np.testing.assert_allclose(red, [255 * level for level in levels], atol=0.5001)
    assert all((each[..., 2] == 255).all() for each in result.pixels)


@pytest.mark.parametrize("each", [997, 1024, RATE])
def test_sound_fades_as_the_picture_does_whatever_the_chunks(each: int, editor: EditorFactory) -> None:
    params = {"in_start_s": 0.1, "in_s": 0.3, "out_start_s": 0.5, "out_s": 0.25}
    _, samples = _hear(_open(editor, [("fade", params)]), ONES, each)
    times = np.arange(RATE) / RATE
    expected = np.clip((times - 0.1) / 0.3, 0, 1) * (1 - np.clip((times - 0.5) / 0.25, 0, 1))
    np.testing.assert_allclose(samples, np.repeat(expected[:, None], 2, axis=1), atol=1e-6)
    _, whole = _hear(_open(editor, [("fade", params)]), ONES, RATE)
    assert samples.tobytes() == whole.tobytes()


def test_sound_can_be_left_out_of_a_fade(editor: EditorFactory) -> None:
    _, samples = _hear(_open(editor, [("fade", {"out_s": 0.1, "sound": False})]), ONES, RATE)
    assert (samples == 1).all()


def test_untouched_sound_is_not_copied(editor: EditorFactory) -> None:
    effects = [("trim", {"end_s": 5}), ("fade", {"out_start_s": 2, "out_s": 1}), ("grade", {"contrast": 2})]
    (out,) = _open(editor, effects).feed(sound_chunk(ONES))
    assert isinstance(out.payload, Sound)
    assert out.payload.samples is ONES


@pytest.mark.parametrize("each", [997, RATE])
def test_a_change_holds_for_sound_from_the_sample_at_its_time(each: int, editor: EditorFactory) -> None:
    stage = _open(editor, [("trim", {})])
    stage.control(change(0, 10, start_s=0.8))  # pts 10 is 0.4 s
    pts, samples = _hear(stage, ONES, each)
    assert len(samples) == RATE * 6 // 10
    assert RATE * 8 // 10 in pts
    frames = joined(feed(stage, chunk(clip(25)), 4))
    assert frames.pts == [*range(10), *range(20, 25)]


def test_sound_may_run_ahead_of_the_picture_or_behind_it(editor: EditorFactory) -> None:
    params = [("trim", {"start_s": 0.4, "end_s": 0.8}), ("fade", {"in_start_s": 0.4, "in_s": 0.2})]
    ahead, behind = _open(editor, params), _open(editor, params)
    heard = _hear(ahead, ONES, 1024)[1]
    seen = joined(feed(ahead, chunk(clip(25))))
    assert joined(feed(behind, chunk(clip(25)))).bytes == seen.bytes
    np.testing.assert_array_equal(_hear(behind, ONES, 1024)[1], heard)


def test_a_restored_stream_goes_on_with_its_sound(editor: EditorFactory) -> None:
    effects: Effects = [("fade", {"in_s": 0.5}), ("trim", {"end_s": 0.9})]
    first, second, whole = (_open(editor, effects) for _ in range(3))
    for stage in (first, whole):
        stage.control(change(1, 15, end_s=0.7))
    _, expected = _hear(whole, ONES, 1000)
    begun = [out for start in range(0, 20000, 1000) for out in first.feed(sound_chunk(ONES[:1000], start))]
    state = first.snapshot()
    assert state is not None
    second.restore(state)
    rest = [out for start in range(20000, RATE, 1000) for out in second.feed(sound_chunk(ONES[:1000], start))]
    np.testing.assert_array_equal(sounds([*begun, *rest])[1], expected)
