"""The fake as a module with the names of TensorRT for RTX, for a builder's process to import."""

from deploy.fake_tensorrt.library import fake_gpu

globals().update(vars(fake_gpu("tensorrt-rtx").libraries.trt))
