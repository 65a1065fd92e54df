"""Reelwire: real-time AI video as gRPC microservices."""

__version__ = "0.1.0"
__all__ = ["__version__"]
