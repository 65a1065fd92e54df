"""Each raw failure of TensorRT, with its whole original text, becomes the error that a caller can act on."""

import pytest

from reelwire.engines.tensorrt.messages import (
    MAX_ROWS,
    LogRow,
    ParserFault,
    build_error,
    parse_error,
    plan_error,
    profile_warning,
    tensorrt_log,
)
from reelwire.errors import (
    DeviceMissing,
    ModelUnusable,
    OperatorUnsupported,
    PlanStale,
    ProfileInvalid,
    ReelwireError,
)

NO_DRIVER = LogRow(
    "ERROR",
    "[checkMacros.cpp::catchCudaError::250] Error Code 1: Cuda Runtime (In catchCudaError at "
    "/_src/common/dispatch/checkMacros.cpp:250 (cudaError 35: CUDA driver version is insufficient for CUDA "
    "runtime version))",
)
NO_PROFILE = (
    "IBuilder::buildSerializedNetwork: Error Code 4: API Usage Error (Network has dynamic or "
    "shape inputs, but "
    "no optimization profile has been defined. In validate at /_src/optimizer/api/network.cpp:4023)"
)
UNORDERED = (
    "IOptimizationProfile::isValid: Error Code 4: API Usage Error (Invalid optimization profiles for input "
    "tensors x, please ensure that the optimization profiles satisfy MIN<=OPT<=MAX. In isValid at "
    "/_src/optimizer/api/optimizationProfile.cpp:367)"
)
OPT_MISMATCH = (
    "IBuilder::buildSerializedNetwork: Error Code 4: Internal Error (kOPT values for profile 0 violate shape "
    "constraints: add_1: dimensions not compatible for elementwise. Condition '==' violated: 48 != 32. In "
    "operator() at /_src/runtime/core/shapeMachine.cpp:640 In evaluateShapeChecks at "
    "/_src/optimizer/common/shapeCompiler.cpp:1375)"
)
WRONG_STATIC = (
    "IBuilder::buildSerializedNetwork: Error Code 4: API Usage Error (Dimension mismatch for tensor x and "
    "profile 0. At dimension axis 1, profile has min=4, opt=4, max=4 but tensor has 3. In validate at "
    "/_src/optimizer/api/network.cpp:4054)"
)
MISSING = (
    "IBuilder::buildSerializedNetwork: Error Code 4: API Usage Error (Dynamic input tensor h is missing "
    "dimensions in profile 0. In validate at /_src/optimizer/api/network.cpp:4046)"
)
NO_KERNEL = (
    "IBuilder::buildSerializedNetwork: Error Code 1: Myelin ([myelin_graph.h:1295: "
    "attachExceptionMsgToGraph] "
    "MyelinCheckException: decompose_composite_ops.cpp:59: CHECK(composite_op->is_decomposable()) failed. "
    "Attention operation was not supported by a dedicated kernel. )"
)
MAGIC = (
    "IRuntime::deserializeCudaEngine: Error Code 1: Serialization (Serialization assertion "
    "header.magicTag == "
    "kEXPECTED_MAGIC_TAG failed.Trying to load an engine created with incompatible serialization version (0 "
    "!= 1953657974). Check that the engine was not created using safety runtime, same OS was "
    "used and version "
    "compatibility parameters were set accordingly and that it is a TRT engine file. In "
    "throwUnlessHeaderOk at "
    "/_src/runtime/dispatch/runtime.cpp:48)"
)
TRUNCATED = (
    "IRuntime::deserializeCudaEngine: Error Code 1: Serialization (Serialization assertion "
    "plan.header.size == "
    "blobSize failed. In parsePlan at /_src/runtime/dispatch/runtime.cpp:780)"
)
MEMORY = "Error Code 2: OutOfMemory (Requested size was 8388608000 bytes.)"


def rows(*texts: str, severity: str = "ERROR") -> list[LogRow]:
    """The log as the library leaves it on a machine without a GPU: noise behind each error."""
    return [row for text in texts for row in (LogRow(severity, text), NO_DRIVER)]


