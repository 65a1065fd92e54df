"""What the real libraries do without a GPU: refuse, with an error of ours, in the middle of all that a fake
stands in for elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reelwire.engines.backend import ShapeProfile
from reelwire.engines.signature import read_signature
from reelwire.engines.tensorrt.build import BuildOrder, build_plan
from reelwire.engines.tensorrt.cuda import Cuda, CudaFailed
from reelwire.engines.tensorrt.libraries import RTX, Libraries, load_libraries
from reelwire.engines.tensorrt.loaded import LoadedPlan
from reelwire.engines.tensorrt.preflight import find_gpu
from reelwire.errors import DeviceMissing, PlanStale
from tests.reelwire.engines.tensorrt.seam import PICTURE
from tests.reelwire.models import graphs

pytestmark = pytest.mark.skipif(
    find_gpu().ok, reason="there is a GPU here: deploy/gpu_acceptance.py is for it"
)


@pytest.fixture
def libraries() -> Libraries:
    """TensorRT for RTX and CUDA's runtime, imported as a service would. Of the two TensorRTs it is the one
    whose runtime may be made without a driver."""
    pytest.importorskip("tensorrt_rtx", reason="tensorrt_rtx is not installed")
    pytest.importorskip("cuda.bindings.runtime", reason="cuda-python is not installed")
    return load_libraries(RTX)


def test_a_real_plan_on_a_machine_without_a_driver_is_a_missing_device(
    tmp_path: Path, libraries: Libraries
) -> None:
    path = graphs.gain(tmp_path / "gain.onnx")
    built = build_plan(libraries.trt, BuildOrder(path, (ShapeProfile("all", PICTURE),)))
    with pytest.raises(
        DeviceMissing, match="no NVIDIA driver visible; fix: start the container with --gpus all"
    ):
        LoadedPlan(libraries, built.plan, *read_signature(path))


@pytest.mark.parametrize(
    ("damage", "words"), [(lambda plan: b"\0" * 64, "magicTag"), (lambda plan: plan[:200], "blobSize")]
)
def test_a_real_plan_that_is_damaged_is_stale(
    tmp_path: Path, libraries: Libraries, damage: Any, words: str
) -> None:
    path = graphs.gain(tmp_path / "gain.onnx")
    built = build_plan(libraries.trt, BuildOrder(path, (ShapeProfile("all", PICTURE),)))
    with pytest.raises(PlanStale, match=f"{words}.*build it again"):
        LoadedPlan(libraries, damage(built.plan), *read_signature(path))


def test_a_real_cuda_call_that_fails_says_cudas_name_for_it(libraries: Libraries) -> None:
    cuda = Cuda(libraries.cudart)
    for call in (
        cuda.new_stream,
        lambda: cuda.call("cudaMalloc", 16),
        lambda: cuda.call("cudaMallocHost", 16),
    ):
        with pytest.raises(
            CudaFailed, match="gave cudaErrorInsufficientDriver; fix: update the NVIDIA driver"
        ):
            call()
