"""One pass through an input, as far as the stream asks for: chunks in the container's order."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from reelwire.media import Chunk, DropReason, Offer, PacketFormat, Sound, SoundFormat
from reelwire.settings import Settings
from services.preprocess.intake import Intake
from services.preprocess.offers import nominal_rate
from services.preprocess.opened import check_duration
from services.preprocess.pacing import Pacer
from services.preprocess.packets import PacketTrack
from services.preprocess.picture_graph import PictureGraphs, Target
from services.preprocess.pictures import PicturePlan, PictureTrack
from services.preprocess.reader import PICTURE, SOUND, Decoded, Refused
from services.preprocess.sound_picture import SoundPicture
from services.preprocess.sounds import SoundPlan, SoundTrack
from services.preprocess.track_time import Together, TrackTime


class Run:
    """Ends by itself when all that was asked for has come.

    ``source_frames``: pictures met so far, decoded or refused. ``damaged_frames``: used although the decoder
    flagged them. ``pacer``: LIVE; tells when each frame is due.
    """

    def __init__(
        self,
        intake: Intake,
        agreed: tuple[Offer, ...],
        settings: Settings,
        *,
        chunk_frames: int = 1,
        pacer: Pacer | None = None,
    ) -> None:
        self._intake = intake
        self._reader = intake.reader
        self._settings = settings
        self._pacer = pacer
        self._bounded = not (intake.opened.realtime or intake.opened.endless)
        self.source_frames = 0
        self.damaged_frames = 0
        offers = {offer.track: offer for offer in agreed}
        self._gives_sound = SOUND in offers
        together = Together() if intake.opened.can_leap else None
        self._picture_time = _picture_time(intake, together)
        self._picture = self._open_picture(offers[PICTURE], chunk_frames)
        self._sound_picture: SoundPicture | None = None
        self._sound: SoundTrack | PacketTrack | None = None
        if self._reader.sound is not None and intake.sound_format is not None:
            self._sound_time = TrackTime(
                Fraction(self._reader.sound.time_base), intake.origin, together=together
            )
            self._sound = self._open_sound(offers.get(SOUND), intake.sound_format)
        if intake.sound_only and intake.sound_format is not None:
            rate = offers[PICTURE].video.frame_rate
            self._sound_picture = SoundPicture(
                intake.sound_format, intake.size, rate, waves=intake.wishes.waves
            )

    def _open_picture(self, offer: Offer, chunk_frames: int) -> PictureTrack:
        wishes, video = self._intake.wishes, offer.video
        target = Target(video.width, video.height, video.layout, wishes.shape, wishes.background)
        if self._picture_time is None:  # made for the sound, which is trimmed already
            plan = PicturePlan(PICTURE, video.time_base, video, chunk_frames)
        else:
            base = self._picture_time.base
            plan = PicturePlan(PICTURE, base, video, chunk_frames, wishes.rate, wishes.span)
        return PictureTrack(plan, PictureGraphs(target))

    def _open_sound(self, offer: Offer | None, sound: SoundFormat) -> SoundTrack | PacketTrack:
        span = self._intake.wishes.span
        if offer is not None and isinstance(offer.format, PacketFormat):
            return PacketTrack(SOUND, self._sound_time, span)
        return SoundTrack(SoundPlan(SOUND, self._sound_time.base, sound, span))

    @property
    def repaired_count(self) -> int:
        """Pictures whose pts was missing or did not rise."""
        time = self._picture_time
        return 0 if time is None else time.repaired_count + time.derived_count

    def chunks(self) -> Iterator[Chunk]:
        """All of it.

        TooLarge: it is longer, or a frame larger, than the header said. InputDamaged, Unavailable: as
        ``Reader`` says.
        """
        for item in self._reader:
            if item.track == PICTURE:
                yield from self._picture_item(item)
            elif isinstance(item, Decoded):
                yield from self._sound_item(item)
            if self._reader.is_done:
                break
        if self._sound is not None:
            for chunk in self._sound.flush():
                yield from self._sounding(chunk)
        if self._sound_picture is not None:
            yield from self._made(self._sound_picture.flush())
        yield from self._picture.flush()

    def _picture_item(self, item: Decoded | Refused) -> Iterator[Chunk]:
        time = self._picture_time
        assert time is not None
        self.source_frames += 1
        if isinstance(item, Refused):
            pts = (time.last or 0) if item.pts is None else time.rebased(item.pts)
            self._picture.drop(DropReason.UNDECODABLE, pts)
            return
        self.damaged_frames += bool(item.frame.is_corrupt)
        pts = time.next(item.pts)
        if self._makes_way(pts, pts * time.base):
            self._picture.drop(DropReason.OVERLOAD, pts)
            return
        self._check_and_wait(pts * time.base)
        yield from self._picture.add(item.frame, pts, int(item.frame.duration or 0) or time.nominal)
        if self._picture.is_complete:
            self._reader.leave_out(PICTURE)

    def _sound_item(self, item: Decoded) -> Iterator[Chunk]:
        if self._sound is None:
            return
        if isinstance(self._sound, PacketTrack):
            yield from self._sound.add(item.frame)
        else:
            pts = None if item.pts is None else self._sound_time.next(item.pts)
            length = Fraction(item.frame.samples, item.frame.sample_rate) / self._sound_time.base
            self._sound_time.nominal = max(1, round(length))
            if pts is not None:
                self._check_and_wait(pts * self._sound_time.base)
            for chunk in self._sound.add(item.frame, pts):
                yield from self._sounding(chunk)
        if self._sound.is_complete:
            self._reader.leave_out(SOUND)

    def _sounding(self, chunk: Chunk) -> Iterator[Chunk]:
        if self._gives_sound:
            yield chunk
        if self._sound_picture is not None:
            assert isinstance(chunk.payload, Sound)
            yield from self._made(self._sound_picture.add(chunk.payload))

    def _made(self, pictures: Iterator[tuple[int, Any]]) -> Iterator[Chunk]:
        for slot, frame in pictures:
            yield from self._picture.add(frame, slot, 1, made=True)

    def _makes_way(self, pts: int, moment: Fraction) -> bool:
        """This stage cannot keep up with a LIVE input: its oldest frame is not worked on."""
        late = self._pacer is not None and self._pacer.is_too_late(moment)
        return late and self._picture.wants(pts)

    def _check_and_wait(self, moment: Fraction) -> None:
        if self._bounded:
            check_duration(moment, self._settings)
        if self._pacer is not None:
            self._pacer.wait_for(moment)


def _picture_time(intake: Intake, together: Together | None) -> TrackTime | None:
    stream = intake.reader.picture
    if stream is None:
        return None
    base, rate = Fraction(stream.time_base), nominal_rate(stream)
    return TrackTime(base, intake.origin, round(1 / (rate * base)) if rate else 1, together)
