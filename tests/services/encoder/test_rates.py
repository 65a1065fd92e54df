"""Every codec with every way of rate control, at rates far from the usual; keyframes asked for."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from reelwire.errors import TooLarge
from reelwire.media import PixelLayout, VideoFormat
from reelwire.v1.config_pb2 import Policy, StreamConfig
from reelwire.v1.pipeline_pb2 import Control
from services.encoder.codecs import KINDS
from services.encoder.picture import MAX_KEYFRAMES_AHEAD
from tests.services.encoder.running import Encoding, packets_of, picture_offer, pictures

SOFTWARE = [kind.codec for kind in KINDS if not kind.hardware]


@pytest.mark.parametrize("bitrate_bps", [0, 500_000], ids=["quality", "bitrate"])
@pytest.mark.parametrize("rate", [Fraction(1, 2), Fraction(1000)], ids=["slow", "fast"])
@pytest.mark.parametrize("live", [False, True], ids=["file", "live"])
@pytest.mark.parametrize("codec", SOFTWARE)
def test_every_codec_opens_at_any_rate_and_makes_the_keyframes_asked_for(
    codec: str, live: bool, rate: Fraction, bitrate_bps: int
) -> None:
    video = VideoFormat(128, 96, 1 / rate, PixelLayout.I420, rate)
    asked = StreamConfig(policy=Policy.POLICY_LIVE if live else Policy.POLICY_LOSSLESS)
    asked.encoder.video.codec = codec
    asked.encoder.video.bitrate_bps = bitrate_bps
    asked.encoder.video.gop_frames = 1000
    chunks = pictures(12, video)
    chunks[7] = replace(chunks[7], keyframes=(0,))
    given = packets_of(Encoding(asked, (picture_offer(video),)).run(chunks))
    assert len(given) == 12
    assert {packet.pts for packet in given if packet.keyframe} >= {0, 7}


def test_keyframes_that_are_asked_for_ahead_are_bounded() -> None:
    video = VideoFormat(128, 96, Fraction(1, 25), PixelLayout.I420, Fraction(25))
    stage = Encoding(StreamConfig(), (picture_offer(video),)).opened.stage
    for pts in range(MAX_KEYFRAMES_AHEAD):
        stage.control(Control(stage="encoder", from_pts=pts, keyframe=True))
    stage.control(Control(stage="encoder", from_pts=0, keyframe=True))
    with pytest.raises(TooLarge, match="keyframes are waiting"):
        stage.control(Control(stage="encoder", from_pts=MAX_KEYFRAMES_AHEAD, keyframe=True))
