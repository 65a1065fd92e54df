"""How a picture is brought to another size. Pure arithmetic on pixels."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from reelwire.errors import BadParameter
from reelwire.v1.config_pb2 import Fit, PreprocessConfig

MAX_SIDE_PIXELS = 8192


@dataclass(frozen=True)
class Shape:
    """What was asked for: pixels, 0 where left open."""

    width: int = 0
    height: int = 0
    fit: int = Fit.FIT_UNSPECIFIED


@dataclass(frozen=True)
class Geometry:
    """Scale to ``inner_*``, cut ``width`` x ``height`` out of it or lay it on a ground of that size, at
    (``x``, ``y``)."""

    inner_width: int
    inner_height: int
    width: int
    height: int
    x: int = 0
    y: int = 0

    @property
    def crops(self) -> bool:
        """Something hangs out."""
        return self.inner_width > self.width or self.inner_height > self.height

    @property
    def pads(self) -> bool:
        """Something is left over."""
        return self.inner_width < self.width or self.inner_height < self.height


def read_shape(config: PreprocessConfig) -> Shape:
    """BadParameter: a size or fit that cannot be."""
    for name in ("width", "height"):
        value = getattr(config, name)
        if not 0 <= value <= MAX_SIDE_PIXELS:
            raise BadParameter(
                f"preprocess.{name} is {value}; expected 1 to {MAX_SIDE_PIXELS}, or 0 for the input's own",
                field=name,
            )
    if config.fit not in Fit.values():
        raise BadParameter(
            f"preprocess.fit {config.fit} is unknown; expected SCALE, PAD or CROP", field="fit"
        )
    return Shape(config.width, config.height, config.fit)


def plan(width: int, height: int, shape: Shape) -> Geometry:
    """For an upright picture of ``width`` x ``height``. A side that is left open follows the aspect ratio, to
    the nearest even number. What is padded or cut is split evenly, on even offsets where chroma demands it.
    """
    if not shape.width and not shape.height:
        return Geometry(width, height, width, height)
    to_width = shape.width or nearest_even(Fraction(shape.height * width, height))
    to_height = shape.height or nearest_even(Fraction(shape.width * height, width))
    one_side = not (shape.width and shape.height)
    if one_side or shape.fit == Fit.FIT_SCALE:
        return Geometry(to_width, to_height, to_width, to_height)
    ratios = Fraction(to_width, width), Fraction(to_height, height)
    scale = max(ratios) if shape.fit == Fit.FIT_CROP else min(ratios)
    inner_width = _inner(width * scale, to_width)
    inner_height = _inner(height * scale, to_height)
    x, y = _offset(to_width - inner_width), _offset(to_height - inner_height)
    return Geometry(inner_width, inner_height, to_width, to_height, x, y)


def nearest_even(size: Fraction) -> int:
    """At least 2, at most MAX_SIDE_PIXELS."""
    return min(MAX_SIDE_PIXELS, max(2, 2 * round(size / 2)))


def _inner(size: Fraction, target: int) -> int:
    """Even where it differs from the target, so that chroma planes meet the edge."""
    return target if round(size) == target else max(2, 2 * round(size / 2))


def _offset(spare: int) -> int:
    """Half of what is spare, without its sign, even."""
    return abs(spare) // 2 // 2 * 2
