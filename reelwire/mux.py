"""Elementary packets → a container: files here, and the streamable containers of the encoder.

libavformat does the muxing. All tracks are rebased by the first picture's pts, so that a file starts at 0
and the offset between tracks stays exact; packets before 0 (a sound encoder's priming) stay where they are,
which the containers express each in its own way.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import OutputContainer

from reelwire.complete import CompleteFile, write_error
from reelwire.errors import BadParameter, CodecMissing
from reelwire.media import Chunk, Offer, Packet, PacketFormat, Packets
from reelwire.timeline import rescale

ENCODERS = {"h264": "libx264", "hevc": "libx265", "vp9": "libvpx-vp9", "av1": "libsvtav1", "opus": "libopus"}
KNOWN_CODECS = frozenset({*ENCODERS, "aac"})
MAX_INTERLEAVE_US = 10_000_000  # libavformat waits no longer than this for a track that gives nothing
MAX_SERVICE_NAME_BYTES = 200
WAITING_PACKETS = 4096  # sound that came before the first picture


@dataclass(frozen=True)
class ContainerKind:
    """A container: FFmpeg's name, file endings, options for a file, options for a pipe."""

    name: str
    endings: tuple[str, ...]
    file_options: Mapping[str, str]
    stream_options: Mapping[str, str] | None
    codecs: frozenset[str] | None = None  # None: libavformat knows
    picture_codec: str = ""  # where the encoder's usual one does not fit
    sound_codec: str = ""


MPEGTS_CODECS = frozenset({"h264", "hevc", "aac", "opus", "mp2", "mp3", "ac3", "eac3"})
_FRAGMENTS = {"movflags": "frag_keyframe+delay_moov+default_base_moof"}
CONTAINERS = {
    kind.name: kind
    for kind in (
        ContainerKind("mp4", (".mp4", ".m4v"), {"movflags": "faststart"}, _FRAGMENTS),
        ContainerKind("mov", (".mov",), {"movflags": "faststart"}, None),
        ContainerKind("matroska", (".mkv",), {}, {}),
        ContainerKind("webm", (".webm",), {}, {}, picture_codec="vp9", sound_codec="opus"),
        ContainerKind("mpegts", (".ts", ".m2ts"), {}, {}, MPEGTS_CODECS),
    )
}


def container_for(path: Path) -> ContainerKind:
    """By the ending. BadParameter: an unknown one."""
    for kind in CONTAINERS.values():
        if path.suffix.lower() in kind.endings:
            return kind
    known = " ".join(ending for kind in CONTAINERS.values() for ending in kind.endings)
    raise BadParameter(f"{path.name}: no container for this ending; expected one of {known}", field="target")


def codec_of(name: str) -> str:
    """ "libx264" and "h264_nvenc" → "h264"; a codec's own name as it is; empty: not known here."""
    for codec, encoder in ENCODERS.items():
        if name in (codec, encoder) or name.startswith(f"{codec}_"):
            return codec
    return name if name in KNOWN_CODECS else ""


def supported_codecs(kind: ContainerKind) -> frozenset[str]:
    """FFmpeg's names of the codecs that the container takes."""
    if kind.codecs is not None:
        return kind.codecs
    with av.open(io.BytesIO(), "w", format=kind.name) as container:
        return frozenset(container.supported_codecs)


def check_container(kind: ContainerKind, codecs: Iterable[str]) -> None:
    """BadParameter: the container does not take one of the codecs."""
    supported = supported_codecs(kind)
    for codec in codecs:
        if codec not in supported:
            raise BadParameter(
                f"{kind.name} does not take {codec}; use matroska (.mkv), or a codec of "
                f"{', '.join(sorted(KNOWN_CODECS & supported))}",
                field="container",
            )


def _template(offer: PacketFormat) -> Any:
    """A stream of the codec with all its parameters, from a scratch container that nobody reads.

    An opened sound encoder fills in what has no setter, its priming among it.
    """
    scratch = av.open(io.BytesIO(), "w", format="matroska")
    name = ENCODERS.get(offer.codec, offer.codec)
    try:
        if offer.sound is not None:
            stream: Any = scratch.add_stream(name, rate=offer.sound.sample_rate, layout=offer.sound.layout)
            scratch.start_encoding()
        else:
            stream = scratch.add_stream(name)
    except (ValueError, av.FFmpegError) as error:
        raise CodecMissing(f"{offer.codec} cannot be written here: {error}", field="codec") from None
    return stream


def _add_stream(container: OutputContainer, format_: PacketFormat) -> Any:
    template = _template(format_)
    stream: Any = container.add_stream_from_template(template, opaque=True)
    context = stream.codec_context
    if format_.video is not None:
        context.width, context.height = format_.video.width, format_.video.height
        context.pix_fmt = "yuv420p"
        context.framerate = format_.video.frame_rate  # 0: not known; left alone, PyAV would write 24
        if format_.video.sample_aspect:
            context.sample_aspect_ratio = format_.video.sample_aspect
        context.color_primaries = context.color_trc = context.colorspace = 1  # BT.709
        context.color_range = 1  # limited
    if format_.extradata:
        context.extradata = format_.extradata
    context.time_base = stream.time_base = format_.time_base
    template.container.close()
    return stream


