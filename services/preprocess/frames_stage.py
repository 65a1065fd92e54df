"""Frames that the caller sends, brought to the size, rate and background asked for; other tracks pass."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from reelwire.errors import BadParameter, BadPayload
from reelwire.media import Chunk, Frames, Offer, PayloadKind, PixelLayout, VideoFormat
from reelwire.pixels import to_video_frame
from reelwire.settings import Settings
from reelwire.stage import Opened, Opening, PassThrough
from services.preprocess.geometry import plan
from services.preprocess.offers import layouts_for
from services.preprocess.picture_graph import PictureGraphs, Target
from services.preprocess.pictures import PicturePlan, PictureTrack
from services.preprocess.wishes import Wishes

NO_GATHERING = 1 << 30  # chunks keep the caller's own borders


class FramesStage(PassThrough):
    """One picture track through the same graph as decoded pictures. ``muted``: tracks that end here."""

    def __init__(self, taken: Offer, given: VideoFormat, wishes: Wishes, muted: frozenset[int]) -> None:
        self._taken = taken
        self._given = given
        self._muted = muted
        self._nominal = _nominal_ticks(taken.video)
        self._unchanged = not wishes.rate and given == taken.video
        target = Target(given.width, given.height, given.layout, wishes.shape, wishes.background)
        chunk_plan = PicturePlan(taken.track, taken.video.time_base, given, NO_GATHERING, wishes.rate)
        self._track = PictureTrack(chunk_plan, PictureGraphs(target))

    def feed(self, chunk: Chunk) -> Iterable[Chunk]:
        """BadPayload: no frames. A frame of another size is brought to the first one's."""
        if chunk.track in self._muted:
            return ()
        frames = chunk.payload
        if chunk.track != self._taken.track or chunk.payload is None:
            return (replace(chunk, dropped=()),)
        if not isinstance(frames, Frames):
            raise BadPayload(f"track {chunk.track} carries {type(frames).__name__}; expected frames")
        if self._unchanged and frames.format == self._given:
            return (replace(chunk, dropped=()),)
        return self._convert(frames, chunk.keyframes)

    def flush(self) -> Iterable[Chunk]:
        """What is held for the rate."""
        return self._track.flush()

    def snapshot(self) -> bytes | None:
        """Only a rate needs memory, and that is not saved."""
        return None

    def _convert(self, frames: Frames, keyframes: tuple[int, ...]) -> Iterator[Chunk]:
        for place, pts in enumerate(frames.pts):
            frame = to_video_frame(frames.pixels[place], frames.format.layout)
            yield from self._track.add(frame, pts, self._nominal, keyframe=place in keyframes)
        yield from self._track.cut()


def open_frames(opening: Opening, wishes: Wishes, settings: Settings) -> Opened:
    """BadParameter: no picture track, or a wish that only an input can fulfil. TooLarge: what comes out is
    over a limit. Raises what the next stage raises."""
    _check_wishes(wishes)
    offers = [offer for offer in opening.offers if offer.kind is PayloadKind.FRAMES]
    if not offers:
        kinds = ", ".join(offer.kind.name for offer in opening.offers) or "nothing"
        raise BadParameter(
            f"preprocess was given no input, and {kinds} to work on; set input, or offer FRAMES",
            field="input",
        )
    first, rest = offers[0], [offer for offer in opening.offers if offer is not offers[0]]
    muted = frozenset(offer.track for offer in rest if wishes.mute and _is_sound(offer))
    passing = [offer for offer in rest if offer.track not in muted]
    given = _given(first, wishes, settings)
    agreed = {offer.track: offer for offer in opening.negotiate((given, *passing))}
    layout = agreed[first.track].layouts[0]
    taken = first.settled(layout if layout in first.layouts else first.layouts[0])
    inputs = (taken, *(agreed.get(offer.track, offer) for offer in rest))
    stage = FramesStage(taken, given.settled(layout).video, wishes, muted)
    return Opened(stage, inputs, hold_frames=1 if wishes.rate else 0)


def _given(first: Offer, wishes: Wishes, settings: Settings) -> Offer:
    video = first.video
    geometry = plan(video.width, video.height, wishes.shape)
    made = replace(video, width=geometry.width, height=geometry.height, layout=PixelLayout.RGB24)
    if wishes.rate:
        made = replace(made, time_base=1 / wishes.rate, frame_rate=wishes.rate)
    layouts = layouts_for(made, settings)
    if len(layouts) > 1 and first.layouts[0] is PixelLayout.RGB24:
        layouts = (PixelLayout.RGB24, PixelLayout.I420)
    frames = 0 if wishes.rate else first.expected_frames
    return replace(first, format=made, layouts=layouts, expected_frames=frames)


def _check_wishes(wishes: Wishes) -> None:
    unfulfilled = {
        "start_s": bool(wishes.span.start),
        "duration_s": wishes.span.end is not None,
        "sound_passthrough": wishes.passthrough,
    }
    for name, wished in unfulfilled.items():
        if wished:
            raise BadParameter(
                f"{name} is for an input that is opened here; the stream's frames come from the caller",
                field=name,
            )


def _is_sound(offer: Offer) -> bool:
    return offer.kind is PayloadKind.SOUND


def _nominal_ticks(video: VideoFormat) -> int:
    return max(1, round(1 / (video.frame_rate * video.time_base))) if video.frame_rate else 1
