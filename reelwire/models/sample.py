"""The sample of a model folder: one run's inputs and outputs, which the model must give here as well."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reelwire.engines.backend import Array, Engine
from reelwire.engines.graph import sha256_of
from reelwire.errors import ModelUnusable, ReelwireError
from reelwire.models.fidelity import least_psnr_db, max_abs_error
from reelwire.models.manifest import Manifest

INPUT, OUTPUT = "input ", "output "
MAX_SAMPLE_BYTES = 64 << 20
EXACT_ELSEWHERE_DB = 60.0
"""Likeness of an fp32 run on another kind of device, whose sums round in another order."""


@dataclass(frozen=True, slots=True)
class Sample:
    """``inputs`` and ``outputs`` by name; ``tolerance``: largest absolute difference of an fp32 run on a
    CPU."""

    inputs: dict[str, Array]
    outputs: dict[str, Array]
    tolerance: float


def read_sample(folder: Path, manifest: Manifest) -> Sample | None:
    """The sample that a model.toml lists; None: it lists none. ModelUnusable: it is missing or damaged."""
    listed = manifest.sample
    if listed is None:
        return None
    path = folder / listed.file
    if not path.is_file():
        raise ModelUnusable(f"model.toml lists {listed.file}, which is missing; copy it beside it")
    if path.stat().st_size > MAX_SAMPLE_BYTES:
        raise ModelUnusable(f"{listed.file} is over {MAX_SAMPLE_BYTES >> 20} MiB; export the model again")
    if sha256_of((path,)) != listed.sha256:
        raise ModelUnusable(
            f"{listed.file} is not the file that model.toml means; copy it again, or export the model again"
        )
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile):
        raise ModelUnusable(f"{listed.file} is no .npz file; export the model again") from None
    inputs = {name.removeprefix(INPUT): array for name, array in arrays.items() if name.startswith(INPUT)}
    outputs = {name.removeprefix(OUTPUT): array for name, array in arrays.items() if name.startswith(OUTPUT)}
    if not inputs or not outputs:
        raise ModelUnusable(f'{listed.file} holds {sorted(arrays)}; expected "input NAME" and "output NAME"')
    return Sample(inputs, outputs, listed.tolerance)


def check_sample(engine: Engine, sample: Sample, min_psnr_db: float) -> float:
    """How like the sample's outputs are to those of this engine, in dB. ModelUnusable: the engine does not
    give them: in fp32 on a CPU to the sample's tolerance, else to a likeness of ``min_psnr_db``."""
    try:
        got = engine.run(sample.inputs)
    except ReelwireError as error:
        raise ModelUnusable(f"the sample's run failed: {error.message}") from None
    likeness = least_psnr_db(sample.outputs, got)
    if engine.precision == "fp32" and engine.device == "cpu":
        off = max_abs_error(sample.outputs, got)
        if not off <= sample.tolerance:
            raise ModelUnusable(
                f"on {engine.backend} it is off its own sample by {off:.3g}, at most {sample.tolerance:g} "
                "passes; it is damaged, or the sample is of another model: export it again"
            )
        return likeness
    least = max(min_psnr_db, EXACT_ELSEWHERE_DB) if engine.precision == "fp32" else min_psnr_db
    if not likeness >= least:
        raise ModelUnusable(
            f"on {engine.backend} in {engine.precision} it is like its own sample to {likeness:.1f} dB, at "
            f"least {least:g} passes; export it again, or ask for a more exact precision"
        )
    return likeness
