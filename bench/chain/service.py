"""Stages of the chain as services of one process: ``python -m bench.chain.service STAGE …``."""

from __future__ import annotations

import sys
from functools import partial

from bench.chain.stages import ChainFactory
from reelwire.server import Service, main
from reelwire.settings import Settings


def _factory(name: str, settings: Settings) -> ChainFactory:
    del settings
    return ChainFactory(name)


if __name__ == "__main__":
    sys.exit(main(*(Service(partial(_factory, name)) for name in sys.argv[1:])))
