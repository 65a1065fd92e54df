"""Opens the encoder for a stream, and runs it: frames and sound in, packets or a container's bytes out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from reelwire import metrics
from reelwire.errors import BadParameter
from reelwire.media import (
    Chunk,
    ContainerBytes,
    ContainerFormat,
    Frames,
    Offer,
    Packet,
    PacketFormat,
    Packets,
    PayloadKind,
    PixelLayout,
    Sound,
    SoundFormat,
    VideoFormat,
)
from reelwire.provenance import provenance
from reelwire.settings import Settings
from reelwire.stage import Opened, Opening, PassThrough
from reelwire.v1.config_pb2 import EncoderConfig
from reelwire.v1.pipeline_pb2 import Control, Notice
from services.encoder.codecs import choose
from services.encoder.container import ByteContainer, streamable
from services.encoder.picture import PictureEncoder
from services.encoder.sound import SoundEncoder

DEFAULT_SOUND_CODEC = "aac"
WEBM_SOUND_CODEC = "opus"


class EncoderStage(PassThrough):
    """One stream. Container bytes, where asked for, all come on the first track."""

    def __init__(self, tracks: Tracks, container: ByteContainer | None, opening: Opening) -> None:
        self._tracks = tracks
        self._container = container
        self._notice = opening.notice
        self._first_track = min(tracks.offers)
        self._picture_end_s = 0.0
        self._newest_pts: int | None = None

    def feed(self, chunk: Chunk) -> Iterable[Chunk]:
        """Encodes; gives what is ready."""
        match chunk.payload:
            case Frames():
                self._newest_pts = chunk.payload.pts[-1]
                packets = self._tracks.pictures[chunk.track].encode(chunk.payload, chunk.keyframes)
            case Sound():
                packets = self._tracks.sounds[chunk.track].encode(chunk.payload)
            case Packets():
                packets = list(chunk.payload.packets)
            case _:
                return ()
        return self._give(chunk.track, packets)

    def control(self, control: Control) -> None:
        """A keyframe on demand. BadParameter: anything else."""
        if control.WhichOneof("change") != "keyframe":
            raise BadParameter("the encoder takes keyframe as a control, nothing else", field="control")
        for picture in self._tracks.pictures.values():
            picture.keyframe_from(control.from_pts)
        if self._newest_pts is not None and control.from_pts <= self._newest_pts:
            self._notice(
                Notice.KIND_WARNING,
                f"keyframe for pts {control.from_pts} came after it; the next frame gets it",
            )

    def flush(self) -> Iterable[Chunk]:
        """The frames that the encoders hold, and the end of the container."""
        for track, picture in self._tracks.pictures.items():
            yield from self._give(track, picture.flush())
        for track, sound in self._tracks.sounds.items():
            yield from self._give(track, sound.flush())
        if self._container is not None:
            data = self._container.finish()
            if data:
                yield Chunk(self._first_track, ContainerBytes(data))

    def snapshot(self) -> bytes | None:
        """An encoder's memory cannot be saved."""
        return None

    def _give(self, track: int, packets: list[Packet]) -> Iterator[Chunk]:
        if not packets:
            return
        self._measure_offset(track, packets[-1])
        payload = Packets(tuple(packets))
        if self._container is None:
            yield Chunk(track, payload)
            return
        data = self._container.write(track, payload)
        count = len(packets) if track in self._tracks.pictures else 0
        if data or count:
            yield Chunk(self._first_track, ContainerBytes(data, count))

    def _measure_offset(self, track: int, packet: Packet) -> None:
        format_ = self._tracks.offers[track].format
        assert isinstance(format_, PacketFormat)
        end_s = float((packet.pts + packet.duration) * format_.time_base)
        if track in self._tracks.pictures:
            self._picture_end_s = end_s
        elif self._tracks.pictures:
            metrics.AV_OFFSET.labels("encoder").set(end_s - self._picture_end_s)


