"""An encoder takes the threads that it is told to; how long it holds a frame never depends on them."""

from __future__ import annotations

from fractions import Fraction

import pytest

from reelwire.media import VideoFormat
from reelwire.v1.config_pb2 import VideoEncoderConfig
from services.encoder.codecs import KINDS, Choice, EncoderKind, choose, measured_lag_frames, open_encoder

VIDEO = VideoFormat(128, 96, Fraction(1, 25), frame_rate=Fraction(25))
SOFTWARE = [kind for kind in KINDS if not kind.hardware]
EVERY = pytest.mark.parametrize("kind", SOFTWARE, ids=lambda kind: kind.encoder)


def chosen(encoder: str, threads: int, *, live: bool = False) -> Choice:
    return choose(VideoEncoderConfig(codec=encoder), VIDEO, live=live, threads=threads)


@EVERY
@pytest.mark.parametrize("live", [False, True], ids=["file", "live"])
def test_threads_hold_no_frame_back(kind: EncoderKind, live: bool) -> None:
    lags = {measured_lag_frames(chosen(kind.encoder, threads, live=live)) for threads in (1, 2, 16)}
    assert len(lags) == 1
    assert not live or lags == {0}


@EVERY
def test_an_encoder_is_opened_with_the_threads_that_are_set(kind: EncoderKind) -> None:
    for threads in (1, 3, 64):
        choice = chosen(kind.encoder, threads)
        assert open_encoder(choice, VIDEO).thread_count == min(threads, kind.max_threads)
        assert "{" not in "".join(value for _, value in choice.options)


def test_encoders_with_pools_of_their_own_are_told_as_well() -> None:
    options = {encoder: dict(chosen(encoder, 3).options) for encoder in ("libx265", "libsvtav1")}
    assert "pools=3" in options["libx265"]["x265-params"].split(":")
    assert "lp=3" in options["libsvtav1"]["svtav1-params"].split(":")
