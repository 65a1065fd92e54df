"""A streamable container whose bytes are given out as they are made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import av

from reelwire.choices import choose_from
from reelwire.errors import BadParameter
from reelwire.media import Offer, PacketFormat, Packets
from reelwire.mux import CONTAINERS, MAX_INTERLEAVE_US, ContainerKind, PacketWriter, check_container


class _Pipe:
    """What libavformat writes to: keeps the bytes until they are taken; cannot seek."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        """More bytes."""
        self._pieces.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        """All bytes since the last call."""
        data = b"".join(self._pieces)
        self._pieces.clear()
        return data


def streamable(name: str) -> ContainerKind:
    """BadParameter: not a container that can be written without seeking."""
    known = {kind.name: kind for kind in CONTAINERS.values() if kind.stream_options is not None}
    if name not in known:
        raise BadParameter(choose_from("streamable container", name, known), field="encoder.container")
    return known[name]


class ByteContainer:
    """Packets in, the container's bytes out."""

    def __init__(self, name: str, offers: Sequence[Offer], metadata: Mapping[str, str]) -> None:
        """BadParameter: unknown container, or one that does not take a codec."""
        kind = streamable(name)
        formats = [offer.format for offer in offers if isinstance(offer.format, PacketFormat)]
        check_container(kind, (each.codec for each in formats))
        options = {
            **(kind.stream_options or {}),
            "max_interleave_delta": str(MAX_INTERLEAVE_US),
            "flush_packets": "1",
        }
        self._pipe = _Pipe()
        container = av.open(self._pipe, "w", format=kind.name, container_options=options)
        self._writer = PacketWriter(container, offers, metadata)

    def write(self, track: int, packets: Packets) -> bytes:
        """The next packets of a track; gives the bytes that are ready."""
        self._writer.write(track, packets.packets)
        return self._pipe.take()

    def finish(self) -> bytes:
        """The container's end."""
        self._writer.finish()
        return self._pipe.take()
