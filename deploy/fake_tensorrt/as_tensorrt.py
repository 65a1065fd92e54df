"""The fake as a module with TensorRT's names, for a builder's process to import."""

from deploy.fake_tensorrt.library import fake_gpu

globals().update(vars(fake_gpu("tensorrt").libraries.trt))
