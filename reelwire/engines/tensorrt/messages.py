"""What TensorRT says, and what a caller is told: raw failures → ``reelwire.errors``.

Pure functions over log rows and parser errors. Most texts are those that TensorRT for RTX 1.7 and the lean
runtime of TensorRT 11.4 were seen to write without a GPU; what only happens on one (memory, another GPU's
plans) is from NVIDIA's documents and reports, and not yet seen. Each has a test with the original.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from reelwire.errors import (
    DeviceMissing,
    ModelUnusable,
    OperatorUnsupported,
    PlanStale,
    ProfileInvalid,
    ReelwireError,
)

MAX_ROWS = 4096
"""Of one log; the oldest go first."""
MAX_TEXT = 300
FAILED = frozenset({"ERROR", "INTERNAL_ERROR"})
LEFT_OUT = frozenset({"VERBOSE"})
NO_DRIVER = "no NVIDIA driver visible; fix: start the container with --gpus all, or install the driver"
DRIVER_TEXT = re.compile(
    r"cudaError(?:_t)?\s*(?:35|100)\b|CUDA initialization failure with error: (?:35|100)\b"
)
MEMORY_TEXT = re.compile(r"cudaError(?:_t)?\s*2\b|out of memory|OutOfMemory", re.IGNORECASE)
OPERATOR_CODES = ("UNSUPPORTED_", "INVALID_NODE")
TENSOR_OF_PROFILE = (
    re.compile(r"Dynamic input tensor (?P<tensor>\S+) is missing dimensions in profile \d+"),
    re.compile(
        r"Dimension mismatch for tensor (?P<tensor>\S+) and profile \d+\..*?but tensor has -?\d+", re.DOTALL
    ),
    re.compile(r"Invalid optimization profiles for input tensors? (?P<tensor>[^,\s]+).*?MIN<=OPT<=MAX"),
    re.compile(r"k(?:MIN|OPT|MAX) values for profile \d+ violate shape constraints: (?P<tensor>[^:\s]+):.*"),
    re.compile(r"no optimization profile has been defined(?P<tensor>)"),
    re.compile(r".*not self-consistent(?P<tensor>).*", re.DOTALL),
)
"""Whole sentence, and the tensor or node that it names."""
NO_KERNEL = (
    re.compile(r"Could not find any implementation for node (?P<node>[^.\s]+)"),
    re.compile(r"(?P<node>\w+) operation was not supported by a dedicated kernel"),
)
STALE_TEXT = re.compile(
    r"magicTag|Serialization assertion|incompatible serialization version|created with .*?\d+\.\d+|"
    r"compute capability|different (?:platform|device|GPU)|plan\.header|version compatib|"
    r"Version tag does not match|corrupt",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class LogRow:
    """One line of the library's log. ``severity``: "INTERNAL_ERROR", "ERROR", "WARNING" or "INFO"."""

    severity: str
    text: str


@dataclass(frozen=True, slots=True)
class ParserFault:
    """One error of the ONNX parser. ``code``: the name in the library's ``ErrorCode``; ``node`` and
    ``operator`` may be empty."""

    code: str
    text: str
    node: str = ""
    operator: str = ""


class TensorRtLog(Protocol):
    """What ``tensorrt_log`` makes; it is an ``ILogger`` too."""

    rows: deque[LogRow]


