"""Which effects there are: the files in ``effects/`` and what installed packages bring.

Everything is imported when the service starts; nothing is ever imported because a request named it.
"""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from types import ModuleType
from typing import Any

from reelwire.choices import choose_from
from reelwire.errors import FailedPrecondition, UnknownEffect
from services.editor import effects
from services.editor.effect import FunctionEffect, Place, StreamEffect
from services.editor.params import specs_of

GROUP = "reelwire.effects"


@dataclass(frozen=True)
class EffectKind:
    """One effect that a stream can name. ``help``: one line. ``neutral``: parameters with which it changes
    nothing, None where there are none."""

    name: str
    help: str
    params: type
    make: Callable[[Place], StreamEffect[Any, Any]]
    neutral: Mapping[str, Any] | None = None


def find_effects() -> dict[str, EffectKind]:
    """All effects by name. FailedPrecondition: one cannot be loaded, or two have one name."""
    kinds = {name: _load(name) for _, name, _ in pkgutil.iter_modules(effects.__path__)}
    for point in entry_points(group=GROUP):
        if point.name in kinds:
            raise FailedPrecondition(
                f'effect "{point.name}" of {point.value} has the name of another; uninstall or rename it'
            )
        try:
            kinds[point.name] = kind_of(point.name, point.load())
        except Exception as error:
            raise FailedPrecondition(
                f'effect "{point.name}" of {point.value} cannot be loaded: {error}; uninstall or correct it'
            ) from error
    return kinds


def choose(kinds: Mapping[str, EffectKind], name: str) -> EffectKind:
    """UnknownEffect: there is none of that name."""
    if name not in kinds:
        raise UnknownEffect(choose_from("effect", name, kinds), field="effect")
    return kinds[name]


def kind_of(name: str, module: ModuleType) -> EffectKind:
    """What a module says. TypeError: it does not hold an effect."""
    params = getattr(module, "Params", None)
    if not (isinstance(params, type) and dataclasses.is_dataclass(params)):
        raise TypeError(f"{module.__name__} has no dataclass Params")
    try:
        specs_of(params)
    except KeyError:
        raise TypeError(f"{module.__name__}.Params has a field without type, range and help") from None
    text = getattr(module, "HELP", None) or (module.__doc__ or "").strip().partition("\n")[0]
    made = getattr(module, "Effect", None)
    neutral = getattr(module, "NEUTRAL", None)
    if isinstance(made, type) and issubclass(made, StreamEffect):
        return EffectKind(name, text, params, made, neutral)
    apply = getattr(module, "apply", None)
    if not callable(apply):
        raise TypeError(f"{module.__name__} has neither a function apply nor a class Effect")
    return EffectKind(name, text, params, lambda place: FunctionEffect(place, apply), neutral)


def _load(name: str) -> EffectKind:
    return kind_of(name, importlib.import_module(f"{effects.__name__}.{name}"))
