"""Offers and formats over the wire, and what is refused at the edge."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from reelwire.errors import BadPayload, InvalidArgument, TooLarge
from reelwire.formats import check_limits, fraction, offer_from_proto, offer_to_proto, rational
from reelwire.media import (
    ContainerFormat,
    Offer,
    PacketFormat,
    PayloadKind,
    PixelLayout,
    SoundFormat,
    TextFormat,
    VideoFormat,
)
from reelwire.v1 import media_pb2 as pb

VIDEO = VideoFormat(1280, 720, Fraction(1, 12800), PixelLayout.I420, Fraction(30000, 1001), Fraction(64, 45))
SOUND = SoundFormat(48000, "5.1", 6, Fraction(1, 48000))
BOTH = (PixelLayout.I420, PixelLayout.RGB24)


@pytest.mark.parametrize(
    "offer",
    [
        Offer(0, PayloadKind.FRAMES, VIDEO, BOTH, 132, 5_280_000),
        Offer(1, PayloadKind.SOUND, SOUND),
        Offer(0, PayloadKind.PACKETS, PacketFormat("h264", Fraction(1, 90000), b"\1avcC", video=VIDEO)),
        Offer(
            1,
            PayloadKind.PACKETS,
            PacketFormat("aac", Fraction(1, 48000), sound=SOUND, initial_padding_samples=1024),
        ),
        Offer(0, PayloadKind.CONTAINER_BYTES, ContainerFormat("mp4")),
        Offer(15, PayloadKind.TEXT, TextFormat()),
        Offer(2, PayloadKind.TENSOR, TextFormat()),
        Offer(3, PayloadKind.SIDE_DATA, TextFormat()),
    ],
    ids=lambda offer: f"{offer.kind.name.lower()} {offer.track}",
)
def test_every_offer_comes_back_as_it_went(offer: Offer) -> None:
    sent = pb.Offer.FromString(offer_to_proto(offer).SerializeToString())
    assert offer_from_proto(sent) == offer


@pytest.mark.parametrize("value", [Fraction(0), Fraction(1, 90000), Fraction(30000, 1001)])
def test_fractions_are_exact(value: Fraction) -> None:
    assert fraction(rational(value)) == value


def test_an_unset_fraction_is_zero() -> None:
    assert fraction(pb.Rational()) == 0


@pytest.mark.parametrize(("num", "den"), [(-1, 25), (1, -25), (1, 0)])
def test_a_negative_or_endless_fraction_is_refused(num: int, den: int) -> None:
    with pytest.raises(InvalidArgument, match=f"{num}/{den}"):
        fraction(pb.Rational(num=num, den=den))


def test_an_offer_without_layouts_has_the_one_of_its_format() -> None:
    message = offer_to_proto(Offer(0, PayloadKind.FRAMES, VIDEO))
    assert offer_from_proto(message).layouts == (PixelLayout.I420,)


def _video(**changes: object) -> pb.Offer:
    message = offer_to_proto(Offer(0, PayloadKind.FRAMES, VIDEO, BOTH))
    for name, value in changes.items():
        if isinstance(value, pb.Rational):
            getattr(message.video, name).CopyFrom(value)
        else:
            setattr(message.video, name, value)
    return message


@pytest.mark.parametrize(
    ("message", "error", "words"),
    [
        (_video(width=0), BadPayload, "0x720: expected 1 to 16384"),
        (_video(width=-1280), BadPayload, "-1280x720"),
        (_video(height=16385), BadPayload, "1280x16385"),
        (_video(width=1279), BadPayload, "even sizes"),
        (_video(time_base=pb.Rational(num=0, den=1)), InvalidArgument, "time base 0 of video"),
        (_video(time_base=pb.Rational(num=3601, den=1)), InvalidArgument, "time base 3601"),
        (_video(frame_rate=pb.Rational(num=-25, den=1)), InvalidArgument, "-25/1"),
        (pb.Offer(track=16, kind=pb.PAYLOAD_KIND_TEXT), InvalidArgument, "track 16: expected 0 to 15"),
        (pb.Offer(track=-1, kind=pb.PAYLOAD_KIND_TEXT), InvalidArgument, "track -1"),
        (pb.Offer(), InvalidArgument, "payload kind 0 of track 0"),
        (pb.Offer(kind=pb.PAYLOAD_KIND_FRAMES), InvalidArgument, "no format for FRAMES"),
        (pb.Offer(kind=pb.PAYLOAD_KIND_SOUND, container="mp4"), InvalidArgument, "no format for SOUND"),
        (
            pb.Offer(kind=pb.PAYLOAD_KIND_SOUND, sound=pb.SoundFormat(sample_rate=48000, channel_count=-2)),
            BadPayload,
            "-2 channels",
        ),
        (
            pb.Offer(kind=pb.PAYLOAD_KIND_SOUND, sound=pb.SoundFormat(sample_rate=0, channel_count=2)),
            BadPayload,
            "0 Hz",
        ),
    ],
)
def test_an_offer_that_cannot_be_is_refused_in_words(
    message: pb.Offer, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        offer_from_proto(message)


def test_limits_name_the_setting_that_would_raise_them() -> None:
    offer = Offer(0, PayloadKind.FRAMES, VIDEO)
    check_limits(offer, 1280 * 720, VIDEO.frame_bytes)
    with pytest.raises(TooLarge, match="REELWIRE_MAX_FRAME_PIXELS"):
        check_limits(offer, 1280 * 720 - 1, 1 << 30)
    with pytest.raises(TooLarge, match="REELWIRE_MAX_MESSAGE_BYTES"):
        check_limits(offer, 1 << 30, VIDEO.frame_bytes - 1)


def test_packets_of_any_size_pass_the_limits_of_frames() -> None:
    huge = replace(VIDEO, width=16384, height=16384)
    check_limits(Offer(0, PayloadKind.PACKETS, PacketFormat("av1", VIDEO.time_base, video=huge)), 1, 1)
