"""TensorRT, and TensorRT for RTX: one implementation, the library is given to it. Imports neither."""
