"""One end of a measured hop, as a process of its own; started by ``bench.pair``.

    python -m bench.side consume PEER WORK
    python -m bench.side produce PEER WORK ADDRESS PID

Ends with its standard input, so that none stays behind.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from importlib import import_module

from bench.load import Load, Meter, Work, print_address


def end_with_stdin() -> None:
    """Whoever started this process holds the other end."""

    def wait() -> None:
        while os.read(sys.stdin.fileno(), 1):  # not sys.stdin, whose lock would be held when Python ends
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()


def main(side: str, peer: str, work_text: str, address: str = "", pid: str = "") -> None:
    """Runs it and prints what was measured, a line of JSON."""
    work, module, meter = Work(**json.loads(work_text)), import_module(f"bench.peers.{peer}"), Meter()
    end_with_stdin()
    if side == "consume":
        module.consume(work, meter, print_address)
        return
    load = Load(work, [os.getpid(), *([int(pid)] if pid else [])])
    place = module.produce(work, load, meter, address)
    print(json.dumps({**load.as_dict(), "took_ns": meter.took_ns, "place": place}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
