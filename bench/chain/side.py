"""One side of the comparison as a process: ``python -m bench.chain.side NAME WITHIN_S``.

Starts what it needs and says so by a line; then takes a line of JSON for each window and answers with its
figures. Ends with its standard input.
"""

from __future__ import annotations

import json
import sys
from contextlib import AbstractContextManager
from dataclasses import asdict
from typing import Protocol

from bench.chain import limit, ours, stock
from bench.load import Work
from bench.table import Sample

LIMIT, STOCK = "limit", "stock"


class Side(Protocol):
    """Something that frames go through."""

    def run(self, work: Work, kind: str) -> Sample:
        """One window of ``kind``: writing or untouched."""


def running(name: str, within_s: float) -> AbstractContextManager[Side]:
    """``name``: limit, stock, or where pixels lie."""
    if name == LIMIT:
        return limit.running()
    return stock.running(within_s) if name == STOCK else ours.running(name, within_s)


def main(name: str, within_s: str) -> None:
    """Until standard input ends."""
    with running(name, float(within_s)) as side:
        print(json.dumps({"ready": name}), flush=True)
        for line in sys.stdin:
            asked = json.loads(line)
            print(json.dumps(asdict(side.run(Work(**asked["work"]), asked["kind"]))), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:3])
