"""``python -m services.preprocess``"""

from __future__ import annotations

import sys

from reelwire.server import Service, UnaryCall, main
from reelwire.settings import Settings
from reelwire.stage import StageFactory
from reelwire.v1.pipeline_pb2 import ProbeRequest, ProbeResponse
from services.preprocess.probe import Prober
from services.preprocess.stage import PreprocessFactory


def _calls(factory: StageFactory, settings: Settings) -> tuple[UnaryCall, ...]:
    del factory
    return (UnaryCall("Probe", ProbeRequest, ProbeResponse, Prober(settings), streams_in=True),)


SERVICE = Service(PreprocessFactory, _calls)

if __name__ == "__main__":
    sys.exit(main(SERVICE))
