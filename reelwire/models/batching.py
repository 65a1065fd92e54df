"""Decides for a loaded model whether runs of different streams become one inference, and makes it so."""

from __future__ import annotations

from dataclasses import asdict

from reelwire.engines.backend import UNKNOWN, Array, Engine
from reelwire.engines.batching import BatchingEngine, BatchLimits
from reelwire.engines.host_stream import HostStream
from reelwire.engines.rows import BatchRows, same_bits
from reelwire.errors import ReelwireError
from reelwire.models.batch_decision import BatchDecision, BatchedModel, BatchOptions, alone
from reelwire.models.batch_probe import compare, measure
from reelwire.models.decisions import Decision, machine_facts
from reelwire.models.fidelity import max_abs_error
from reelwire.models.spec import ModelSpec
from reelwire.threads import usable_cores

LEAST_GAIN = 1.2
"""Frames per second in batches, as a multiple of runs alone. Less is not worth the wait, and on a machine
that does other work too it is within what one measurement is off."""
SAME = "batches are bit for bit what runs alone give"
ANY_MODEL = BatchedModel()
BACKEND_MAX = {"onnxruntime": 8, "openvino": 8, "cuda": 32}
"""Most runs in one inference: on a CPU more only take memory. Backends that are not here are not batched."""


def decide(
    engine: Engine, spec: ModelSpec, options: BatchOptions, model: BatchedModel = ANY_MODEL
) -> BatchDecision:
    """Never raises ReelwireError: what fails runs alone.

    Takes seconds at most, see ``batch_probe``, and no time where it cannot matter or was decided on this
    machine before.
    """
    problem = _problem(engine, spec, options)
    if problem:
        return alone(problem)
    most = min(
        options.max_batch, options.streams, BACKEND_MAX[engine.backend], model.most or options.max_batch
    )
    if most < 2:
        return alone("model.toml or REELWIRE_BATCH_MAX allows batches of 1 only")
    if not model.sha256:
        return _tried(engine, spec, options, most)
    decision = Decision(_facts(engine, options, model, most))
    with decision.alone():
        kept = decision.read()
        try:
            return BatchDecision(**(kept or {}))
        except TypeError:
            pass  # none, or of another program
        made = _tried(engine, spec, options, most)
        if made.exact is not None:
            decision.write(asdict(made))
        return made


def _facts(engine: Engine, options: BatchOptions, model: BatchedModel, most: int) -> dict[str, object]:
    """All that a decision depends on."""
    way = [engine.backend, engine.device, engine.precision, engine.threads]
    asked = [options.mode, options.tolerance, most, min(slots_of(engine), options.streams)]
    return {**machine_facts(), "batching": [model.sha256, *way, *asked]}


def _tried(engine: Engine, spec: ModelSpec, options: BatchOptions, most: int) -> BatchDecision:
    rows = rows_of(engine, spec)
    try:
        like = compare(engine, spec, rows, most)
        if options.mode == "on" and (like.exact or 0 < options.tolerance >= like.error):
            said = SAME if like.exact else f"{like.where}, which REELWIRE_BATCH_TOLERANCE allows"
            return BatchDecision(True, most, like.exact, None, f"REELWIRE_BATCH is on; {said}")
        if not like.exact:
            return alone(like.where, False)
        gain = measure(engine, spec, rows, most, min(slots_of(engine), options.streams))
    except ReelwireError as error:
        return alone(f"batches could not be tried: {error.message}")
    times = f"{gain.times:.2f} times the frames per second of runs side by side, {gain.length} in each"
    if gain.times < LEAST_GAIN:
        return alone(f"{SAME}, but {times}; expected {LEAST_GAIN:g} times at least", True, gain.times)
    return BatchDecision(True, gain.length, True, gain.times, f"{SAME}, {times}")


def with_batching(engine: Engine, spec: ModelSpec, decision: BatchDecision, options: BatchOptions) -> Engine:
    """The engine, or one that batches its runs."""
    if not decision.on:
        return engine
    limits = BatchLimits(decision.max_batch, options.delay_s, slots_of(engine))

    def agree(one: dict[str, Array], other: dict[str, Array]) -> bool:
        return same_bits(one, other) or max_abs_error(one, other) <= options.tolerance

    exact = options.mode == "auto" or not options.tolerance
    return BatchingEngine(engine, rows_of(engine, spec), limits, same_bits if exact else agree)


def slots_of(engine: Engine) -> int:
    """Inferences that run at once: what the usable cores hold, or one on a GPU."""
    return max(1, usable_cores() // engine.threads) if engine.device == "cpu" else 1


def rows_of(engine: Engine, spec: ModelSpec) -> BatchRows:
    """What of the graph has a batch axis."""
    stacked = tuple(tensor.name for tensor in engine.inputs if tensor.name not in spec.constants)
    return BatchRows(stacked, dict(spec.constants))


def _problem(engine: Engine, spec: ModelSpec, options: BatchOptions) -> str:
    """Why nothing needs to be tried; empty: it may."""
    if options.mode == "off":
        return "REELWIRE_BATCH is off"
    if options.streams == 1:
        return "the service takes one stream at once"
    if engine.backend not in BACKEND_MAX or not _is_on_host(engine, spec):
        return f"{engine.backend} keeps each stream's state where it runs"
    if spec.image_input is None:
        return "it takes no picture"
    if options.mode == "auto" and slots_of(engine) >= options.streams:
        return f"{slots_of(engine)} inferences fit at once, so none of {options.streams} streams would wait"
    return _without_batch_axis(engine, spec)


def _is_on_host(engine: Engine, spec: ModelSpec) -> bool:
    stream = engine.stream({state.input: state.output for state in spec.states})
    stream.close()
    return isinstance(stream, HostStream)


def _without_batch_axis(engine: Engine, spec: ModelSpec) -> str:
    """Which input or output has no first axis that can be the batch: a fixed length, or one that is named
    otherwise than the picture's. Whether an unnamed one is the batch shows when batches are compared."""
    symbols = {tensor.name: tensor.shape[0] if tensor.shape else 1 for tensor in engine.inputs}
    batch = symbols[spec.picture_input.name]
    for tensor in engine.inputs:
        if tensor.name not in spec.constants and not _may_be(symbols[tensor.name], batch):
            return f"input {tensor} has no batch axis"
    for tensor in engine.outputs:
        if not tensor.shape or isinstance(tensor.shape[0], int):
            return f"output {tensor} has no batch axis"
    return ""


def _may_be(dim: int | str, batch: int | str) -> bool:
    return isinstance(dim, str) and isinstance(batch, str) and (dim == batch or UNKNOWN in (dim, batch))
