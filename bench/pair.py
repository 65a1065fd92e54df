"""Runs a producer and a consumer, each a process of its own, and gives what their hop cost."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from importlib import import_module
from typing import Any

from bench.load import Meter, Work
from bench.processes import PairFailed, Started, started
from bench.report import percentile
from bench.table import Sample

EXTRA_S = 60.0  # for processes to start and to end


@dataclass(frozen=True)
class Contender:
    """One way to carry frames: a file of ``bench.peers``. ``place``: where its pixels must lie."""

    peer: str
    place: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Its row."""
        own = str(import_module(f"bench.peers.{self.peer}").NAME)
        return f"{own}, {self.place}" if self.place else own

    @property
    def missing(self) -> str:
        """The module that cannot be imported; empty where all can."""
        try:
            for name in import_module(f"bench.peers.{self.peer}").NEEDS:
                import_module(name)
        except ImportError as error:
            return str(error)
        return ""

    def can(self, work: Work) -> bool:
        """False for an echo where it has no way back."""
        return not work.echo or bool(import_module(f"bench.peers.{self.peer}").ECHOES)


def run_pair(contender: Contender, work: Work) -> Sample:
    """One run. PairFailed where it gave no honest figure."""
    text = json.dumps(asdict(work))
    with ExitStack() as stack:

        def start(*arguments: str) -> Started:
            side = started(
                "bench.side",
                *arguments,
                environment=contender.environment,
                within_s=work.seconds + EXTRA_S,
            )
            return stack.enter_context(side)

        if not hasattr(import_module(f"bench.peers.{contender.peer}"), "consume"):
            sent = start("produce", contender.peer, text).line()
            return _sample(contender, sent, sent)
        consumer = start("consume", contender.peer, text)
        address = consumer.line()["address"]
        sent = start("produce", contender.peer, text, address, str(consumer.pid)).line()
        return _sample(contender, sent, sent if work.echo else consumer.line())


def _sample(contender: Contender, sent: Mapping[str, Any], took: Mapping[str, Any]) -> Sample:
    if contender.place and sent["place"] != contender.place:
        raise PairFailed(f"pixels lay {sent['place']}")
    if len(took["took_ns"]) != sent["sent"]:
        raise PairFailed(f"{sent['sent']} frames sent, {len(took['took_ns'])} came")
    if not sent["frames"]:
        raise PairFailed("no frame in the measured window")
    meter = Meter([(int(at), int(age)) for at, age in took["took_ns"]])
    ages = meter.ages_ms(sent["from_ns"], sent["to_ns"])
    return Sample(
        fps=sent["frames"] / (sent["to_ns"] - sent["from_ns"]) * 1e9,
        cpu_ms=sent["cpu_s"] / sent["frames"] * 1e3,
        p50_ms=percentile(ages, 50),
        p99_ms=percentile(ages, 99),
    )
