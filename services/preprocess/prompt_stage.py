"""A stream whose input is a prompt: one chunk of text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reelwire.errors import BadParameter
from reelwire.media import Chunk, Offer, PayloadKind, Text, TextFormat
from reelwire.stage import Opening, PassThrough
from services.preprocess.prompt import normalise_prompt

TRACK = 0


class PromptStage(PassThrough):
    """Gives the prompt on track 0, from pts 0 on. No frames come in."""

    source_frames = 0
    damaged_frames = 0
    idle_us = 0

    def __init__(self, opening: Opening) -> None:
        """BadParameter: no usable prompt."""
        self._prompt = normalise_prompt(opening.config.input.text)
        opening.negotiate((Offer(TRACK, PayloadKind.TEXT, TextFormat()),))

    def feed(self, chunk: Chunk) -> Iterable[Chunk]:
        """Nothing comes in."""
        raise BadParameter(f"track {chunk.track} was not offered", field="track")

    def flush(self) -> Iterator[Chunk]:
        """The prompt."""
        yield Chunk(TRACK, Text(self._prompt))

    def snapshot(self) -> bytes | None:
        """A source cannot be resumed."""
        return None
