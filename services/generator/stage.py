"""Opens the generator for a stream: finds its model, settles sizes and layouts, refuses what cannot work."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial

from reelwire.engines.select import Wanted
from reelwire.errors import BadParameter, TooLarge
from reelwire.formats import check_limits
from reelwire.media import Chunk, Offer, PayloadKind, PixelLayout
from reelwire.models.loading import LoadedModel
from reelwire.models.served import Leases, ServedModels
from reelwire.settings import Settings
from reelwire.stage import Opened, Opening, PassThrough, Stage
from reelwire.threads import limit_picture_threads
from reelwire.v1.pipeline_pb2 import Control, EngineChange, Notice
from services.generator.engine_change import check_same
from services.generator.inference import FrameModel
from services.generator.picture_stage import Picture, PictureStage, Surroundings
from services.generator.strength import check_strength


class UnchangedStage(PassThrough):
    """No model: everything passes as it came."""

    def feed(self, chunk: Chunk) -> Iterable[Chunk]:
        """The same chunk."""
        return (replace(chunk, dropped=()),)

    def control(self, control: Control) -> None:
        """BadParameter: there is no model whose strength could change."""
        raise BadParameter("no model runs in this stream, so nothing can change; set generator.model")


@dataclass(frozen=True)
class Bound:
    """A stream's track and the model version that it is bound to."""

    offer: Offer
    model: LoadedModel
    frames: FrameModel
    leases: Leases

    def make_on(self, change: EngineChange) -> FrameModel:
        """The same version on another engine. Raises as ``ModelLibrary.open``."""
        asked = f"{self.model.name}@{self.model.version}"
        model = self.leases.open(asked, Wanted(change.backend, change.precision))
        release = partial(self.leases.release, model)
        try:
            check_same(self.model.sha256, model.sha256, asked)
            return FrameModel(model, self.offer.video.height, self.offer.video.width, release)
        except BaseException:
            release()
            raise


class GeneratorFactory:
    """One for each process; models are loaded once and shared by all streams."""

    name = "generator"

    def __init__(self, settings: Settings) -> None:
        """Raises BackendMissing or DeviceMissing where no runtime can be used, or the one of REELWIRE_BACKEND
        cannot; BadParameter for a missing model folder."""
        Wanted(settings.backend, settings.precision).check()
        self._settings = settings
        limit_picture_threads(settings.engine_threads)
        self._models = ServedModels(settings)
        self.library = self._models.library

    def open(self, opening: Opening) -> Opened:
        """Binds the stream to one model version.

        Raises UnknownModel, ModelUnusable, BackendMissing, BadParameter, OutsideShapeProfile, TooLarge, and
        what the next stage raises.
        """
        config = opening.config.generator
        strength = check_strength(config.strength if config.HasField("strength") else 1.0)
        wanted = Wanted(
            config.backend or self._settings.backend, config.precision or self._settings.precision
        )
        wanted.check()
        if not config.model:
            return self._unchanged(opening)
        offer = _picture_offer(opening.offers, config.model)
        with ExitStack() as undo:
            leases = self._models.leases(partial(opening.notice, Notice.KIND_MODEL_READY))
            undo.callback(leases.close)
            model = leases.open(config.model, wanted)
            frames = FrameModel(model, offer.video.height, offer.video.width, partial(leases.release, model))
            undo.callback(frames.close)
            opened = self._opened(opening, Bound(offer, model, frames, leases), strength)
            undo.pop_all()  # the stage gives back from here on
        return opened

    def _opened(self, opening: Opening, bound: Bound, strength: float) -> Opened:
        offer, model = bound.offer, bound.model
        taken = offer.settled(PixelLayout.RGB24 if PixelLayout.RGB24 in offer.layouts else offer.layouts[0])
        given = self._given(offer, model)
        others = [other for other in opening.offers if other.track != offer.track]
        agreed = opening.negotiate(
            tuple(given if other.track == offer.track else other for other in opening.offers),
            models=[model.pinned(self.name)],
        )
        each = max(1, self._settings.max_message_bytes // given.video.frame_bytes)
        picture = Picture(offer.track, taken.video, given.video, each)
        around = Surroundings(bound.make_on, bound.leases.close, opening.notice)
        stage: Stage = PictureStage(picture, bound.frames, model.spec.window, strength, around)
        return Opened(
            stage=stage,
            inputs=(taken, *_as_agreed(others, agreed)),
            hold_frames=model.spec.window.hold_frames,
            resumable=True,
        )

    def close(self) -> None:
        """Frees all models."""
        self._models.close()

    def _unchanged(self, opening: Opening) -> Opened:
        """The layout that the next stage chose is taken here too, so that nothing is converted."""
        agreed = opening.negotiate(opening.offers)
        return Opened(stage=UnchangedStage(), inputs=_as_agreed(opening.offers, agreed), resumable=True)

    def _given(self, offer: Offer, model: LoadedModel) -> Offer:
        scale, video = model.spec.scale, offer.video
        larger = replace(video, width=video.width * scale, height=video.height * scale)
        given = replace(offer, format=larger, layouts=(PixelLayout.RGB24,)).settled(PixelLayout.RGB24)
        try:
            check_limits(given, self._settings.max_frame_pixels, self._settings.max_message_bytes)
        except TooLarge as error:
            raise TooLarge(f'what model "{model.name}" makes: {error.message}', field="model") from None
        return given


def _picture_offer(offers: Sequence[Offer], model: str) -> Offer:
    for offer in offers:
        if offer.kind is PayloadKind.FRAMES:
            return offer
    kinds = ", ".join(offer.kind.name for offer in offers) or "nothing"
    raise BadParameter(f'model "{model}" works on FRAMES, the stream carries {kinds}', field="model")


def _as_agreed(offers: Sequence[Offer], agreed: Sequence[Offer]) -> tuple[Offer, ...]:
    """Offers of tracks that pass unchanged, with the layout that the next stage chose."""
    chosen = {offer.track: offer for offer in agreed}
    return tuple(
        offer.settled(chosen[offer.track].layouts[0]) if offer.kind is PayloadKind.FRAMES else offer
        for offer in offers
    )
