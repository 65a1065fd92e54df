"""A model that cannot be used: what is missing, and the exact lines that would say it."""

from __future__ import annotations

from reelwire.errors import ModelUnusable


def refusal(problem: str, *fix_lines: str) -> ModelUnusable:
    """The error for ``problem``. ``fix_lines`` are lines of model.toml; the message holds them in one line,
    the error's notes as they are to be written."""
    if not fix_lines:
        return ModelUnusable(problem)
    error = ModelUnusable(f"{problem}; write in model.toml: {' ; '.join(fix_lines)}")
    error.add_note(problem)
    error.add_note("\n".join(("# model.toml", *fix_lines)))
    return error


def parts_of(error: ModelUnusable) -> tuple[str, str]:
    """Problem and fix of a refusal; the fix is empty where the message says it all."""
    notes = getattr(error, "__notes__", [])
    return (notes[0], notes[1]) if len(notes) == 2 else (error.message, "")
