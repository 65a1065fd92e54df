"""One effect's parameters over time: which hold for a frame, or for a sample of sound."""

from __future__ import annotations

import bisect
import json
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, Generic, TypeVar

from reelwire.errors import BadParameter, BadPayload, ReelwireError, TooLarge

MAX_CHANGES = 256
ReadyT = TypeVar("ReadyT")
Values = Mapping[str, Any]


class Changes(Generic[ReadyT]):
    """A step function over time. Each step holds what changes; for two at one time the last wins.

    ``prepare`` checks a whole set of values and makes of it what the effect works with. Raises
    BadParameter.
    """

    def __init__(self, values: Values, prepare: Callable[[Values], ReadyT]) -> None:
        self._prepare = prepare
        self._start: Values = dict(values)
        self._ready = prepare(self._start)
        self._times: list[Fraction] = []
        self._steps: list[Values] = []
        self._later: list[tuple[Values, ReadyT]] = []  # from each step on: all values, and what they make

    @property
    def ready(self) -> ReadyT:
        """What holds now."""
        return self._ready

    def add(self, from_s: Fraction, values: Values) -> None:
        """``values`` hold from ``from_s`` on, the others stay. BadParameter: they cannot be; nothing changed
        then. TooLarge: too many changes wait."""
        place = bisect.bisect_left(self._times, from_s)
        steps, times = list(self._steps), list(self._times)
        if place < len(times) and times[place] == from_s:
            steps[place] = {**steps[place], **values}
        elif len(times) >= MAX_CHANGES:
            raise TooLarge(f"{MAX_CHANGES} changes of one effect wait; send them nearer to their pts")
        else:
            times.insert(place, from_s)
            steps.insert(place, dict(values))
        self._later = self._prepared(steps)
        self._times, self._steps = times, steps

    def at(self, time_s: Fraction) -> ReadyT:
        """What holds at this time; times are asked for in order, and what has passed is forgotten."""
        passed = bisect.bisect_right(self._times, time_s)
        if passed:
            self._start, self._ready = self._later[passed - 1]
            del self._times[:passed], self._steps[:passed], self._later[:passed]
        return self._ready

    def next_after(self, time_s: Fraction) -> Fraction | None:
        """When the next change comes after ``time_s``."""
        place = bisect.bisect_right(self._times, time_s)
        return self._times[place] if place < len(self._times) else None

    def save(self) -> str:
        """As JSON."""
        times = [[time.numerator, time.denominator] for time in self._times]
        return json.dumps({"start": self._start, "times": times, "steps": self._steps})

    def load(self, saved: str) -> None:
        """Goes on from ``save()``. BadPayload: not what it gave."""
        try:
            data = json.loads(saved)
            start = dict(data["start"])
            steps: list[Values] = [dict(step) for step in data["steps"]]
            times = [Fraction(*pair) for pair in data["times"]]
            if len(times) != len(steps) or times != sorted(set(times)):
                raise BadPayload("its changes are not in order")
            self._start, self._ready, self._later = start, self._prepare(start), []
            self._later = self._prepared(steps)
            self._times, self._steps = times, steps
        except (ValueError, TypeError, KeyError, ZeroDivisionError, ReelwireError) as error:
            raise BadPayload(
                f"the saved state holds no parameters of this effect ({error}); start the stream again"
            ) from None

    def _prepared(self, steps: list[Values]) -> list[tuple[Values, ReadyT]]:
        """What holds from each step on. What was made before is not made again."""
        values = self._start
        made: list[tuple[Values, ReadyT]] = []
        for step in steps:
            values = {**values, **step}
            known = next((ready for before, ready in self._later if before == values), None)
            made.append((values, self._prepare(values) if known is None else known))
        return made


def check_fixed(fixed: frozenset[str], values: Values, effect: str) -> None:
    """BadParameter: a change of something that holds for a whole stream."""
    for name in values:
        if name in fixed:
            raise BadParameter(
                f'effect "{effect}": {name} is fixed for a stream; start another one with the new value',
                field=name,
            )
