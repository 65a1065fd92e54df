"""Probe: describes an input without running a stream, under the same limits."""

from __future__ import annotations

from reelwire.errors import InvalidArgument
from reelwire.settings import Settings
from reelwire.v1.config_pb2 import Input
from reelwire.v1.pipeline_pb2 import ProbeRequest, ProbeResponse
from services.preprocess.containers import open_bytes
from services.preprocess.describe import describe, describe_text
from services.preprocess.inputs import open_named
from services.preprocess.opened import OpenInput
from services.preprocess.prompt import normalise_prompt
from services.preprocess.spool import Spool, check_announced


class Probing:
    """One call. Its methods block: an upload's bytes go to disk, and the input is opened and decoded."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._input: Input | None = None
        self._spool: Spool | None = None

    def take(self, request: ProbeRequest) -> None:
        """The next message. InvalidArgument: not an input first, or not bytes after an upload. TooLarge,
        ResourceExhausted: more bytes than are taken."""
        kind = request.WhichOneof("message")
        if self._input is None:
            if kind != "input":
                raise InvalidArgument("the first message is no input; send an Input first", field="input")
            self._begin(request.input)
        elif kind != "data" or self._spool is None:
            raise InvalidArgument(
                f"{kind or 'nothing'} came after the input; expected the bytes of an upload only",
                field=kind or "",
            )
        else:
            self._spool.append(request.data)

    def answer(self) -> ProbeResponse:
        """When all has come. Raises what a stream would raise at its start."""
        if self._input is None:
            raise InvalidArgument("nothing was sent; send an Input first", field="input")
        if self._input.WhichOneof("source") == "text":
            return describe_text(normalise_prompt(self._input.text))
        opened = self._open(self._input)
        try:
            return describe(opened, self._settings)
        finally:
            opened.close()

    def close(self) -> None:
        """Frees the disk."""
        if self._spool is not None:
            self._spool.close()

    def _begin(self, given: Input) -> None:
        source = given.WhichOneof("source")
        if source is None:
            raise InvalidArgument("the input is empty; expected upload, url or text", field="input")
        if source == "upload":
            check_announced(given.upload.size_bytes, self._settings)
            self._spool = Spool(self._settings)
        self._input = given

    def _open(self, given: Input) -> OpenInput:
        if self._spool is not None:
            return open_bytes(self._spool.reader(), given.upload.name, self._settings)
        return open_named(given.url, self._settings, live=False)
