"""A strict fake of TensorRT and of CUDA's runtime, for machines without a GPU.

It runs the ONNX file that a plan was built from on ONNX Runtime, in memory that it guards and poisons, and
refuses (``ContractBroken``) whatever the real ones leave undefined. Every name that it offers exists in the
real classes; a test compares them. It says nothing of speed, of kernels or of numbers on a GPU.
"""

from deploy.fake_tensorrt.device import ContractBroken, Device
from deploy.fake_tensorrt.library import FakeGpu, fake_gpu

__all__ = ["ContractBroken", "Device", "FakeGpu", "fake_gpu"]
