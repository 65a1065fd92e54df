"""Trains the models that Reelwire ships, and yours: PyTorch only, one file per model in ``training/models``.

Nothing here is imported by a service; ``exporters`` turns a checkpoint into a model folder. Needs the extra
``train``.
"""
