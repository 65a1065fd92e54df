"""A libavfilter graph on RGB pictures, made of filters that were read or chosen before."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import av
import av.filter
import av.logging
import numpy as np

from reelwire.errors import BadParameter
from reelwire.media import Pixels
from reelwire.timeline import rescale
from services.editor.graph_text import Node, wrong

MAX_PIXELS = 7680 * 4320
_GUARD = f"if(lte(iw*ih,{MAX_PIXELS}),iw,-{MAX_PIXELS})"  # crop names the width that it refuses
_logging = threading.Lock()


class FilterGraph:
    """Takes pictures with their pts; gives pictures when the filters do."""

    def __init__(
        self, nodes: Sequence[Node], size: tuple[int, int], time_base: Fraction, sizing: frozenset[str]
    ) -> None:
        """``size``: width and height of what comes. ``sizing``: names of filters after which the picture's
        size is checked. BadParameter: libavfilter does not take it; with its words."""
        self._time_base = time_base
        self._sizing = sizing
        self._graph: Any = av.filter.Graph()
        self._graph.threads = 1  # streams share the cores, a filter does not take them
        with _libav_words():
            self._source = self._graph.add(
                "buffer",
                video_size=f"{size[0]}x{size[1]}",
                pix_fmt="rgb24",
                time_base=f"{time_base.numerator}/{time_base.denominator}",
            )
            end, pad = self._link(nodes)
            last = self._graph.add("format", pix_fmts="rgb24")
            self._sink = self._graph.add("buffersink")
            end.link_to(last, pad)
            last.link_to(self._sink)
            self._graph.configure()

    def push(self, pts: int, rgb: Pixels) -> list[tuple[int, Pixels]]:
        """Takes (H, W, 3) uint8 RGB, which is copied; gives what is ready, with pts. BadParameter: a filter
        failed."""
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
        frame.pts, frame.time_base = pts, self._time_base
        return self._run(frame)

    def flush(self) -> list[tuple[int, Pixels]]:
        """What is held; nothing can be pushed after it."""
        return self._run(None)

    def _run(self, frame: av.VideoFrame | None) -> list[tuple[int, Pixels]]:
        made: list[tuple[int, Pixels]] = []
        try:
            self._source.push(frame)
            while True:
                given: Any = self._sink.pull()
                pts = rescale(given.pts, Fraction(given.time_base), self._time_base)
                made.append((pts, np.asarray(given.to_ndarray(), np.uint8)))
        except (BlockingIOError, EOFError):
            return made
        except (av.FFmpegError, ValueError) as error:
            raise wrong(f"a filter failed: {error}") from None

    def _link(self, nodes: Sequence[Node]) -> tuple[Any, int]:
        """Adds and links all filters; gives the one open output: filter and pad."""
        source = (self._source, 0)
        named: dict[str, tuple[Any, int]] = {"in": source} if nodes[0].inputs else {}
        chain: list[tuple[Any, int]] = [] if nodes[0].inputs else [source]
        loose: list[tuple[Any, int]] = []
        for place, node in enumerate(nodes):
            if place and not node.follows:
                loose += chain
                chain = []
            came = [_take(named, label) for label in node.inputs] + chain
            chain = self._add(node, came)
            if len(node.outputs) > len(chain):
                raise wrong(f"{node.name} gives {len(chain)} outputs, and {len(node.outputs)} are named")
            for label in node.outputs:
                if label in named:
                    raise wrong(f"two outputs are named [{label}]")
                named[label] = chain.pop(0)
        ends = [*loose, *chain, *named.values()]
        if len(ends) != 1 or ends[0] is source:
            raise wrong(f"{len(ends)} ends are open; expected one way in and one way out")
        return ends[0]

    def _add(self, node: Node, came: Sequence[tuple[Any, int]]) -> list[tuple[Any, int]]:
        """One filter with what leads to it; gives its outputs."""
        context = self._graph.add(node.name, node.args or None)
        if len(came) != len(context.inputs):
            raise wrong(f"{node.name} takes {len(context.inputs)} inputs, and {len(came)} lead to it")
        for pad, (other, output) in enumerate(came):
            other.link_to(context, output, pad)
        outputs = [(context, pad) for pad in range(len(context.outputs))]
        if node.name not in self._sizing:
            return outputs
        return [self._guarded(*output) for output in outputs]

    def _guarded(self, context: Any, pad: int) -> tuple[Any, int]:
        """The same output, behind a filter that refuses pictures of more than MAX_PIXELS."""
        guard = self._graph.add("crop", w=_GUARD, h="ih", exact="1")
        context.link_to(guard, pad)
        return guard, 0


def lut3d(size: tuple[int, int], path: str) -> FilterGraph:
    """A graph that applies the .cube table of a file, which was checked. On planes: libavfilter has fast code
    for them only."""
    quoted = "\\'".join(f"'{part}'" for part in path.split("'"))
    nodes = [Node("format", "gbrp"), Node("lut3d", f"file={quoted}", follows=True)]
    return FilterGraph(nodes, size, Fraction(1, 25), frozenset())


def _take(open_outputs: dict[str, tuple[Any, int]], label: str) -> tuple[Any, int]:
    if label not in open_outputs:
        raise wrong(f"nothing before it is named [{label}]")
    return open_outputs.pop(label)


@contextmanager
def _libav_words() -> Iterator[None]:
    """libavfilter's errors as BadParameter, with what it logged. Its log is off at other times: it would come
    from threads of its own."""
    with _logging, av.logging.Capture(True) as lines:
        before = av.logging.get_level()
        av.logging.set_level(av.logging.ERROR)
        try:
            yield
        except (av.FFmpegError, ValueError) as error:
            said = "; ".join(f"{name}: {text.strip()}" for _, name, text in lines) or str(error)
            if f"'-{MAX_PIXELS}'" in said:
                said = f"it makes a picture of more than {MAX_PIXELS} pixels on the way"
            raise BadParameter(f"graph: {said}", field="graph") from None
        finally:
            av.logging.set_level(before)
