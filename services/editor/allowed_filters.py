"""Which libavfilter filters a caller may use: none that touches a file, a device or the network, and only
such as give one picture for each that they take."""

from __future__ import annotations

import re

import av.filter

from reelwire.choices import choose_from
from reelwire.errors import BadParameter
from services.editor.graph_text import Node, parse_options

_NAMES = """
    atadenoise avgblur bilateral blend bwdif cas chromahold chromakey chromanr chromashift
    colorbalance colorchannelmixer colorcontrast colorcorrect colorhold colorize colorkey
    colorlevels colormatrix colortemperature convolution copy crop curves dblur dctdnoiz deband
    deblock dedot deflate deflicker delogo despill dilation displace drawbox drawgrid edgedetect
    erosion exposure fftfilt fillborders format gblur geq gradfun grayworld guided haldclut hflip
    histogram hqx hstack hsvhold hsvkey hue huesaturation hysteresis il inflate kirsch lagfun
    lenscorrection limiter lumakey lut lut2 lutrgb lutyuv maskedclamp maskedmax maskedmerge
    maskedmin maskedthreshold maskfun median mix monochrome morpho multiply negate nlmeans noise
    normalize null oscilloscope overlay owdenoise pad pixelize prewitt pseudocolor
    removegrain rgbashift roberts rotate scale scroll selectivecolor shear shuffleplanes sobel split
    swaprect swapuv threshold tmidequalizer tmix transpose unsharp v360 vectorscope vflip
    vibrance vignette vstack waveform xbr xmedian xstack yadif yaepblur
"""
SIZING = frozenset(
    {"histogram", "hqx", "hstack", "pad", "rotate", "scale", "v360", "vstack", "xbr", "xstack"}
)
"""Those that can make a picture larger than what they take."""
_REFUSED = {
    "": {"threads", "thread_type", "extra_hw_frames"},
    "curves": {"psfile", "plot"},
    "selectivecolor": {"psfile"},
}
"""Options that name files, or take more of the machine than a stream's share; "": of every filter."""
_UNNAMED = {"curves": 1, "selectivecolor": 1, "v360": 3}
"""How many values without a name may be given, where an option that is refused or bounded could be reached
by its place."""
_AT_MOST = {
    ("tmix", "frames"): 32,
    ("split", "outputs"): 8,
    ("deflicker", "size"): 60,
    ("hstack", "inputs"): 32,
    ("vstack", "inputs"): 32,
    ("xstack", "inputs"): 32,
    ("mix", "inputs"): 32,
    ("v360", "w"): 4096,
    ("v360", "h"): 4096,
}
"""Whole numbers that decide how much memory is taken before any picture is checked; by name, or as the first
value where the filter is not in _UNNAMED."""
_LOOPS = re.compile(r"(while|taylor|root)\(")
"""libavutil's expressions that loop: "while" as long as it likes, the others to the thousandth power when
nested."""
_UNSEEN = re.compile(r"[\s\\']")  # what the expressions' parser skips, or an escape leaves


def allowed_filters() -> tuple[str, ...]:
    """Those that this build of FFmpeg has, sorted."""
    return tuple(sorted(set(_NAMES.split()) & av.filter.filters_available))


def check_node(node: Node) -> None:
    """BadParameter: a filter or an option that may not be used."""
    allowed = allowed_filters()
    if node.name not in allowed:
        raise BadParameter(choose_from("filter", node.name, allowed), field="graph")
    unnamed, named = parse_options(node.args)
    refused = _REFUSED[""] | _REFUSED.get(node.name, set())
    for option in named:
        if option in refused or option.startswith("/"):
            raise BadParameter(f'filter "{node.name}": option "{option}" may not be used', field="graph")
    for value in (*unnamed, *named.values()):
        loop = _LOOPS.search(_UNSEEN.sub("", value))
        if loop:
            raise BadParameter(f'filter "{node.name}": {loop[1]}() may not be used: it loops', field="graph")
    _check_counts(node, unnamed, named)


def _check_counts(node: Node, unnamed: list[str], named: dict[str, str]) -> None:
    """BadParameter: a bounded number above its bound, or where it could not be told."""
    most = _UNNAMED.get(node.name)
    if most is not None and len(unnamed) > most:
        raise BadParameter(
            f'filter "{node.name}": {len(unnamed)} values without a name; expected at most {most}, write '
            "the others as name=value",
            field="graph",
        )
    for (name, option), limit in _AT_MOST.items():
        if name == node.name:
            value = named.get(option, unnamed[0] if unnamed and most is None else "0")
            if not value.isdecimal() or int(value) > limit:
                raise BadParameter(
                    f'filter "{name}": {option} is {value!r}; expected a whole number of at most {limit}',
                    field="graph",
                )
