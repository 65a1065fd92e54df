"""Recurrent pairs: found by the names that exporters give them, and the shapes that they start with."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence

from reelwire.engines.backend import UNKNOWN, TensorSpec
from reelwire.models.pictures import FRAME_AXES, SIZE_AXES

# What marks the side of a pair: "h_in" and "h_out", "r1i" and "r1o", "past_k" and "present_k", "state" and
# "stateN". A pair shares what is left without the marks.
INPUT_ENDS = ("_in", ".in", "In", "_input", "_i", "i", "_prev", "_old", "_past", "_0", "0", "x")
INPUT_STARTS = ("in_", "input_", "prev_", "previous_", "past_", "old_", "last_", "init_", "initial_")
OUTPUT_ENDS = (
    "_out", ".out", "Out", "_output", "_o", "o", "_next", "next", "_new", "_present", "_n", "N", "n", "y",
)  # fmt: skip
OUTPUT_STARTS = ("out_", "output_", "next_", "new_", "present_", "updated_", "final_")
RATIOS = (1, 2, 4, 8, 16, 32)
MAX_FREE_STATES = 3
"""With more states of unknown size they are taken to have one size, so that the search stays short."""

Dims = tuple[int | str, ...]


def _stems(name: str, ends: Sequence[str], starts: Sequence[str]) -> set[str]:
    stems = {name}
    stems |= {name[: -len(end)] for end in ends if name.endswith(end)}
    stems |= {name[len(start) :] for start in starts if name.startswith(start)}
    return {stem for stem in stems if stem}


def may_pair(given: TensorSpec, got: TensorSpec) -> bool:
    """True where type, rank and known lengths agree and it is no scalar."""
    return (
        given.dtype == got.dtype
        and 0 < len(given.shape) == len(got.shape)
        and all(
            isinstance(a, str) or isinstance(b, str) or a == b
            for a, b in zip(given.shape, got.shape, strict=True)
        )
    )


def pair_by_name(
    inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]
) -> list[tuple[TensorSpec, TensorSpec]]:
    """Inputs with the output that goes back into them; the longest common part of the names wins."""
    found = []
    for given, got in itertools.product(inputs, outputs):
        common = _stems(given.name, INPUT_ENDS, INPUT_STARTS) & _stems(got.name, OUTPUT_ENDS, OUTPUT_STARTS)
        if common and may_pair(given, got):
            found.append((max(map(len, common)), given, got))
    pairs: dict[str, tuple[TensorSpec, TensorSpec]] = {}
    taken: set[str] = set()
    for _, given, got in sorted(found, key=lambda entry: -entry[0]):
        if given.name not in pairs and got.name not in taken:
            pairs[given.name] = (given, got)
            taken.add(got.name)
    return [pairs[given.name] for given in inputs if given.name in pairs]


def picture_symbols(picture: TensorSpec, layout: str) -> dict[str, str]:
    """The graph's names for the picture's lengths → "N", "H", "W"; "4*h4" for a height gives h4 = "H/4"."""
    rows, columns = SIZE_AXES[layout]
    named = {rows: "H", columns: "W"}
    if FRAME_AXES[layout] == 0 or layout[0] == "N":
        named[0] = "N"
    symbols: dict[str, str] = {}
    for axis, meaning in named.items():
        dim = picture.shape[axis]
        if not isinstance(dim, str) or dim == UNKNOWN:
            continue
        symbols[dim] = meaning
        product = re.fullmatch(r"(\d+)\*(\w+)|(\w+)\*(\d+)", dim.replace(" ", ""))
        if product:
            factor, symbol = product[1] or product[4], product[2] or product[3]
            symbols[symbol] = f"{meaning}/{factor}"
    return symbols


def start_shapes(
    states: Sequence[TensorSpec], layout: str, symbols: Mapping[str, str]
) -> Iterator[tuple[Dims, ...]]:
    """Shapes that the states may start with, the likeliest first: by the graph's names; as a fraction of the
    picture; as 1 x 1, which the graph spreads over the picture."""
    named = [_by_name(state.shape, symbols) for state in states]
    spatial = SIZE_AXES["NHWC"] if layout.endswith(("HWC", "HWK")) else SIZE_AXES["NCHW"]
    free = [
        place
        for place, dims in enumerate(named)
        if len(dims) == 4 and any(dims[axis] == UNKNOWN for axis in spatial)
    ]
    seen: set[tuple[Dims, ...]] = set()
    for ratios in _ratio_choices(len(free)):
        by_place = dict(zip(free, ratios, strict=True))
        shapes = tuple(_sized(dims, spatial, by_place.get(place, 0)) for place, dims in enumerate(named))
        if shapes not in seen:
            seen.add(shapes)
            yield shapes


def _ratio_choices(count: int) -> Iterator[tuple[int, ...]]:
    """One ratio for each state of unknown size: equal ones first, 0 (1 x 1) last."""
    for ratio in RATIOS:
        yield (ratio,) * count
    if 1 < count <= MAX_FREE_STATES:
        yield from itertools.product(RATIOS, repeat=count)
    yield (0,) * count


def _by_name(shape: Dims, symbols: Mapping[str, str]) -> Dims:
    return tuple(dim if isinstance(dim, int) else symbols.get(dim, UNKNOWN) for dim in shape)


def _sized(dims: Dims, spatial: tuple[int, int], ratio: int) -> Dims:
    """Unknown lengths: of the two spatial axes by the ratio, of all others 1."""
    meaning = dict(zip(spatial, ("H", "W"), strict=True)) if ratio else {}
    suffix = "" if ratio == 1 else f"/{ratio}"
    return tuple(
        dim if dim != UNKNOWN else (meaning[axis] + suffix if axis in meaning else 1)
        for axis, dim in enumerate(dims)
    )
