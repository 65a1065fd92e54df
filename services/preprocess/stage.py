"""Opens preprocess for a stream: a source (upload, path, URL, test picture, prompt), or a caller's frames."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from reelwire.errors import BadParameter
from reelwire.media import Chunk, ContainerBytes, Offer, PayloadKind
from reelwire.settings import Settings
from reelwire.stage import Opened, Opening, PassThrough
from reelwire.v1.pipeline_pb2 import Notice
from services.preprocess.containers import open_bytes
from services.preprocess.frames_stage import open_frames
from services.preprocess.inputs import open_named
from services.preprocess.intake import Intake
from services.preprocess.offers import offers_of
from services.preprocess.opened import OpenInput, check_input
from services.preprocess.pacing import IdleClock, Pacer
from services.preprocess.prompt_stage import PromptStage
from services.preprocess.remarks import notices_of
from services.preprocess.run import Run
from services.preprocess.spool import Spool, check_announced
from services.preprocess.wishes import Wishes, read_wishes


class SourceStage(PassThrough):
    """Opens its input when all of it is there, and gives everything in ``flush``."""

    def __init__(
        self, opening: Opening, wishes: Wishes, settings: Settings, open_input: Callable[[], OpenInput]
    ) -> None:
        self._opening = opening
        self._wishes = wishes
        self._settings = settings
        self._open_input = open_input
        self._opened: OpenInput | None = None
        self._run: Run | None = None
        self._idle = IdleClock()
        self._pacer: Pacer | None = None

    @property
    def source_frames(self) -> int:
        """Frames met so far: decoded, and refused by the decoder."""
        return 0 if self._run is None else self._run.source_frames

    @property
    def damaged_frames(self) -> int:
        """Frames used although the decoder flagged them."""
        return 0 if self._run is None else self._run.damaged_frames

    @property
    def idle_us(self) -> int:
        """Microseconds in which the next frame had not happened yet."""
        return self._idle.idle_us

    @property
    def behind_us(self) -> int:
        """Microseconds for which the newest frame had been due, under LIVE, when it was taken up."""
        return 0 if self._pacer is None else self._pacer.behind_us

    def feed(self, chunk: Chunk) -> Iterable[Chunk]:
        """Nothing comes in where the input is fetched here."""
        raise BadParameter(f"track {chunk.track} was not offered", field="track")

    def flush(self) -> Iterator[Chunk]:
        """Opens, negotiates, and gives frames and sound as they are asked for.

        InputDamaged, TooLarge, InputNotAllowed, InputNotFound, Unavailable: what is wrong with the input.
        """
        opened = self._opened = self._idle.during(self._open_input)  # a frame is no older for it
        check_input(opened, self._settings)
        intake = Intake(opened, self._wishes, self._settings)
        for line in notices_of(intake):
            self._warn(line)
        agreed = self._idle.during(lambda: self._opening.negotiate(offers_of(intake, self._settings)))
        if opened.realtime:
            intake.reader.count_idle(self._idle)
        pacer = self._pacer = self._make_pacer(opened)
        run = self._run = Run(
            intake, tuple(agreed), self._settings, chunk_frames=self._opening.chunk_frames, pacer=pacer
        )
        yield from run.chunks()
        self._tell_damage(run, intake)

    def _make_pacer(self, opened: OpenInput) -> Pacer | None:
        if not self._opening.live:
            return None
        return Pacer(self._idle, None) if opened.realtime else Pacer(self._idle)

    def _tell_damage(self, run: Run, intake: Intake) -> None:
        if intake.reader.ended_early:
            self._warn(f"{intake.opened.name} ends early: {intake.reader.ended_early}")
        if intake.reader.refused_sound_count:
            self._warn(f"{intake.reader.refused_sound_count} packets of sound could not be decoded")
        if run.damaged_frames:
            self._warn(f"{run.damaged_frames} frames are damaged and were used")
        if run.repaired_count:
            self._warn(f"{run.repaired_count} frames had no pts, or one that does not rise; it was repaired")

    def _warn(self, line: str) -> None:
        self._opening.notice(Notice.KIND_WARNING, line)

    def snapshot(self) -> bytes | None:
        """A decoder's memory cannot be saved."""
        return None

    def close(self) -> None:
        """Closes the input."""
        if self._opened is not None:
            self._opened.close()


class UploadStage(SourceStage):
    """Keeps the upload's bytes until its end, then reads them as any other input."""

    def __init__(self, opening: Opening, wishes: Wishes, settings: Settings) -> None:
        upload = opening.config.input.upload
        self._spool = Spool(settings)
        super().__init__(
            opening, wishes, settings, lambda: open_bytes(self._spool.reader(), upload.name, settings)
        )

    def feed(self, chunk: Chunk) -> Iterable[Chunk]:
        """The next bytes. TooLarge: more than is taken. ResourceExhausted: the disk is full."""
        assert isinstance(chunk.payload, ContainerBytes)
        self._spool.append(chunk.payload.data)
        return ()

    def close(self) -> None:
        """Closes the input and frees the disk."""
        super().close()
        self._spool.close()


class PreprocessFactory:
    """One for each process."""

    name = "preprocess"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def open(self, opening: Opening) -> Opened:
        """Checks what can be checked before any input is there.

        BadParameter: the config cannot be. TooLarge: an upload that is announced as over the limit.
        """
        wishes = read_wishes(opening.config.preprocess)
        given = opening.config.input
        source = given.WhichOneof("source")
        if source is None:
            return open_frames(opening, wishes, self._settings)
        if source == "upload":
            return self._upload(opening, wishes)
        if opening.offers:
            raise BadParameter(
                f"input.{source} and {_kinds(opening.offers)} as well; expected one of them", field="offers"
            )
        if source == "text":
            return Opened(PromptStage(opening), ())
        stage = SourceStage(
            opening, wishes, self._settings, lambda: open_named(given.url, self._settings, live=opening.live)
        )
        return Opened(stage, ())

    def close(self) -> None:
        """Nothing is shared."""

    def _upload(self, opening: Opening, wishes: Wishes) -> Opened:
        offers = opening.offers
        if len(offers) != 1 or offers[0].kind is not PayloadKind.CONTAINER_BYTES:
            raise BadParameter(
                f"an upload is one track of CONTAINER_BYTES; got {_kinds(offers)}", field="offers"
            )
        check_announced(opening.config.input.upload.size_bytes, self._settings)
        return Opened(UploadStage(opening, wishes, self._settings), offers)


def _kinds(offers: tuple[Offer, ...]) -> str:
    return ", ".join(offer.kind.name for offer in offers) or "nothing"