@pytest.mark.parametrize(
    ("error", "kind", "field", "words"),
    [
        (build_error(rows(NO_PROFILE)), ProfileInvalid, "", "no optimization profile has been defined"),
        (build_error(rows(UNORDERED, NO_PROFILE)), ProfileInvalid, "x", "MIN<=OPT<=MAX"),
        (build_error(rows(OPT_MISMATCH)), ProfileInvalid, "add_1", "48 != 32"),
        (build_error(rows(WRONG_STATIC)), ProfileInvalid, "x", "but tensor has 3"),
        (build_error(rows(MISSING)), ProfileInvalid, "h", "missing dimensions"),
        (build_error(rows(NO_KERNEL)), OperatorUnsupported, "Attention", "dedicated kernel"),
        (build_error(rows(MEMORY)), ModelUnusable, "", "out of memory on the GPU"),
        (build_error(rows("Error Code 9: Skipping tactic")), ModelUnusable, "", "Skipping tactic"),
        (build_error([NO_DRIVER]), DeviceMissing, "backend", "--gpus all"),
        (build_error([]), ModelUnusable, "", "did not say why"),
        (plan_error(rows(MAGIC)), PlanStale, "", "magicTag.*build it again"),
        (plan_error(rows(TRUNCATED)), PlanStale, "", "blobSize"),
        (
            plan_error(rows("The engine plan file is from an incompatible device, compute capability")),
            PlanStale,
            "",
            "incompatible device",
        ),
        (plan_error(rows("engine was created with TensorRT 1.6.1")), PlanStale, "", "1.6.1"),
        (plan_error([NO_DRIVER]), DeviceMissing, "backend", "--gpus all"),
        (plan_error(rows(MEMORY)), ModelUnusable, "", "out of memory"),
        (plan_error([]), PlanStale, "", "did not say why"),
    ],
)
def test_a_failure_becomes_the_error_that_names_its_cause(
    error: ReelwireError, kind: type[ReelwireError], field: str, words: str
) -> None:
    assert type(error) is kind
    assert error.field == field
    with pytest.raises(kind, match=words):
        raise error
    assert "\n" not in error.message
    assert "/_src/" not in error.message


@pytest.mark.parametrize(
    ("code", "node", "operator", "text"),
    [
        ("UNSUPPORTED_NODE", "uniq_1", "Unique", "false"),
        ("UNSUPPORTED_NODE_ATTR", "rs", "Resize", '(antialias == 0) && "Antialiasing is not supported."'),
        ("INVALID_NODE", "fm", "FusedMatMul", 'creator && "Plugin not found, are the plugin name correct?"'),
        ("INVALID_NODE", "mul", "Mul", f"Invalid Node - mul\nmust have same input types\n{NO_DRIVER.text}"),
    ],
)
def test_a_node_that_the_parser_refuses_is_named(code: str, node: str, operator: str, text: str) -> None:
    error = parse_error([ParserFault("INTERNAL_ERROR", "later"), ParserFault(code, text, node, operator)])
    assert type(error) is OperatorUnsupported
    assert error.field == node
    assert f'"{node}" ({operator})' in error.message
    assert "cudaError" not in error.message
    assert "\n" not in error.message


def test_a_graph_that_is_broken_otherwise_is_unusable() -> None:
    assert type(parse_error([ParserFault("MODEL_DESERIALIZE_FAILED", "bad protobuf")])) is ModelUnusable
    assert type(parse_error([])) is ModelUnusable


def test_profiles_that_contradict_each_other_are_an_error_though_the_library_only_warns() -> None:
    warned = rows("kMAX dimensions in profile 0 are not self-consistent.", severity="WARNING")
    error = profile_warning(warned)
    assert error is not None
    assert "not self-consistent" in error.message
    assert profile_warning([LogRow("WARNING", "Detected layernorm nodes in FP16")]) is None


@pytest.mark.parametrize("library", ["tensorrt_lean", "tensorrt_rtx"])
def test_the_log_is_the_librarys_own_class_and_bounded(library: str) -> None:
    trt = pytest.importorskip(library, reason=f"{library} is not installed")
    log = tensorrt_log(trt)
    assert isinstance(log, trt.ILogger)
    for number in range(MAX_ROWS + 3):
        log.log(trt.ILogger.Severity.ERROR, f"row {number}")
    log.log(trt.ILogger.Severity.VERBOSE, "left out")
    assert len(log.rows) == MAX_ROWS
    assert log.rows[-1] == LogRow("ERROR", f"row {MAX_ROWS + 2}")


def test_what_the_parser_of_rtx_says_is_read() -> None:
    from onnx import TensorProto, helper

    trt = pytest.importorskip("tensorrt_rtx", reason="tensorrt_rtx is not installed")
    from reelwire.engines.tensorrt.messages import parser_faults

    graph = helper.make_graph(
        [helper.make_node("Unique", ["x"], ["y"], name="uniq_1")],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ("N",))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ("M",))],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    log = tensorrt_log(trt)
    builder = trt.Builder(log)
    network = builder.create_network(0)
    parser = trt.OnnxParser(network, log)
    assert not parser.parse(model.SerializeToString())
    error = parse_error(parser_faults(parser))
    assert (type(error), error.field) == (OperatorUnsupported, "uniq_1")
