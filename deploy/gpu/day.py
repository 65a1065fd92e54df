"""Puts together what is checked: backends that can run here, models from a folder, and the two made ones."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from deploy.fake_tensorrt import FakeGpu, fake_gpu
from deploy.fake_tensorrt.fake_backend import fake_backend
from deploy.gpu.checks import Day
from deploy.gpu.made import make_models
from deploy.gpu.report import Report, failed
from deploy.gpu.subjects import FULL, WITH_FAKE, Extent, Model, Target, Way
from reelwire.engines.registry import backend
from reelwire.engines.tensorrt.libraries import CUDA_MODULE, ENTERPRISE, RTX, Libraries, load_libraries
from reelwire.errors import ReelwireError
from reelwire.models.location import find_models

LIBRARIES = {facts.name: facts for facts in (ENTERPRISE, RTX)}
FAKES = ("tensorrt", "tensorrt-rtx")
WHOLE_ON = "tensorrt"
"""The fake that all models run on; the other differs in one call and gets the made ones."""


def real_targets(names: Sequence[str]) -> tuple[Target, ...]:
    """Those that can run here. Raises BackendMissing where one cannot be imported after all."""
    told = [backend(name).probe() for name in names]
    return tuple(
        Target(backend(each.backend), _libraries(each.backend), each.device) for each in told if each.ok
    )


def fake_targets() -> tuple[tuple[Target, ...], tuple[FakeGpu, ...]]:
    """Two fakes with a GPU each."""
    fakes = tuple(fake_gpu(name) for name in FAKES)
    return tuple(Target(fake_backend(fake), fake.libraries, fake.gpu.name) for fake in fakes), fakes


def _libraries(name: str) -> Libraries:
    if name in LIBRARIES:
        return load_libraries(LIBRARIES[name])
    return Libraries(None, importlib.import_module(CUDA_MODULE), name, "")


@contextmanager
def prepared(
    targets: tuple[Target, ...], fakes: tuple[FakeGpu, ...], models: Path, folder: Path, report: Report
) -> Iterator[Day]:
    """``folder``: empty, for plans and the made models. A model that cannot be read is a failure of
    "models"; the others go on."""
    make_models(folder / "models")
    extent = WITH_FAKE if fakes else FULL
    with ExitStack() as stack:
        given, made = (_loaded(each, extent, stack, report) for each in (models, folder / "models"))
        plans = folder / "plans"
        whole = [target for target in targets if not fakes or target.name == WHOLE_ON]
        yield Day(
            targets,
            tuple(_ways(whole, given, plans, extent)),
            tuple(_ways(targets, made, plans, extent)),
            extent,
            folder,
            fakes,
        )


def _loaded(folder: Path, extent: Extent, stack: ExitStack, report: Report) -> list[Model]:
    found = []
    for name, locations in find_models([folder]).items():
        try:
            model = Model(locations[-1], extent.profile)
        except ReelwireError as error:
            report.add(failed(name, error.message), "models", "", 0.0)
            continue
        stack.callback(model.close)
        found.append(model)
    return found


def _ways(targets: Sequence[Target], models: Sequence[Model], plans: Path, extent: Extent) -> Iterator[Way]:
    for target in targets:
        for model in models:
            for candidate in target.backend.candidates(model.files.variants):
                yield Way(target, model, candidate, extent, plans)
