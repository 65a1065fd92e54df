"""One pass through an input, as far as the stream asks for: chunks in the container's order."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from reelwire.media import Chunk, DropReason, Offer, PacketFormat, SoundFormat
from reelwire.settings import Settings
from services.preprocess.intake import Intake, nominal_rate
from services.preprocess.opened import check_duration
from services.preprocess.pacing import Pacer
from services.preprocess.packets import PacketPlan, PacketTrack
from services.preprocess.picture_graph import PictureGraphs, Target
from services.preprocess.pictures import PicturePlan, PictureTrack
from services.preprocess.pts import RisingPts, origin_ticks
from services.preprocess.reader import PICTURE, SOUND, Decoded, Refused
from services.preprocess.sounds import SoundPlan, SoundTrack


class TrackTime:
    """From a container's pts to the clip's own: rebased, each above the one before."""

    def __init__(self, stream: Any, origin: Fraction, nominal: int) -> None:
        """``nominal``: ticks of one frame where nothing says better."""
        self.base = Fraction(stream.time_base)
        self.offset = origin_ticks(origin, self.base)
        self.nominal = max(1, nominal)
        self.rising = RisingPts(self.base, self.nominal)
        self.last = 0

    def next(self, pts: int | None) -> int:
        """Of the next frame."""
        self.last = self.rising.next(None if pts is None else pts - self.offset)
        return self.last


class Run:
    """Ends by itself when all that was asked for has come."""

    def __init__(
        self, intake: Intake, agreed: tuple[Offer, ...], chunk_frames: int, settings: Settings
    ) -> None:
        self._intake = intake
        self._settings = settings
        self._bounded = not (intake.opened.realtime or intake.opened.endless)
        self.source_frames = 0
        self.damaged_frames = 0
        for offer in agreed:
            if offer.track == PICTURE:
                self._open_picture(offer, chunk_frames)
            else:
                self._open_sound(offer)

    _picture: PictureTrack | None = None
    _sound: SoundTrack | PacketTrack | None = None

    def _open_picture(self, offer: Offer, chunk_frames: int) -> None:
        intake, stream = self._intake, self._intake.reader.picture
        assert stream is not None
        rate = nominal_rate(stream)
        nominal = round(1 / (rate * Fraction(stream.time_base))) if rate else 1
        self._picture_time = TrackTime(stream, intake.origin, nominal)
        wishes, video = intake.wishes, offer.video
        target = Target(video.width, video.height, video.layout, wishes.shape, wishes.background)
        plan = PicturePlan(PICTURE, self._picture_time.base, video, chunk_frames, wishes.rate, wishes.span)
        self._picture = PictureTrack(plan, PictureGraphs(target))

    def _open_sound(self, offer: Offer) -> None:
        intake, stream = self._intake, self._intake.reader.sound
        self._sound_time = TrackTime(stream, intake.origin, 1)
        time, span = self._sound_time, intake.wishes.span
        if isinstance(offer.format, PacketFormat):
            self._sound = PacketTrack(PacketPlan(SOUND, time.base, time.offset, span))
        else:
            assert isinstance(offer.format, SoundFormat)
            self._sound = SoundTrack(SoundPlan(SOUND, time.base, offer.format, span))

    def chunks(self, pacer: Pacer | None = None) -> Iterator[Chunk]:
        """All of it. ``pacer``: waits until each frame is due.

        TooLarge: it is longer, or a frame larger, than the header said. InputDamaged, Unavailable: as
        ``Reader`` says.
        """
        for item in self._intake.reader:
            if item.track == PICTURE:
                yield from self._picture_item(item, pacer)
            elif isinstance(item, Decoded):
                yield from self._sound_item(item, pacer)
            if self._is_complete:
                break
        for track in (self._picture, self._sound):
            if track is not None:
                yield from track.flush()

    @property
    def _is_complete(self) -> bool:
        return all(track is None or track.is_complete for track in (self._picture, self._sound))

    def _picture_item(self, item: Decoded | Refused, pacer: Pacer | None) -> Iterator[Chunk]:
        assert self._picture is not None
        time = self._picture_time
        self.source_frames += 1
        if isinstance(item, Refused):
            pts = time.last if item.pts is None else item.pts - time.offset
            self._picture.drop(DropReason.UNDECODABLE, pts)
            return
        self.damaged_frames += bool(item.frame.is_corrupt)
        pts = time.next(item.pts)
        self._check_and_wait(pts * time.base, pacer)
        yield from self._picture.add(item.frame, pts, int(item.frame.duration or 0) or time.nominal)
        if self._picture.is_complete:
            self._intake.reader.leave_out(PICTURE)

    def _sound_item(self, item: Decoded, pacer: Pacer | None) -> Iterator[Chunk]:
        assert self._sound is not None
        time = self._sound_time
        if isinstance(self._sound, PacketTrack):
            yield from self._sound.add(item.frame)
            return
        pts = None if item.pts is None else time.next(item.pts)
        if pts is not None:
            self._check_and_wait(pts * time.base, pacer)
        yield from self._sound.add(item.frame, pts)
        if self._sound.is_complete:
            self._intake.reader.leave_out(SOUND)

    def _check_and_wait(self, moment: Fraction, pacer: Pacer | None) -> None:
        if self._bounded:
            check_duration(moment, self._settings)
        if pacer is not None:
            pacer.wait_for(moment)
