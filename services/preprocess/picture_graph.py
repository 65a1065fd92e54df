"""One libavfilter graph for each kind of picture that comes: upright, scaled, cut or padded, SDR BT.709."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import av
import numpy as np

from reelwire.errors import BadParameter, Unimplemented
from reelwire.media import PixelLayout, Pixels
from reelwire.pixels import FFMPEG_NAME, convert
from services.preprocess.colour import Colour, colour_of, has_alpha
from services.preprocess.display import UPRIGHT, Turn, turn_of
from services.preprocess.geometry import Geometry, Shape, plan

SCALE_FLAGS = "bicubic+accurate_rnd+full_chroma_int"  # the same bytes with and without SIMD
BLACK = (0, 0, 0)
_BT709 = 1
Rgb = tuple[int, int, int]


def read_background(text: str) -> Rgb:
    """ "#rrggbb" → three of 0 to 255; empty: black. BadParameter: anything else."""
    if not text:
        return BLACK
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", text):
        raise BadParameter(
            f'preprocess.background is "{text}"; expected #rrggbb such as #00ff00', field="background"
        )
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


@dataclass(frozen=True)
class Target:
    """What all pictures of a track are brought to. ``background`` lies under transparency and in bars."""

    width: int
    height: int
    layout: PixelLayout
    shape: Shape
    background: Rgb = BLACK


@dataclass(frozen=True)
class Kind:
    """What a graph is made for: everything of a decoded picture that is not its pixels and its pts."""

    width: int
    height: int
    format: str
    alpha: bool
    colour: Colour
    turn: Turn

    @property
    def upright_size(self) -> tuple[int, int]:
        """Width and height as shown."""
        return (self.height, self.width) if self.turn.swaps else (self.width, self.height)


def kind_of(frame: Any) -> Kind:
    """Of a decoded ``av.VideoFrame``."""
    return Kind(
        frame.width,
        frame.height,
        frame.format.name,
        has_alpha(frame.format),
        colour_of(frame),
        turn_of(frame),
    )


class PictureGraph:
    """Pictures of one kind → arrays of one format."""

    def __init__(self, kind: Kind, target: Target) -> None:
        self._kind = kind
        self._target = target
        self._geometry = _geometry(kind, target)
        self._as_it_is = _nothing_to_do(kind, target, self._geometry)
        self._graph = None if self._as_it_is else self._build()

    def run(self, frame: Any) -> Pixels:
        """One ``av.VideoFrame`` → its array, ``target``'s size and layout."""
        if self._graph is not None:
            frame.colorspace = self._kind.colour.matrix
            frame.color_range = 2 if self._kind.colour.full else 1
            self._graph.push(frame)
            frame = self._graph.pull()
        pixels = np.asarray(frame.to_ndarray(), dtype=np.uint8)
        return self._over_background(pixels) if self._kind.alpha else pixels

    def _over_background(self, rgba: Pixels) -> Pixels:
        """Colours are multiplied by alpha already: what is missing to 255 is background."""
        through = 255 - rgba[..., 3:].astype(np.uint16)  # (H, W, 1)
        ground = np.array(self._target.background, np.uint16)
        lit = rgba[..., :3] + (through * ground + 127) // 255
        rgb = np.minimum(lit, 255).astype(np.uint8)
        return convert(rgb, PixelLayout.RGB24, self._target.layout)

    def _build(self) -> Any:
        kind, graph = self._kind, av.filter.Graph()
        graph.threads = 1
        chain = [
            graph.add(
                "buffer",
                f"video_size={kind.width}x{kind.height}:pix_fmt={kind.format}:time_base=1/1000000:"
                f"pixel_aspect=1/1:colorspace={kind.colour.matrix}:range={2 if kind.colour.full else 1}",
            )
        ]
        chain += [graph.add(name, value or None) for name, value in kind.turn.filters]
        if kind.alpha:
            chain += [graph.add("format", "gbrap"), graph.add("premultiply", "inplace=1")]
        chain += [graph.add(name, value) for name, value in self._sizing()]
        chain.append(graph.add("buffersink"))
        graph.link_nodes(*chain)
        graph.configure()
        return graph

    def _sizing(self) -> list[tuple[str, str]]:
        geometry, colour = self._geometry, self._kind.colour
        yuv = self._target.layout is PixelLayout.I420 and not self._kind.alpha
        scale = (
            f"w={geometry.inner_width}:h={geometry.inner_height}:flags={SCALE_FLAGS}:"
            f"out_color_matrix=bt709:out_range={'limited' if yuv else 'full'}"
        )
        if colour.maps_tones:
            scale += ":out_transfer=bt709:out_primaries=bt709"
        name = "rgba" if self._kind.alpha else FFMPEG_NAME[self._target.layout]
        filters = [("scale", scale), ("format", name)]
        place = f"w={geometry.width}:h={geometry.height}:x={geometry.x}:y={geometry.y}"
        if geometry.crops:
            filters.append(("crop", f"{place}:exact=1"))
        if geometry.pads:
            filters.append(("pad", f"{place}:color={self._bar_colour()}"))
        return filters

    def _bar_colour(self) -> str:
        """Nothing where the background comes through alpha anyway."""
        return "black@0" if self._kind.alpha else "0x{:02x}{:02x}{:02x}".format(*self._target.background)


class PictureGraphs:
    """The graph of the kind that comes now; kept until another kind comes."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._kind: Kind | None = None
        self._graph: PictureGraph | None = None

    def run(self, frame: Any) -> Pixels:
        """One ``av.VideoFrame`` → its array. Unimplemented: a format that FFmpeg has no way from."""
        kind = kind_of(frame)
        try:
            if self._graph is None or kind != self._kind:
                self._kind, self._graph = kind, PictureGraph(kind, self.target)
            return self._graph.run(frame)
        except av.FFmpegError as error:
            raise Unimplemented(
                f"pictures of format {kind.format}, {kind.width}x{kind.height}, cannot be converted here: "
                f"{error.strerror}; convert them to yuv420p first",
                field="input",
            ) from None


def _geometry(kind: Kind, target: Target) -> Geometry:
    """A picture of another size than the first is brought to the first one's, in the way asked for."""
    width, height = kind.upright_size
    asked = plan(width, height, target.shape)
    if (asked.width, asked.height) == (target.width, target.height):
        return asked
    return plan(width, height, Shape(target.width, target.height, target.shape.fit))


def _nothing_to_do(kind: Kind, target: Target, geometry: Geometry) -> bool:
    same_size = (kind.width, kind.height) == (geometry.inner_width, geometry.inner_height)
    if not same_size or geometry.crops or geometry.pads or kind.turn != UPRIGHT or kind.colour.maps_tones:
        return False
    if kind.format != FFMPEG_NAME[target.layout]:
        return False
    return target.layout is PixelLayout.RGB24 or (kind.colour.matrix == _BT709 and not kind.colour.full)