def _tags(container: str, metadata: Mapping[str, str]) -> dict[str, str]:
    """MPEG-TS has no tags: what they say becomes the name of its service (SDT, at most 255 bytes)."""
    if container != "mpegts" or not metadata:
        return dict(metadata)
    text = "; ".join(metadata.values()).encode()[:MAX_SERVICE_NAME_BYTES].decode(errors="ignore")
    return {"service_provider": "reelwire", "service_name": text}


class PacketWriter:
    """Writes packets of several tracks into an open container, in step and in order."""

    def __init__(
        self, container: OutputContainer, offers: Sequence[Offer], metadata: Mapping[str, str]
    ) -> None:
        """CodecMissing, BadParameter: the container or this build does not take a codec."""
        self._container = container
        self._formats: dict[int, PacketFormat] = {}
        self._streams: dict[int, Any] = {}
        container.metadata.update(_tags(container.format.name, metadata))
        for offer in offers:
            assert isinstance(offer.format, PacketFormat)
            self._formats[offer.track] = offer.format
            self._streams[offer.track] = _add_stream(container, offer.format)
        self._picture = next((t for t, f in self._formats.items() if f.video is not None), None)
        self._origin: Fraction | None = None if self._picture is not None else Fraction(0)
        self._waiting: list[tuple[int, Packet]] = []

    def write(self, track: int, packets: Sequence[Packet]) -> None:
        """The next packets of a track, in dts order. The origin is the first picture's pts; the first
        sound's, where more sound comes before it than is kept waiting."""
        for packet in packets:
            if self._origin is None and track == self._picture:
                self._begin_at(packet.pts * self._formats[track].time_base)
            elif self._origin is None:
                self._waiting.append((track, packet))
                if len(self._waiting) > WAITING_PACKETS:
                    first_track, first = self._waiting[0]
                    self._begin_at(first.pts * self._formats[first_track].time_base)
                continue
            self._mux(track, packet)

    def _begin_at(self, origin: Fraction) -> None:
        self._origin = origin
        waiting, self._waiting = self._waiting, []
        for track, packet in waiting:
            self._mux(track, packet)

    def finish(self) -> None:
        """All packets are there; what waited for a picture that never came is written as it is."""
        self._begin_at(self._origin or Fraction(0))
        self._container.close()

    def _mux(self, track: int, packet: Packet) -> None:
        time_base = self._formats[track].time_base
        shift = rescale(1, self._origin or Fraction(0), time_base) if self._origin else 0
        out = av.Packet(bytes(packet.data))
        out.stream = self._streams[track]
        out.time_base = time_base
        out.pts, out.dts = packet.pts - shift, packet.dts - shift
        out.duration = packet.duration
        out.is_keyframe = packet.keyframe
        self._container.mux_one(out)


class Muxer:
    """Packets into a file, which appears under its name when it is complete. MP4 is made faststart."""

    def __init__(self, path: Path, offers: Sequence[Offer], *, metadata: Mapping[str, str]) -> None:
        """``offers``: PACKETS tracks as they come back. BadParameter: the container does not take a codec;
        and as ``reelwire.complete`` says where the file cannot be written."""
        kind = container_for(path)
        formats = [offer.format for offer in offers if isinstance(offer.format, PacketFormat)]
        check_container(kind, (each.codec for each in formats))
        self._target = path
        self._file = CompleteFile(path)
        self._container: OutputContainer | None = None
        options = {**kind.file_options, "max_interleave_delta": str(MAX_INTERLEAVE_US)}
        try:
            name = str(self._file.part)
            self._container = av.open(name, "w", format=kind.name, container_options=options)
            self._writer = PacketWriter(self._container, offers, metadata)
        except BaseException:
            self.abort()
            raise

    def write(self, chunk: Chunk) -> None:
        """The next packets. Raises as ``reelwire.complete.write_error`` says."""
        if not isinstance(chunk.payload, Packets):
            return
        try:
            self._writer.write(chunk.track, chunk.payload.packets)
        except OSError as error:
            raise write_error(self._target, error) from None

    def complete(self) -> None:
        """Writes the end of the container; the file has not got its name yet."""
        try:
            self._writer.finish()
        except OSError as error:
            raise write_error(self._target, error) from None

    def commit(self) -> None:
        """Gives the complete file its name."""
        self._file.commit()

    def finish(self) -> None:
        """``complete`` and ``commit``."""
        self.complete()
        self.commit()

    def abort(self) -> None:
        """Nothing stays."""
        self._file.discard()
        if self._container is not None:
            with suppress(OSError, ValueError):  # whatever it still wanted to write
                self._container.close()
