"""A model folder → the same with more precisions, measured."""

from __future__ import annotations

import shutil
import tempfile
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx

from exporters.complete import fill_in
from exporters.directory import check_replaceable, new_model_folder
from exporters.errors import ExportError
from exporters.frames import read_frames
from exporters.half import check_range, to_half
from exporters.int8_search import Judge, best, search
from exporters.likeness import Likeness, measure
from exporters.quantized import FORMS, Quantizer
from exporters.sample import make_sample
from exporters.served import Feeds, Recorder, Served, opened, run_file, run_stream
from exporters.toml import toml_text
from reelwire.engines.graph import read_graph
from reelwire.models.location import GRAPH_NAME
from reelwire.models.manifest import MANIFEST_NAME

Say = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Wishes:
    """What to add, and from what. ``size``: height and width of the frames; None: the model's own."""

    fp16: bool = False
    int8: bool = False
    clips: tuple[Path, ...] = ()
    frames: int = 18
    size: tuple[int, int] | None = None
    floor_db: float | None = None
    keep_below_floor: bool = False


@dataclass(frozen=True, slots=True)
class Material:
    """Runs of the fp32 graph on real frames: to calibrate on, choose by and measure with; and the sample."""

    calibrating: Recorder
    choosing: tuple[list[Feeds], Recorder]
    measuring: tuple[list[Feeds], Recorder]
    sample: Recorder


def add_variants(folder: Path, wishes: Wishes, say: Say) -> None:
    """Measures, then replaces the folder whole. ExportError, and the folder as it was: a precision is below
    its floor or cannot be made, or the folder is no exported model."""
    if not (folder / GRAPH_NAME).is_file():
        raise ExportError(f"{folder} has no {GRAPH_NAME}; give a model's folder")
    folder = folder.resolve()
    check_replaceable(folder)
    manifest = tomllib.loads(_text_of(folder / MANIFEST_NAME))
    with opened(folder) as served, new_model_folder(folder.parent, folder.name) as half:
        for file in folder.iterdir():
            shutil.copy2(file, half / file.name)
        if wishes.floor_db is not None:
            manifest["quality"] = {"min_psnr_db": wishes.floor_db}
        floor_db = fill_in(served, half, manifest, wishes.clips)
        sample = make_sample(served, wishes.clips)
        if wishes.fp16 or wishes.int8:
            material = gather(served, wishes, sample)
            made = _make(served, material, wishes, floor_db, half, say)
            manifest["variants"] = _merged(manifest.get("variants", []), made)
        (half / MANIFEST_NAME).write_text(toml_text(manifest), encoding="utf-8")
    say(f"wrote {folder}")


def gather(served: Served, wishes: Wishes, sample: Recorder) -> Material:
    """Runs fp32 on the clips: every third run is for measuring, every third to choose by. A recurrent model's
    runs follow one another, and the thirds are stretches. ExportError: too few frames."""
    picture = served.spec.picture_input
    size = wishes.size or (
        picture.height or 360 // served.spec.scale,
        picture.width or 640 // served.spec.scale,
    )
    in_order = served.carries_state or served.spec.window.frames > 1
    frames = read_frames(wishes.clips, wishes.frames, size, consecutive=in_order)
    feeds = served.feeds(frames)
    if len(feeds) < 3:
        raise ExportError(f"{len(frames)} frames give {len(feeds)} runs, at least 3 are needed; see --frames")
    third = len(feeds) // 3
    parts = (
        [feeds[:third], feeds[third : 2 * third], feeds[2 * third :]]
        if in_order
        else [feeds[0::3], feeds[1::3], feeds[2::3]]
    )
    runs = [run_stream(served.engine, served.spec, part) for part in parts]
    return Material(runs[0], (list(parts[1]), runs[1]), (list(parts[2]), runs[2]), sample)


def _make(
    served: Served, material: Material, wishes: Wishes, floor_db: float, folder: Path, say: Say
) -> list[dict[str, Any]]:
    made = []
    model = onnx.load(str(served.files.facts.path))
    if wishes.fp16:
        path = folder / "model.fp16.onnx"
        largest = check_range(
            served.files.facts.path, [*material.calibrating.inputs, *material.measuring[1].inputs]
        )
        onnx.save(to_half(model), str(path))
        say(f"fp16: magnitudes up to {largest:.4g}")
        made.append(entry_of(path, "fp16", "", judged(served, material, path)))
    if wishes.int8:
        with tempfile.TemporaryDirectory(prefix="reelwire-int8-") as scratch:
            quantizer = Quantizer(model, material.calibrating.inputs, Path(scratch))
            judge = Judge(served.spec, material.choosing[0], material.choosing[1].outputs)
            for form in FORMS:
                path = folder / f"model.{form}.onnx"
                trials = search(quantizer, form, judge, floor_db, Path(scratch) / "trial.onnx")
                for trial in trials:
                    say(str(trial))
                quantizer.quantize(best(trials).choice, path)
                made.append(entry_of(path, "int8", form, judged(served, material, path)))
    for entry in made:
        check_floor(entry, floor_db, keep=wishes.keep_below_floor)
        say(f"{entry['file']}: PSNR {entry['psnr_db']} dB, SSIM {entry.get('ssim')}")
    return made


def judged(served: Served, material: Material, path: Path) -> Likeness:
    """The worse of real frames and of the sample, as the file is served: with its own state carried on."""
    feeds, wanted = material.measuring
    got = run_file(path, served.spec, feeds)
    found = measure(wanted.outputs, got.outputs)
    own = [name for name in material.sample.inputs[0] if name not in _given_elsewhere(served)]
    again = run_file(path, served.spec, [{name: material.sample.inputs[0][name] for name in own}])
    on_sample = measure(material.sample.outputs, again.outputs)
    return Likeness(min(found.psnr_db, on_sample.psnr_db), found.ssim, found.max_abs_error)


def _given_elsewhere(served: Served) -> set[str]:
    return {state.input for state in served.spec.states} | set(served.spec.constants)


def check_floor(entry: Mapping[str, Any], floor_db: float, *, keep: bool = False) -> None:
    """ExportError: an entry of [[variants]] is less like fp32 than ``floor_db``, and not to be kept."""
    if entry["psnr_db"] < floor_db and not keep:
        raise ExportError(
            f"{entry['file']}: PSNR {entry['psnr_db']} dB, SSIM {entry.get('ssim')}; [quality] min_psnr_db "
            f"of this model is {floor_db:g}; leave this precision out, calibrate on frames that are more "
            "like what it sees, or say --keep-below-floor"
        )


def entry_of(path: Path, precision: str, form: str, likeness: Likeness) -> dict[str, Any]:
    """One of [[variants]], from its file and what was measured."""
    entry: dict[str, Any] = {"file": path.name, "precision": precision}
    if form:
        entry["form"] = form
    entry["sha256"] = read_graph(path).sha256
    entry["psnr_db"] = round(likeness.psnr_db, 1)
    if likeness.ssim is not None:
        entry["ssim"] = round(likeness.ssim, 4)
    entry["max_abs_error"] = float(f"{likeness.max_abs_error:.3g}")
    return entry


def _merged(before: Sequence[dict[str, Any]], made: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Older ones stay where they were not made again; fp16 first, then int8 by its form."""
    by_file = {entry["file"]: entry for entry in (*before, *made)}
    return sorted(by_file.values(), key=lambda entry: (entry["precision"], entry.get("form", "")))


def _text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""
