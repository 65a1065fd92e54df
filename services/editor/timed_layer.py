"""A layer that is there from one time to another: what effects that lay something over frames work with."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from services.editor.effect import Frame
from services.editor.layers import Layer
from services.editor.params import exact


@dataclass(frozen=True, slots=True)
class TimedLayer:
    """``layer`` None: there is nothing to see. ``end_s`` None: to the end of the stream."""

    layer: Layer | None
    start_s: Fraction
    end_s: Fraction | None

    def on(self, frame: Frame) -> Frame:
        """The frame with the layer over it, in its time; else itself."""
        late = self.end_s is not None and frame.time_s >= self.end_s
        if self.layer is None or frame.time_s < self.start_s or late:
            return frame
        return frame.showing(self.layer.over(frame.pixels))


def timed(layer: Layer | None, start_s: float, end_s: float) -> TimedLayer:
    """From parameters in seconds; ``end_s`` 0: to the end of the stream."""
    return TimedLayer(layer, exact(start_s), exact(end_s) if end_s else None)
