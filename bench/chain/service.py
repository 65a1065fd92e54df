"""One stage of the chain as a service: ``python -m bench.chain.service STAGE``; settings as for any."""

from __future__ import annotations

import sys

from bench.chain.stages import ChainFactory
from reelwire.server import Service, main

if __name__ == "__main__":
    name = sys.argv[1]
    sys.exit(main(Service(lambda settings: ChainFactory(name))))
