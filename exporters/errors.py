"""What can be wrong with an export."""

from __future__ import annotations


class ExportError(Exception):
    """One line: what, got, expected, fix."""
