"""Any chain of libavfilter filters, in its own syntax."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from reelwire.errors import BadParameter
from reelwire.media import Dropped, DropReason, Pixels
from services.editor.allowed_filters import SIZING, allowed_filters, check_node
from services.editor.effect import Frame, Output, Place, StreamEffect
from services.editor.graph import FilterGraph
from services.editor.graph_text import Node, parse_graph, wrong
from services.editor.params import string

MAX_FILTERS = 32
MAX_HOLD_FRAMES = 64
GRAY = 128


@dataclass(frozen=True, slots=True)
class Params:
    """One graph with one way in and one way out."""

    graph: str = string(
        None,
        4000,
        'Filters as for "ffmpeg -vf", such as "hue=s=0,vignette": those that give one picture for each that '
        f"they take and touch no file. This build has: {' '.join(allowed_filters())}.",
    )


@dataclass(frozen=True, slots=True)
class Plan:
    """A graph that was tried once: the size that comes out (width, height), and how many frames it holds."""

    nodes: tuple[Node, ...]
    size: tuple[int, int]
    hold_frames: int


class Effect(StreamEffect[Params, Plan]):
    """A change of the graph gives out what the old one holds, then goes on with a new one."""

    resumable = False  # what a filter remembers cannot be saved

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._plan: Plan | None = None
        self._graph: FilterGraph | None = None
        self._waiting: deque[Frame] = deque()

    def prepare(self, params: Params) -> Plan:
        """Reads the graph and runs it once on gray. BadParameter: a filter that may not be used, what
        libavfilter refuses, or a graph that does not give one picture for each."""
        nodes = parse_graph(params.graph, MAX_FILTERS)
        for node in nodes:
            check_node(node)
        return _tried(nodes, self.place)

    def size(self, ready: Plan) -> tuple[int, int]:
        """As the graph gives it."""
        return ready.size

    def hold_frames(self, ready: Plan) -> int:
        """As it was when the graph was tried."""
        return ready.hold_frames

    def feed(self, frame: Frame, ready: Plan) -> Iterable[Output]:
        """What the graph gives."""
        if self._plan != ready:
            yield from self.flush()
            self._plan, self._graph = ready, _open(ready.nodes, self.place)
        assert self._graph is not None
        # Without its pixels: libavfilter has a copy of them.
        self._waiting.append(frame.showing(np.empty((0, 0, 3), np.uint8)))
        yield from self._matched(self._graph.push(frame.pts, frame.pixels), ready)

    def flush(self) -> Iterable[Output]:
        """What the graph holds; frames that it has lost have failed."""
        if self._graph is None or self._plan is None:
            return
        yield from self._matched(self._graph.flush(), self._plan)
        while self._waiting:
            yield _lost(self._waiting.popleft())
        self._graph = self._plan = None

    def close(self) -> None:
        """Frees the graph."""
        self._graph = None

    def _matched(self, made: Iterable[tuple[int, Pixels]], plan: Plan) -> Iterator[Output]:
        """Each picture with the frame that it belongs to."""
        for pts, rgb in made:
            while self._waiting and self._waiting[0].pts < pts:
                yield _lost(self._waiting.popleft())
            if not self._waiting or self._waiting[0].pts != pts:
                raise wrong(f"a filter gave a picture for pts {pts}, where none came")
            if rgb.shape[1::-1] != plan.size:
                raise wrong(f"a filter gave {rgb.shape[1]}x{rgb.shape[0]}; expected {plan.size} all through")
            yield self._waiting.popleft().showing(rgb)


def _lost(frame: Frame) -> Dropped:
    return Dropped(1, DropReason.ERROR, frame.pts, frame.pts)


def _open(nodes: Iterable[Node], place: Place) -> FilterGraph:
    return FilterGraph(list(nodes), place.size, place.video.time_base, SIZING)


def _tried(nodes: list[Node], place: Place) -> Plan:
    """Runs frames through until the first comes out, two more, and the end."""
    graph = _open(nodes, place)
    gray = np.full((place.video.height, place.video.width, 3), GRAY, np.uint8)
    made: list[tuple[int, tuple[int, ...]]] = []
    pushed, hold, more = 0, 0, 2
    while more:
        made += [(pts, rgb.shape) for pts, rgb in graph.push(pushed, gray)]
        pushed += 1
        hold = max(hold, pushed - len(made))
        more -= bool(made)
        if hold > MAX_HOLD_FRAMES:
            raise wrong(f"it holds more than {MAX_HOLD_FRAMES} frames")
    made += [(pts, rgb.shape) for pts, rgb in graph.flush()]
    if [pts for pts, _ in made] != list(range(pushed)):
        raise BadParameter(
            f"graph: {pushed} frames went in and {len(made)} came out; expected one for each, in their order",
            field="graph",
        )
    height, width = made[0][1][:2]
    return Plan(tuple(nodes), (width, height), hold)
