"""``python -m bench.chain``: what it prints, what its exit status says, that it looks at what comes out."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from bench.chain.__main__ import GATES, OURS, SIDES
from bench.chain.stages import UNTOUCHED, WRITING, chain_stages, written
from bench.chain.window import Returned, WrongPixels
from bench.load import Meter, Work, noise
from reelwire.media import Chunk, Frames, Packets, VideoFormat, read_only
from tests.bench.running import run_bench

VIDEO = VideoFormat(64, 48, Fraction(1, 25))
WORK = Work(64, 48, "RGB24", 0.0, 1.0)


def test_the_chain_prints_a_row_for_each_way_and_its_status_says_whether_a_gate_is_missed() -> None:
    data = run_bench("chain", GATES, "--frames", "320x180:RGB24")
    names = [(row["name"], row["mode"]) for row in data["rows"]]
    assert len(names) == len(set(names)) == 2 * len(SIDES) + len(OURS)
    assert {gate.ratio for gate in GATES} <= set(data["ratios"])
    assert {row["frame"] for row in data["rows"]} == {"320x180"}
    assert all(row["p99_ms"] >= row["p50_ms"] > 0 for row in data["rows"])


def through(work: str, frames: Frames) -> bytes:
    chunk = Chunk(0, frames)
    for stage in chain_stages(work):
        (chunk,) = stage.feed(chunk)
    assert isinstance(chunk.payload, Packets)
    (packet,) = chunk.payload.packets
    assert packet.pts == frames.pts[0]
    return bytes(packet.data)


@pytest.mark.parametrize("work", [WRITING, UNTOUCHED])
def test_what_comes_out_of_four_stages_are_the_pixels_that_went_in(work: str) -> None:
    returned = Returned(WORK, Meter())
    for count, pixels in enumerate(noise(WORK)):
        returned.came(count, count + 1, through(work, Frames(VIDEO, (count,), read_only(pixels[None]))))


def test_a_writing_stage_changes_every_byte_and_leaves_its_input_alone() -> None:
    pixels = noise(WORK)[0]
    before = pixels.copy()
    assert (written(pixels) != pixels).all()
    assert np.array_equal(pixels, before)


def test_another_picture_than_the_one_that_was_sent_is_no_figure() -> None:
    _, second = noise(WORK)[:2]
    with pytest.raises(WrongPixels, match="frame 0 is not what was sent"):
        Returned(WORK, Meter()).came(0, 1, through(WRITING, Frames(VIDEO, (0,), second[None])))
