"""A libavfilter graph that gives one RGB picture for each that it takes, at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import av
import av.filter
import numpy as np

from reelwire.errors import Internal
from reelwire.media import PixelLayout, Pixels
from reelwire.pixels import to_video_frame

Filters = Sequence[tuple[str, Mapping[str, str]]]


class PictureGraph:
    """Filters in a row, with options given as they are: nothing is parsed or escaped."""

    def __init__(self, size: tuple[int, int], filters: Filters) -> None:
        """``size``: width and height. av.FFmpegError: a filter that cannot be opened."""
        graph = av.filter.Graph()
        graph.threads = 1
        width, height = size
        last = graph.add("buffer", video_size=f"{width}x{height}", pix_fmt="rgb24", time_base="1/25")
        for name, options in filters:
            following = graph.add(name, **options)
            last.link_to(following)
            last = following
        for name, options in (("format", {"pix_fmts": "rgb24"}), ("buffersink", {})):
            following = graph.add(name, **options)
            last.link_to(following)
            last = following
        graph.configure()
        self._graph = graph
        self._count = 0

    def run(self, rgb: Pixels) -> Pixels:
        """(H, W, 3) uint8 RGB in, the same out."""
        frame = to_video_frame(rgb, PixelLayout.RGB24)
        frame.pts = self._count
        self._count += 1
        self._graph.vpush(frame)
        made = self._graph.vpull()
        if not isinstance(made, av.VideoFrame):
            raise Internal("a filter gave no picture")
        return np.asarray(made.to_ndarray(), np.uint8)