def tensorrt_log(trt: Any) -> TensorRtLog:
    """A logger over the library's own class that keeps rows instead of printing them. It must outlive every
    object that was made with it. ``trt``: ``tensorrt``, ``tensorrt_rtx`` or something with their names."""

    class Log(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.rows: deque[LogRow] = deque(maxlen=MAX_ROWS)

        def log(self, severity: Any, msg: str) -> None:
            name = getattr(severity, "name", str(severity))
            if name not in LEFT_OUT:
                self.rows.append(LogRow(name, msg))

    made: TensorRtLog = Log()
    return made


def parser_faults(parser: Any) -> tuple[ParserFault, ...]:
    """Every error of an ``OnnxParser`` that refused a graph."""
    found = []
    for index in range(parser.num_errors):
        error = parser.get_error(index)
        code = error.code()
        found.append(
            ParserFault(
                getattr(code, "name", str(code)), error.desc(), error.node_name(), error.node_operator()
            )
        )
    return tuple(found)


def parse_error(faults: Sequence[ParserFault]) -> ReelwireError:
    """Why the parser refused a graph: OperatorUnsupported with the node's name, else ModelUnusable."""
    if not faults:
        return ModelUnusable(
            "TensorRT's parser refused the graph and did not say why; check it with onnx.checker"
        )
    unsupported = [fault for fault in faults if fault.code.startswith(OPERATOR_CODES)]
    fault = (unsupported or list(faults))[0]
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    reason = _short(_without_noise(fault.text))
    if unsupported:
        return OperatorUnsupported(
            f'TensorRT cannot run node "{fault.node or "?"}" ({fault.operator or "unknown operator"}): '
            f"{fault.code}: {reason}{more}; fix: export the model without it",
            field=fault.node,
        )
    where = f' at node "{fault.node}"' if fault.node else ""
    return ModelUnusable(f"TensorRT's parser refused the graph{where}: {fault.code}: {reason}{more}")


def build_error(rows: Sequence[LogRow]) -> ReelwireError:
    """Why no plan was built: ProfileInvalid with the tensor, OperatorUnsupported with the node, else
    ModelUnusable; DeviceMissing only where nothing else was wrong, since without a GPU each error drags a
    CUDA error behind it."""
    errors = _errors(rows)
    profile = _profile_problem(errors)
    if profile is not None:
        return profile
    for row in errors:
        for pattern in NO_KERNEL:
            if match := pattern.search(row.text):
                node = match["node"]
                return OperatorUnsupported(
                    f'TensorRT has no kernel for node "{node}": {_short(row.text)}; fix: export the model '
                    "without it",
                    field=node,
                )
    return _device_or(errors, "TensorRT cannot build a plan")


def profile_warning(rows: Sequence[LogRow]) -> ProfileInvalid | None:
    """Shape profiles that contradict each other at their least or largest sizes: TensorRT only warns of that
    where it says so at all, and builds a plan that fails later."""
    found = _profile_problem([row for row in rows if row.severity == "WARNING"])
    return found if isinstance(found, ProfileInvalid) else None


def plan_error(rows: Sequence[LogRow]) -> ReelwireError:
    """Why a plan was refused: PlanStale; DeviceMissing or ModelUnusable (memory) where nothing is wrong with
    the plan itself."""
    errors = _errors(rows)
    for row in errors:
        if STALE_TEXT.search(row.text):
            return _stale(_short(row.text))
    told = _device_or(errors, "TensorRT cannot load the plan") if errors else None
    if isinstance(told, DeviceMissing) or (told is not None and MEMORY_TEXT.search(told.message)):
        return told
    return _stale(_short(errors[0].text) if errors else "the library did not say why")


def _stale(why: str) -> PlanStale:
    return PlanStale(f"TensorRT refuses the plan: {why}; fix: build it again with reelwire export tensorrt")


def _profile_problem(rows: Sequence[LogRow]) -> ProfileInvalid | None:
    for row in rows:
        for pattern in TENSOR_OF_PROFILE:
            if match := pattern.search(row.text):
                tensor = match["tensor"] or ""
                named = f' of "{tensor}"' if tensor else ""
                return ProfileInvalid(
                    f"shape profiles{named} contradict the graph: {_short(match[0])}; fix: correct "
                    "[[profiles]] in model.toml",
                    field=tensor,
                )
    return None


def _device_or(errors: Sequence[LogRow], what: str) -> ReelwireError:
    """The first error that is not a missing driver's; DeviceMissing where there is none other."""
    others = [row for row in errors if not DRIVER_TEXT.search(row.text)]
    if not others and errors:
        return DeviceMissing(f"{what}: {NO_DRIVER}", field="backend")
    said = " ".join(row.text for row in others)
    if MEMORY_TEXT.search(said):
        return ModelUnusable(
            f"{what}: out of memory on the GPU: {_short(said)}; fix: smaller shape profiles or fewer streams"
        )
    return ModelUnusable(f"{what}: {_short(others[0].text) if others else 'the library did not say why'}")


def _errors(rows: Sequence[LogRow]) -> list[LogRow]:
    return [row for row in rows if row.severity in FAILED]


def _without_noise(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not DRIVER_TEXT.search(line)) or text


def _short(text: str) -> str:
    """One line without the library's source positions."""
    line = " ".join(text.split())
    line = re.sub(r"\s*\.?\s+In \S+(?: \S+)? at /_src/\S+", "", line)
    return line if len(line) <= MAX_TEXT else line[: MAX_TEXT - 1] + "…"
