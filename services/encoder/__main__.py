"""``python -m services.encoder``"""

from __future__ import annotations

import sys

from reelwire.server import Service, UnaryCall, main
from reelwire.settings import Settings
from reelwire.stage import StageFactory
from reelwire.v1.pipeline_pb2 import ListFormatsRequest, ListFormatsResponse
from services.encoder.listing import list_formats
from services.encoder.stage import EncoderFactory


def _calls(factory: StageFactory, settings: Settings) -> tuple[UnaryCall, ...]:
    del factory
    threads = settings.codec_threads
    return (
        UnaryCall(
            "ListFormats", ListFormatsRequest, ListFormatsResponse, lambda request: list_formats(threads)
        ),
    )


SERVICE = Service(EncoderFactory, _calls)

if __name__ == "__main__":
    sys.exit(main(SERVICE))
