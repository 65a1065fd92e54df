"""The four services of the benchmark, each a process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from bench.overload.stream import Work
from bench.peers.ours import wait_until_serving
from bench.processes import started
from reelwire.cli.group import free_ports
from reelwire.hop.checks import STAGES

CLIENT = "client"


@dataclass(frozen=True)
class Running:
    """Where they listen, and process ids by name; this process, which is source and reader, among them."""

    addresses: dict[str, str]
    pids: dict[str, int]


@contextmanager
def running(work: Work, within_s: float) -> Iterator[Running]:
    """Serving; ended when the block is left, or after ``within_s``."""
    addresses = dict(zip(STAGES, (f"127.0.0.1:{port}" for port in free_ports(len(STAGES))), strict=True))
    pids = {CLIENT: os.getpid()}
    with ExitStack() as stack:
        for stage, address in addresses.items():
            environment = {
                "REELWIRE_PORT": address.partition(":")[2],
                "REELWIRE_LOG_LEVEL": "warning",
                "REELWIRE_DRAIN_S": "1",
                "REELWIRE_STOP_WITH_STDIN": "1",
                **{f"REELWIRE_{other.upper()}_ADDR": each for other, each in addresses.items()},
            }
            if stage == work.slow:
                command = ("bench.overload.busy", stage, str(work.work_ms))
            else:
                command = (f"services.{stage}",)
            service = started(*command, environment=environment, within_s=within_s)
            pids[stage] = stack.enter_context(service).pid
        for address in addresses.values():
            wait_until_serving(address)
        yield Running(addresses, pids)
