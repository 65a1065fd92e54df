"""Each model that ships, in every precision that its model.toml lists, is compiled as NVIDIA's compiler will
on the day a GPU is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from reelwire.engines.backend import Engine, ShapeProfile
from reelwire.engines.select import Wanted, open_engine
from reelwire.engines.tensorrt.compile_check import compile_check
from reelwire.engines.tensorrt.profiles import check_profiles
from reelwire.errors import OperatorUnsupported
from reelwire.models.default_profiles import default_profiles
from reelwire.models.library import SHIPPED
from reelwire.models.loading import ModelFiles, read_files
from reelwire.models.location import find_models
from reelwire.models.understand import understand

pytest.importorskip("tensorrt_rtx", reason="TensorRT for RTX, the compiler of these tests, is not installed")

MODELS = {
    name: read_files(location) for name, each in find_models([SHIPPED]).items() for location in each[-1:]
}
FILES = [
    pytest.param(name, variant.facts.path, id=f"{name} {variant.facts.path.name}")
    for name, files in MODELS.items()
    for variant in files.variants
    if variant.form != "u8s8"
]
UNSIGNED = [
    pytest.param(name, variant.facts.path, id=name)
    for name, files in MODELS.items()
    for variant in files.variants
    if variant.form == "u8s8"
]


def opened(files: ModelFiles) -> Engine:
    return open_engine(files.facts.path, wanted=Wanted("onnxruntime"))


def profiles_of(name: str) -> tuple[ShapeProfile, ...]:
    """As a service would have them."""
    files = MODELS[name]
    if files.profiles:
        return files.profiles
    engine = opened(files)
    try:
        return default_profiles(understand(engine, files.manifest), engine.inputs)
    finally:
        engine.close()


def test_all_models_that_ship_are_looked_at() -> None:
    assert MODELS.keys() >= {"restyle", "upscale", "identity", "centerface", "selfie-segmentation"}
    assert len(FILES) >= len(MODELS)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "path"), FILES)
def test_it_compiles(name: str, path: Path) -> None:
    assert compile_check(path, profiles_of(name)).plan_bytes > 1000


@pytest.mark.slow
@pytest.mark.parametrize(("name", "path"), UNSIGNED)
def test_the_file_for_other_backends_does_not(name: str, path: Path) -> None:
    with pytest.raises(OperatorUnsupported):
        compile_check(path, profiles_of(name))


@pytest.mark.parametrize("name", MODELS)
def test_its_default_profile_fits_the_graph(name: str) -> None:
    files = MODELS[name]
    engine = opened(files)
    try:
        made = default_profiles(understand(engine, files.manifest), engine.inputs)
        check_profiles(engine.inputs, made)
    finally:
        engine.close()
    fixed = all(isinstance(length, int) for spec in engine.inputs for length in spec.shape)
    assert bool(made) != fixed
