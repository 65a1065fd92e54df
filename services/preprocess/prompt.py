"""A text prompt in one form: Unicode NFC, single spaces, no control characters, of bounded length."""

from __future__ import annotations

import unicodedata

from reelwire.errors import BadParameter

MAX_PROMPT_CHARACTERS = 4000


def normalise_prompt(text: str) -> str:
    """BadParameter: empty, or too long once normalised."""
    spaced = "".join(_space_or_nothing(character) for character in unicodedata.normalize("NFC", text))
    prompt = " ".join(spaced.split())
    if not prompt:
        raise BadParameter("the prompt is empty; expected some text", field="input.text")
    if len(prompt) > MAX_PROMPT_CHARACTERS:
        raise BadParameter(
            f"the prompt is {len(prompt)} characters long; expected at most {MAX_PROMPT_CHARACTERS}",
            field="input.text",
        )
    return prompt


def _space_or_nothing(character: str) -> str:
    if character.isspace():
        return " "
    return "" if unicodedata.category(character) in ("Cc", "Cs", "Cn") else character
