"""fp32 → int8, in the two forms that runtimes have kernels for, calibrated on real runs.

"s8s8": activations and weights signed and symmetric, weights per channel, biases left in fp32: what TensorRT
accepts; OpenVINO runs it as well. "u8s8": activations unsigned, biases in int32: what ONNX Runtime's CPU
kernels fuse. There weights keep to 7 bits, since CPUs without VNNI add two products in 16 bits and would
saturate: the result would depend on the processor.
"""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx
import onnxruntime
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from exporters.errors import ExportError
from exporters.order import sort_nodes
from reelwire.engines.backend import Array

FORMS = ("s8s8", "u8s8")
LAYERS = ("Conv", "ConvTranspose", "Gemm")
WARNINGS, ERRORS_ONLY = 2, 3  # ONNX Runtime's log levels
LEAST_OPSET = 17
"""Scales for each channel came with 13; older graphs are raised to this one."""
CALIBRATORS: dict[str, tuple[CalibrationMethod, dict[str, float]]] = {
    "minmax": (CalibrationMethod.MinMax, {}),
    "percentile 99.99": (CalibrationMethod.Percentile, {"CalibPercentile": 99.99}),
    "percentile 99.9": (CalibrationMethod.Percentile, {"CalibPercentile": 99.9}),
    "entropy": (CalibrationMethod.Entropy, {}),
}


@dataclass(frozen=True, slots=True)
class Choice:
    """One way to quantise. ``kept``: names of layers that stay in fp32."""

    form: str
    calibrator: str
    kept: frozenset[str]

    def __str__(self) -> str:
        return f"{self.form}, {self.calibrator}, {len(self.kept)} layers in fp32"


class Quantizer:
    """One graph, prepared once, calibrated once for each way of looking at the activations."""

    def __init__(self, model: onnx.ModelProto, runs: Sequence[Mapping[str, Array]], folder: Path) -> None:
        """``runs``: every input of each calibrating run; ``folder``: for files in between."""
        self._folder = folder
        self._runs = runs
        self._prepared = folder / "prepared.onnx"
        raised = folder / "raised.onnx"
        onnx.save(_raised(model), str(raised))
        try:
            with _silent():
                quant_pre_process(str(raised), str(self._prepared), skip_symbolic_shape=True)
        except Exception as error:  # the tool's errors share no class
            raise ExportError(f"the graph cannot be prepared for int8: {_line(error)}") from None
        prepared = onnx.load(str(self._prepared))
        _name_nodes(prepared)
        sort_nodes(prepared.graph)
        onnx.save(prepared, str(self._prepared))
        self.layers = tuple(node.name for node in prepared.graph.node if node.op_type in LAYERS)
        if not self.layers:
            raise ExportError(f"the graph has none of {', '.join(LAYERS)}: int8 would change nothing")

    def quantize(self, choice: Choice, path: Path) -> Path:
        """Writes the graph. ExportError: it cannot be quantised so."""
        method, extra = CALIBRATORS[choice.calibrator]
        signed = choice.form == "s8s8"
        cache = self._folder / f"{choice.form} {choice.calibrator}.json"
        try:
            with _silent():
                quantize_static(
                    str(self._prepared),
                    str(path),
                    _Reader(self._runs),
                    quant_format=QuantFormat.QDQ,
                    calibrate_method=method,
                    activation_type=QuantType.QInt8 if signed else QuantType.QUInt8,
                    weight_type=QuantType.QInt8,
                    per_channel=True,
                    reduce_range=not signed,
                    op_types_to_quantize=list(LAYERS),
                    nodes_to_exclude=sorted(choice.kept),
                    extra_options={
                        "ActivationSymmetric": signed,
                        "WeightSymmetric": True,
                        "QuantizeBias": not signed,
                        **extra,
                    },
                    calibration_cache_path=cache,
                )
        except Exception as error:  # the tool's errors share no class
            raise ExportError(f"cannot quantise ({choice}): {_line(error)}") from None
        quantized = onnx.load(str(path))
        sort_nodes(quantized.graph)
        onnx.save(quantized, str(path))
        return path


class _Reader(CalibrationDataReader):
    def __init__(self, runs: Sequence[Mapping[str, Array]]) -> None:
        self._left: Iterator[Mapping[str, Array]] = iter(runs)

    def get_next(self) -> dict[str, Array] | None:
        """The next run's inputs, or None after the last."""
        following = next(self._left, None)
        return None if following is None else dict(following)


def _raised(model: onnx.ModelProto) -> onnx.ModelProto:
    own = max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0)
    if own >= LEAST_OPSET:
        return model
    raised: onnx.ModelProto = onnx.version_converter.convert_version(model, LEAST_OPSET)
    return raised


def _name_nodes(model: onnx.ModelProto) -> None:
    """A name for each node: those to leave out are told by name, and an empty one would mean all."""
    taken: set[str] = set()
    for place, node in enumerate(model.graph.node):
        if not node.name or node.name in taken:
            node.name = f"{node.op_type}_{place}"
        taken.add(node.name)


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """The tool prints and logs advice."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    onnxruntime.set_default_logger_severity(ERRORS_ONLY)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        onnxruntime.set_default_logger_severity(WARNINGS)
        logging.disable(level)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
