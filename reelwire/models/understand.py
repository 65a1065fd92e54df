"""A graph and its model.toml → what the model means, in words as well; or what is missing, and the fix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from reelwire.engines.backend import UNKNOWN, Engine, TensorSpec
from reelwire.errors import ModelUnusable
from reelwire.models import outputs
from reelwire.models.manifest import Manifest
from reelwire.models.pictures import FRAME_AXES, SIZE_AXES, PictureTensor
from reelwire.models.probe import MULTIPLES, Probed, Trial, first_that_runs, probe_tensors
from reelwire.models.refusal import refusal
from reelwire.models.roles import PICTURE_TYPES, Roles, assign_roles
from reelwire.models.spec import PICTURE_TASK, ModelSpec, StateSpec, Window
from reelwire.models.states import may_pair, picture_symbols, start_shapes


def understand(engine: Engine, manifest: Manifest) -> ModelSpec:
    """Runs the graph a few times on a small gray picture. ModelUnusable says what could not be understood,
    with the lines of model.toml that would say it."""
    roles = assign_roles(engine.inputs, engine.outputs, manifest)
    if roles.picture is None:
        return _without_picture(engine, manifest, roles)
    if roles.picture.dtype not in PICTURE_TYPES or not roles.layouts:
        raise refusal(
            f"input {roles.picture} cannot be a picture; expected 4 or 5 axes with 3 channels, height and "
            f"width, as one of {', '.join(PICTURE_TYPES)}"
        )
    if roles.free:
        raise _unexplained(engine, roles)
    probed = _probe(engine, manifest, roles)
    spec = outputs.with_output(probed, engine, manifest, roles)
    return replace(spec, understood=tuple(_words(spec, manifest, roles)))


def _without_picture(engine: Engine, manifest: Manifest, roles: Roles) -> ModelSpec:
    stated = manifest.task and manifest.task != PICTURE_TASK
    if not (stated or roles.pairs):
        inputs = ", ".join(map(str, engine.inputs))
        raise refusal(
            "no input can be a picture (float or uint8, 4 or 5 axes, 3 channels), none is recurrent; "
            f"it takes {inputs}",
            'task = "…"   # what it is for, if not for pictures',
        )
    known = {dim for tensor in (*roles.free,) for dim in tensor.shape if isinstance(dim, str)} - {UNKNOWN}
    states = tuple(
        StateSpec(
            pair.given.name,
            pair.got.name,
            pair.given.dtype,
            pair.dims
            or tuple(dim if isinstance(dim, int) or dim in known else "N" for dim in pair.given.shape),
            pair.initial,
        )
        for pair in roles.pairs
    )
    spec = ModelSpec(
        task=manifest.task or "recurrent", states=states, constants=roles.constants, free_inputs=roles.free
    )
    lines = [f"input {tensor}: given with each run" for tensor in roles.free]
    lines += [*_state_words(spec), *_constant_words(spec)]
    lines += [
        f'output "{tensor.name}"' for tensor in engine.outputs if tensor.name not in roles.state_outputs
    ]
    lines.append("takes no picture: programs can run it, streams of frames cannot")
    tried = probe_tensors(Trial(engine, spec))
    return replace(spec, understood=(*lines, *([tried] if tried else [])))


def _unexplained(engine: Engine, roles: Roles) -> ModelUnusable:
    """One output must be left for the picture, so the last one is never proposed as a state."""
    lines = []
    left = [got for got in engine.outputs if got.name not in roles.state_outputs]
    for tensor in roles.free:
        mates = [got for got in left if may_pair(tensor, got)]
        if len(tensor.shape) > 1 and mates and len(left) > 1:
            left.remove(mates[0])
            lines += ["[[state]]", f'input = "{tensor.name}"', f'output = "{mates[0].name}"']
        else:
            example = {"f": "0.0", "b": "false"}.get(tensor.dtype[0], "1")
            lines += ["[constants]", f"{tensor.name} = {example}   # the value it always has"]
    names = ", ".join(map(str, roles.free))
    return refusal(f"input {names} is neither the picture nor, by its name, a state", *lines)


def _probe(engine: Engine, manifest: Manifest, roles: Roles) -> Probed:
    """The first reading of the graph that runs and gives what the task wants."""
    assert roles.picture is not None
    failures: list[ModelUnusable] = []
    for layout in roles.layouts:
        trial = _trial(roles.picture, layout, manifest, roles)
        picture = trial.picture_input
        free_size = picture.height is None or picture.width is None
        multiples = (manifest.input.multiple,) if manifest.input.multiple else MULTIPLES
        shapes = list(_state_choices(roles, layout))
        for result in first_that_runs(engine, [trial], multiples if free_size else (1,), shapes):
            if isinstance(result, Probed):
                try:
                    outputs.with_output(result, engine, manifest, roles)
                except ModelUnusable as error:
                    failures.append(error)
                else:
                    return result
            else:
                failures.append(result)
    raise _most_telling(failures)


def _most_telling(failures: Sequence[ModelUnusable]) -> ModelUnusable:
    """A result that was no picture says more than a run that failed on a size; of those the last one, which
    had the size that suits most graphs."""
    told = [error for error in failures if getattr(error, "__notes__", None)]
    if told:
        return told[-1]
    return refusal(
        f"it does not run on a gray picture: {failures[-1].message}",
        "[input]",
        "multiple = 8   # what width and height must be multiples of",
        'layout = "NCHW"',
    )


def _trial(tensor: TensorSpec, layout: str, manifest: Manifest, roles: Roles) -> ModelSpec:
    """The model under one layout, before its outputs are known."""
    said = manifest.input
    rows, columns = (tensor.shape[axis] for axis in SIZE_AXES[layout])
    batch = tensor.shape[0]
    if isinstance(batch, int) and batch != 1:
        raise refusal(f"input {tensor} takes batches of {batch}; expected 1 or a free batch: export it so")
    picture = PictureTensor(
        name=tensor.name,
        dtype=tensor.dtype,
        layout=layout,
        value_range=said.range or ("0..255" if tensor.dtype == "uint8" else "0..1"),
        mean=said.mean or (0.0, 0.0, 0.0),
        std=said.std or (1.0, 1.0, 1.0),
        color=said.color or "rgb",
        height=rows if isinstance(rows, int) else None,
        width=columns if isinstance(columns, int) else None,
    )
    if tensor.dtype == "uint8" and (picture.value_range != "0..255" or picture.is_normalised):
        raise refusal(f"[input]: {tensor} takes bytes, so range is 0..255 without mean and std")
    return ModelSpec(
        task=manifest.task or PICTURE_TASK,
        image_input=picture,
        constants=roles.constants,
        window=_window_in(tensor, layout, manifest),
        min_size=said.min_size,
        max_size=said.max_size,
    )


def _window_in(tensor: TensorSpec, layout: str, manifest: Manifest) -> Window:
    said = manifest.window
    if layout in ("NCHW", "NHWC"):
        if said is not None and said.frames > 1:
            raise refusal(f"[window] frames = {said.frames}: input {tensor} holds one frame")
        return Window(1, 0, 0, 1)
    length = tensor.shape[FRAME_AXES[layout]]
    if said is None:
        if isinstance(length, str):
            raise refusal(
                f"input {tensor} takes any number of frames", "[window]", "frames = 5", "overlap = 0"
            )
        return Window(length, 0, 0, length)
    stated = said.frames * (3 if "K" in layout else 1)
    if isinstance(length, int) and length != stated:
        raise refusal(f"[window] frames = {said.frames}: input {tensor} has {length} on that axis")
    if said.overlap >= said.frames:
        raise refusal(f"[window] overlap = {said.overlap}: expected less than frames = {said.frames}")
    return Window(said.frames, said.overlap, said.first_output or 0, said.frames)


def _state_choices(roles: Roles, layout: str) -> Sequence[tuple[StateSpec, ...]]:
    assert roles.picture is not None
    unsaid = [pair.given for pair in roles.pairs if pair.dims is None]
    choices = []
    for shapes in start_shapes(unsaid, layout, picture_symbols(roles.picture, layout)):
        found = iter(shapes)
        choices.append(
            tuple(
                StateSpec(p.given.name, p.got.name, p.given.dtype, p.dims or next(found), p.initial)
                for p in roles.pairs
            )
        )
    return choices


def _words(spec: ModelSpec, manifest: Manifest, roles: Roles) -> list[str]:
    picture = spec.picture_input
    said = manifest.input.range is not None or picture.dtype == "uint8"
    size = f"{picture.width or 'any'} x {picture.height or 'any'}"
    lines = [
        f"input {roles.picture}: the picture, {picture.layout}, {picture.color.upper()}, size {size}",
        f"input values: {picture.value_range}"
        + (f", minus mean {picture.mean}, divided by std {picture.std}" if picture.is_normalised else "")
        + ("" if said else ' (assumed; if not so, write in model.toml: [input] range = "0..255" or "-1..1")'),
    ]
    if spec.multiple > 1:
        how = "" if manifest.input.multiple else " (found by probing)"
        lines.append(f"width and height: multiples of {spec.multiple}{how}; frames are padded and cut back")
    if spec.window.frames > 1:
        window = spec.window
        lines.append(
            f"windows of {window.frames} frames, {window.overlap} shared with the one before, "
            f"{window.output_frames} come out, the first for frame {window.first_output}"
        )
    return [*lines, *_state_words(spec), *_constant_words(spec), *outputs.words(spec, manifest)]


def _state_words(spec: ModelSpec) -> list[str]:
    return [
        f'input "{state.input}": recurrent state, output "{state.output}" goes back in; starts as '
        f"{state.initial:g} in [{', '.join(map(str, state.dims))}]"
        for state in spec.states
    ]


def _constant_words(spec: ModelSpec) -> list[str]:
    return [f'input "{name}": always {array.tolist()}' for name, array in spec.constants.items()]
