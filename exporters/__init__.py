"""Turns checkpoints of ``training`` into model folders that services load.

Nothing here is imported by a service: files on disk are the only link. Needs the extra ``train``, and ``cpu``
or ``cuda`` for the runtime to compare with.
"""