class Tracks:
    """The encoders of a stream by track, and what each gives."""

    def __init__(self, threads: int) -> None:
        """``threads`` of each video encoder."""
        self._threads = threads
        self.pictures: dict[int, PictureEncoder] = {}
        self.sounds: dict[int, SoundEncoder] = {}
        self.inputs: list[Offer] = []
        self.offers: dict[int, Offer] = {}
        self.remarks: list[str] = []

    @property
    def hold_frames(self) -> int:
        """Frames that the slowest encoder holds."""
        return max((picture.hold_frames for picture in self.pictures.values()), default=0)

    def add(self, offer: Offer, config: EncoderConfig, *, live: bool) -> None:
        """BadParameter, CodecMissing: what the stream asks for this track."""
        match offer.format:
            case _ if offer.kind is PayloadKind.FRAMES:
                layout = PixelLayout.I420 if PixelLayout.I420 in offer.layouts else offer.layouts[0]
                taken = offer.settled(layout)
                choice = choose(config.video, taken.video, live=live, threads=self._threads)
                picture = PictureEncoder(choice, taken.video)
                self.pictures[offer.track] = picture
                self._note_padding(taken.video, picture.video)
                self._put(taken, picture.format)
            case SoundFormat() if offer.kind is PayloadKind.SOUND:
                sound = SoundEncoder(config.sound, offer.format, sound_codec(config))
                self.sounds[offer.track] = sound
                self._put(offer, sound.format)
            case PacketFormat() if offer.kind is PayloadKind.PACKETS:
                self._put(offer, offer.format)
            case _:
                raise BadParameter(
                    f"track {offer.track} carries {offer.kind.name}; expected FRAMES, SOUND or PACKETS",
                    field="offers",
                )

    def _note_padding(self, taken: VideoFormat, given: VideoFormat) -> None:
        if (given.width, given.height) != (taken.width, taken.height):
            self.remarks.append(
                f"{taken.width}x{taken.height} is padded right and bottom to "
                f"{given.width}x{given.height} for 4:2:0"
            )

    def _put(self, taken: Offer, given: PacketFormat) -> None:
        self.inputs.append(taken)
        self.offers[taken.track] = replace(taken, kind=PayloadKind.PACKETS, format=given, layouts=())


def sound_codec(config: EncoderConfig) -> str:
    """What is asked for, or what suits the container."""
    default = WEBM_SOUND_CODEC if config.container == "webm" else DEFAULT_SOUND_CODEC
    return config.sound.codec or default


class EncoderFactory:
    """One for each process."""

    name = "encoder"

    def __init__(self, settings: Settings) -> None:
        self._threads = settings.codec_threads

    def open(self, opening: Opening) -> Opened:
        """Opens an encoder for each track.

        Raises BadParameter, CodecMissing, and what the next stage raises.
        """
        config = opening.config.encoder
        if not opening.offers:
            raise BadParameter("nothing to encode: no track was offered", field="offers")
        if config.container:
            streamable(config.container)
        tracks = Tracks(self._threads)
        for offer in opening.offers:
            tracks.add(offer, config, live=opening.live)
        for remark in tracks.remarks:
            opening.notice(Notice.KIND_WARNING, remark)
        packets = tuple(tracks.offers.values())
        if not config.container:
            opening.negotiate(packets)
            return Opened(EncoderStage(tracks, None, opening), tuple(tracks.inputs), tracks.hold_frames)
        metadata = {} if config.omit_provenance else provenance(opening.config.models)
        container = ByteContainer(config.container, packets, metadata)
        first = replace(
            packets[0], kind=PayloadKind.CONTAINER_BYTES, format=ContainerFormat(config.container), layouts=()
        )
        opening.negotiate((first,))
        return Opened(EncoderStage(tracks, container, opening), tuple(tracks.inputs), tracks.hold_frames)

    def close(self) -> None:
        """Nothing is shared."""
