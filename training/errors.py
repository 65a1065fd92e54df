"""What a person who trains can have got wrong."""

from __future__ import annotations


class TrainingError(Exception):
    """One line: what, got, expected, fix."""
