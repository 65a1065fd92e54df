"""``python -m services.preprocess``"""

from __future__ import annotations

import sys

from reelwire.server import Service, main
from services.preprocess.stage import PreprocessFactory

SERVICE = Service(PreprocessFactory)

if __name__ == "__main__":
    sys.exit(main(SERVICE))
