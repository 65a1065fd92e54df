"""Which of a stream's tracks carries the pictures that the accounts count. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from reelwire.media import Offer, PacketFormat, PayloadKind


def is_source(offers: Iterable[Offer]) -> bool:
    """True where pictures first come into being: no track brings any."""
    return picture_in(offers) is None


def picture_in(offers: Iterable[Offer]) -> int | None:
    """The incoming track whose frames the accounts count; bytes of a container are none yet."""
    return picture_track(offer for offer in offers if offer.kind is not PayloadKind.CONTAINER_BYTES)


def picture_track(offers: Iterable[Offer]) -> int | None:
    """The track whose frames the accounts count: the first with pictures."""
    for offer in offers:
        encoded = isinstance(offer.format, PacketFormat) and offer.format.video is not None
        if offer.kind in (PayloadKind.FRAMES, PayloadKind.CONTAINER_BYTES) or encoded:
            return offer.track
    return None
