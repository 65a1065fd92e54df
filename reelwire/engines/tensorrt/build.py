"""An ONNX file → a plan, by TensorRT's builder. Takes from a second to many minutes, and all of a GPU: a
service does it in a process of its own, see ``builder_process``.

Networks are strongly typed: what is computed in what precision stands in the ONNX file. TF32, which rounds
float32 to ten bits of mantissa, is off, so that "fp32" is true.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reelwire.cache import write_whole
from reelwire.engines.backend import ShapeProfile
from reelwire.engines.tensorrt.messages import (
    LogRow,
    build_error,
    parse_error,
    parser_faults,
    profile_warning,
    tensorrt_log,
)
from reelwire.engines.tensorrt.profiles import (
    check_profiles,
    check_shapes_solve,
    graph_inputs,
    read_without_weights,
)
from reelwire.engines.tensorrt.progress import OnProgress, Progress, progress_monitor
from reelwire.errors import InputNotFound, ProfileInvalid, ReelwireError

log = logging.getLogger(__name__)

MAX_TIMING_BYTES = 256 << 20
"""A larger timing cache is started anew."""
ACTIVATION = re.compile(r"Total Activation Memory: (\d+) bytes")


@dataclass(frozen=True, slots=True)
class BuildOrder:
    """What to build. ``timing_cache``: file of measured kernels that is read and written; None: none, as for
    TensorRT for RTX, which measures where it runs. ``described``: the plan tells its layers' types to an
    inspector."""

    graph: Path
    profiles: tuple[ShapeProfile, ...] = ()
    timing_cache: Path | None = None
    described: bool = False


@dataclass(frozen=True, slots=True)
class Built:
    """``activation_bytes``: device memory of one context by the library's estimate; the largest profile's."""

    plan: bytes
    activation_bytes: int
    seconds: float


def build_plan(trt: Any, order: BuildOrder, on_progress: OnProgress | None = None) -> Built:
    """``trt``: ``tensorrt``, ``tensorrt_rtx`` or something with their names. Blocks without the interpreter's
    lock. What ``on_progress`` raises ends the build and is raised again.

    InputNotFound: no such file. OperatorUnsupported: the parser refused a node. ProfileInvalid: profiles
    contradict the graph or each other, though the library only warns.
    ModelUnusable, DeviceMissing: the builder failed.
    """
    start = time.perf_counter()
    tell = on_progress or _nobody
    tell(Progress(0.0, "Checking shape profiles"))
    if not order.graph.is_file():
        raise InputNotFound(f"no model file {order.graph}")
    graph = read_without_weights(order.graph)
    check_profiles(graph_inputs(graph), order.profiles)
    keeper = tensorrt_log(trt)
    builder = trt.Builder(keeper)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    tell(Progress(0.0, "Parsing"))
    parser = trt.OnnxParser(network, keeper)
    if not parser.parse_from_file(str(order.graph)):
        raise parse_error(parser_faults(parser))
    # After the parser, which names the node where an operator is unknown; before the builder.
    check_shapes_solve(graph, order.profiles)
    config = _config(trt, builder, order, keeper.rows)
    timing = _read_timing(config, order.timing_cache)
    monitor = progress_monitor(trt, tell)
    config.progress_monitor = monitor
    plan = builder.build_serialized_network(network, config)
    if monitor.problem is not None:
        raise monitor.problem
    if plan is None:
        raise build_error(keeper.rows)
    if (warned := profile_warning(keeper.rows)) is not None:
        raise warned
    if timing and order.timing_cache is not None:
        write_whole(order.timing_cache, bytes(config.get_timing_cache().serialize()))
    tell(Progress(1.0, "Built"))
    return Built(bytes(plan), _activation_bytes(keeper.rows), time.perf_counter() - start)


def timing_cache_file(folder: Path, backend: str, capability: str, version: str) -> Path | None:
    """Beside the plans, one for each GPU architecture and version of the library; None where the library has
    none that does anything."""
    return folder / f"timing-{capability}-{version}.bin" if backend == "tensorrt" else None


def _config(trt: Any, builder: Any, order: BuildOrder, rows: Iterable[LogRow]) -> Any:
    config = builder.create_builder_config()
    config.clear_flag(trt.BuilderFlag.TF32)
    if order.described:
        config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    for profile in order.profiles:
        _add_profile(builder, config, profile, rows)
    return config


def _add_profile(builder: Any, config: Any, profile: ShapeProfile, rows: Iterable[LogRow]) -> None:
    if not profile.inputs:
        return
    made = builder.create_optimization_profile()
    for name, shapes in profile.inputs.items():
        made.set_shape(name, *shapes)
    if config.add_optimization_profile(made) < 0:
        told: ReelwireError = build_error(tuple(rows))
        raise ProfileInvalid(f'shape profile "{profile.name}": {told.message}', field=told.field)


def _read_timing(config: Any, path: Path | None) -> bool:
    """Gives the builder what was measured before; True: it measures into a cache that can be kept."""
    if path is None:
        return False
    known = b""
    if path.is_file() and path.stat().st_size <= MAX_TIMING_BYTES:
        known = path.read_bytes()
    for data in dict.fromkeys((known, b"")):
        cache = config.create_timing_cache(data)
        if cache is not None and config.set_timing_cache(cache, False):
            return True
        log.warning("the timing cache %s does not fit this library and is started anew", path)
    return False


def _activation_bytes(rows: Iterable[LogRow]) -> int:
    found: Sequence[int] = [int(match[1]) for row in rows if (match := ACTIVATION.search(row.text))]
    return max(found, default=0)


def _nobody(progress: Progress) -> None:
    """Nobody listens."""
