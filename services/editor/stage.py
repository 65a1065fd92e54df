"""Opens the editor for a stream: finds its effects, settles sizes and layouts, refuses what cannot work."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial

from reelwire.engines.select import Wanted
from reelwire.errors import BadParameter, TooLarge
from reelwire.formats import check_limits
from reelwire.media import Chunk, Offer, PacketFormat, PayloadKind, PixelLayout, VideoFormat
from reelwire.models.loading import LoadedModel
from reelwire.models.served import Leases, ServedModels
from reelwire.settings import Settings
from reelwire.stage import Opened, Opening, PassThrough
from reelwire.threads import limit_picture_threads
from reelwire.v1.config_pb2 import EffectConfig
from reelwire.v1.pipeline_pb2 import Control, Notice
from services.editor.assets import Assets
from services.editor.chain import EffectStage, Tracks
from services.editor.effect import Place
from services.editor.link import Link
from services.editor.params import values_of
from services.editor.registry import choose, find_effects

MAX_EFFECTS = 32
EITHER = (PixelLayout.I420, PixelLayout.RGB24)


class UnchangedStage(PassThrough):
    """No effects: everything passes as it came."""

    def feed(self, chunk: Chunk) -> Iterable[Chunk]:
        """The same chunk."""
        return (replace(chunk, dropped=()),)

    def control(self, control: Control) -> None:
        """BadParameter: there is no effect whose parameters could change."""
        raise BadParameter("the stream has no effects, so nothing can change; set editor.effects")


@dataclass(frozen=True)
class Entered:
    """A stream as it came in, and the models that it opens."""

    offer: Offer
    opening: Opening
    leases: Leases


class EditorFactory:
    """One for each process; models are loaded once and shared by all streams."""

    name = "editor"

    def __init__(self, settings: Settings) -> None:
        """Raises FailedPrecondition for an installed effect that cannot be loaded, BadParameter for a missing
        model folder."""
        self._settings = settings
        self._assets = Assets(settings.asset_root)
        limit_picture_threads(settings.engine_threads)
        self._wanted = Wanted(settings.backend, settings.precision)
        self._models = ServedModels(settings)
        self.library = self._models.library
        self.kinds = find_effects()

    def open(self, opening: Opening) -> Opened:
        """Makes the stream's effects.

        Raises UnknownEffect, BadParameter, TooLarge, what an effect's files and models raise, and what the
        next stage raises.
        """
        wanted = opening.config.editor.effects
        if not wanted:
            return self._unchanged(opening)
        if len(wanted) > MAX_EFFECTS:
            raise BadParameter(f"{len(wanted)} effects; expected at most {MAX_EFFECTS}", field="effects")
        for effect in wanted:
            choose(self.kinds, effect.name)  # all names, before anything is loaded
        offer = _picture_offer(opening.offers)
        links: list[Link] = []
        with ExitStack() as undo:
            leases = self._models.leases(partial(opening.notice, Notice.KIND_MODEL_READY))
            undo.callback(leases.close)
            for index, effect in enumerate(wanted):
                link = self._link(index, effect, links, Entered(offer, opening, leases))
                undo.callback(link.effect.close)
                links.append(link)
                made = _sized(replace(offer.video, layout=PixelLayout.RGB24), link.size)
                _check_size(replace(offer, format=made), effect.name, self._settings)
            opened = self._opened(opening, offer, links, leases)
            undo.pop_all()  # the stage gives back from here on
        return opened

    def close(self) -> None:
        """Frees all models."""
        self._models.close()

    def _link(self, index: int, effect: EffectConfig, before: Sequence[Link], stream: Entered) -> Link:
        offer = stream.offer
        width, height = before[-1].size if before else (offer.video.width, offer.video.height)
        video = replace(offer.video, width=width, height=height, layout=PixelLayout.RGB24)

        def open_model(name: str) -> LoadedModel:
            return stream.leases.open(name, self._wanted)

        place = Place(video, self._assets, open_model, stream.opening.notice)
        return Link(choose(self.kinds, effect.name), index, place, values_of(effect.params))

    def _opened(self, opening: Opening, offer: Offer, links: Sequence[Link], leases: Leases) -> Opened:
        taken = offer.settled(offer.layouts[0])
        video = _sized(replace(offer.video, layout=PixelLayout.RGB24), links[-1].size)
        even = video.width % 2 == 0 and video.height % 2 == 0
        given = replace(offer, format=video, layouts=EITHER if even else (PixelLayout.RGB24,))
        models = {
            (model.name, model.version): model.pinned(self.name)
            for link in links
            for model in link.effect.models()
        }
        offers = [given if each.track == offer.track else each for each in opening.offers]
        agreed = opening.negotiate(offers, models=list(models.values()))
        chosen = {each.track: each for each in agreed}
        layout = chosen[offer.track].layouts[0]
        final = replace(video, layout=layout)
        each = max(1, self._settings.max_message_bytes // final.frame_bytes)
        tracks = Tracks(offer.track, taken.video, final, each, _packet_tracks(opening.offers))
        self._warn_of_packets(tracks, links, opening)
        inputs = [taken if o.track == offer.track else _as_agreed(o, chosen[o.track]) for o in opening.offers]
        names = [effect.name for effect in opening.config.editor.effects]
        return Opened(
            stage=EffectStage(tracks, links, names, leases.close),
            inputs=tuple(inputs),
            hold_frames=sum(link.hold_frames for link in links),
            resumable=all(link.effect.resumable for link in links),
        )

    def _unchanged(self, opening: Opening) -> Opened:
        """The layout that the next stage chose is taken here too, so that nothing is converted."""
        chosen = {each.track: each for each in opening.negotiate(opening.offers)}
        inputs = tuple(_as_agreed(offer, chosen[offer.track]) for offer in opening.offers)
        return Opened(stage=UnchangedStage(), inputs=inputs, resumable=True)

    def _warn_of_packets(self, tracks: Tracks, links: Sequence[Link], opening: Opening) -> None:
        if tracks.packets and any(link.effect.changes_sound for link in links):
            opening.notice(
                Notice.KIND_WARNING,
                "sound passes encoded: effects cut it by whole packets and do not fade it; leave "
                "preprocess.sound_passthrough out to have it changed",
            )


def _picture_offer(offers: Sequence[Offer]) -> Offer:
    for offer in offers:
        if offer.kind is PayloadKind.FRAMES:
            return offer
    kinds = ", ".join(offer.kind.name for offer in offers) or "nothing"
    raise BadParameter(f"effects work on FRAMES, the stream carries {kinds}", field="effects")


def _packet_tracks(offers: Sequence[Offer]) -> dict[int, PacketFormat]:
    """Tracks with encoded sound."""
    return {
        offer.track: offer.format
        for offer in offers
        if isinstance(offer.format, PacketFormat) and offer.format.sound is not None
    }


def _sized(video: VideoFormat, size: tuple[int, int]) -> VideoFormat:
    return replace(video, width=size[0], height=size[1])


def _check_size(offer: Offer, effect: str, settings: Settings) -> None:
    try:
        check_limits(offer, settings.max_frame_pixels, settings.max_message_bytes)
    except TooLarge as error:
        raise TooLarge(f'what effect "{effect}" makes: {error.message}', field="effects") from None


def _as_agreed(offer: Offer, chosen: Offer) -> Offer:
    """An offer of a track that passes unchanged, with the layout that the next stage chose."""
    return offer.settled(chosen.layouts[0]) if offer.kind is PayloadKind.FRAMES else offer
