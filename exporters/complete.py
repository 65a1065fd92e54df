"""What a model folder should have besides graph and meaning: a floor of likeness, a sample, sizes for
plans."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from exporters.profiles import profiles_for
from exporters.sample import make_sample, write_sample
from exporters.served import Served, opened
from exporters.toml import toml_text
from reelwire.models.manifest import MANIFEST_NAME

FLOOR_DB = 30.0
"""[quality] min_psnr_db where nobody chose one."""


def fill_in(served: Served, folder: Path, manifest: dict[str, Any], clips: Sequence[Path] = ()) -> float:
    """Adds to ``manifest``, and into ``folder``, what is missing; gives the floor in dB. A model that takes
    no picture gets no sample: nothing is known of what its inputs mean."""
    floor_db = float(manifest.setdefault("quality", {"min_psnr_db": FLOOR_DB})["min_psnr_db"])
    if served.spec.image_input is None:
        return floor_db
    if "sample" not in manifest:
        run = make_sample(served, clips)
        manifest["sample"] = write_sample(folder, run.inputs[0], run.outputs[0])
    if "profiles" not in manifest:
        profiles = profiles_for(served.spec, served.inputs)
        manifest |= {"profiles": profiles} if profiles else {}
    return floor_db


def complete(folder: Path, manifest: dict[str, Any]) -> None:
    """``fill_in`` for a folder that is being written, and its model.toml."""
    with opened(folder) as served:
        fill_in(served, folder, manifest)
    (folder / MANIFEST_NAME).write_text(toml_text(manifest), encoding="utf-8")
