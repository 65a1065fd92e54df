"""Opens preprocess for a stream: a source (upload, path, URL, test picture, prompt), or a caller's frames."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from reelwire.errors import BadParameter
from reelwire.media import Chunk, ContainerBytes, Offer, PayloadKind
from reelwire.settings import Settings
from reelwire.stage import Opened, Opening, PassThrough
from services.preprocess.containers import open_bytes
from services.preprocess.inputs import open_named
from services.preprocess.intake import Intake, Wishes, read_wishes
from services.preprocess.opened import OpenInput, check_input
from services.preprocess.pacing import Pacer
from services.preprocess.run import Run
from services.preprocess.spool import Spool


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

    @property
    def source_frames(self) -> int:
        """Frames met so far: decoded, and refused by the decoder."""
        return 0 if self._run is None else self._run.source_frames

    @property
    def damaged_frames(self) -> int:
        """Frames used although the decoder flagged them."""
        return 0 if self._run is None else self._run.damaged_frames

    def feed(self, chunk: Chunk) -> Iterable[Chunk]:
        """Nothing comes in where the input is fetched here."""
        raise BadParameter(f"track {chunk.track} was not offered", field="track")

    def flush(self) -> Iterator[Chunk]:
        """Opens, negotiates, and gives frames and sound as they are asked for.

        InputDamaged, TooLarge, InputNotAllowed, InputNotFound, Unavailable: what is wrong with the input.
        """
        opened = self._opened = self._open_input()
        check_input(opened, self._settings)
        intake = Intake(opened, self._wishes, self._settings)
        agreed = self._opening.negotiate(intake.offers())
        self._run = Run(intake, tuple(agreed), self._opening.chunk_frames, self._settings)
        pacer = Pacer() if self._opening.live and not opened.realtime else None
        yield from self._run.chunks(pacer)

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
        source = opening.config.input.WhichOneof("source")
        if source == "upload":
            return self._upload(opening, wishes)
        url = opening.config.input.url
        stage = SourceStage(
            opening, wishes, self._settings, lambda: open_named(url, self._settings, live=opening.live)
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
        return Opened(UploadStage(opening, wishes, self._settings), offers)


def _kinds(offers: tuple[Offer, ...]) -> str:
    return ", ".join(offer.kind.name for offer in offers) or "nothing"
