"""The contract of every registered backend that can run here, against ONNX Runtime on the CPU: all models
that ship, recurrent graphs, many threads, memory."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import pytest

from reelwire.engines import Engine, open_engine
from reelwire.engines.backend import Array, Candidate, EngineOptions
from reelwire.engines.registry import BACKEND_NAMES, backend
from reelwire.engines.select import Wanted
from reelwire.errors import BadPayload, ModelUnusable, OutsideShapeProfile, PlanMissing, ReelwireError
from reelwire.models.fidelity import least_psnr_db
from reelwire.models.library import SHIPPED
from reelwire.models.loading import ModelFiles, load_model, read_files
from reelwire.models.location import locate
from reelwire.models.sample import read_sample
from reelwire.models.understand import understand
from tests.reelwire.models import graphs

PROBED = {name: backend(name).probe() for name in BACKEND_NAMES}
USABLE = [name for name, told in PROBED.items() if told.ok]
MODELS = sorted(folder.name for folder in SHIPPED.iterdir() if (folder / "model.onnx").is_file())
FP32_DB = 60.0
"""Sums in another order cost less, bf16 and TF32 cost more."""
BROKEN_DB = 20.0
"""Below it, it is no rounding but something else that is computed."""
STEPS = 60
OPENINGS = 12
GROWTH_BYTES = 24 << 20
"""Far below what ``OPENINGS`` leaked copies of a model take, above what allocators keep."""
EVERY = pytest.mark.parametrize("name", USABLE)


def ways(name: str, model: str) -> tuple[Candidate, ...]:
    """All candidates of a backend for a model that ships."""
    return backend(name).candidates(read_files(locate(SHIPPED / model)).variants)


@contextmanager
def opened(candidate: Candidate, **options: object) -> Iterator[Engine]:
    """Closed afterwards; skipped where a plan would have to be built first."""
    try:
        engine = backend(candidate.backend).open(candidate, EngineOptions(**options))  # type: ignore[arg-type]
    except PlanMissing as error:
        pytest.skip(f"{candidate}: {error.message}")
    try:
        yield engine
    finally:
        engine.close()


@contextmanager
def graph(name: str, path: Path) -> Iterator[Engine]:
    """A made graph on a backend, in fp32."""
    engine = open_engine(path, wanted=Wanted(name))
    try:
        yield engine
    finally:
        engine.close()


@EVERY
@pytest.mark.parametrize("model", MODELS)
def test_fp32_gives_what_the_reference_gives_and_what_is_below_the_models_floor_is_refused(
    name: str, model: str
) -> None:
    """int8 is another arithmetic on each backend: what one keeps above the floor, another may not."""
    files = read_files(locate(SHIPPED / model))
    with graph("onnxruntime", SHIPPED / model / "model.onnx") as reference:
        feeds = feeds_of(reference, files)
        wanted = reference.run(feeds)
    floor_db = files.manifest.quality.min_psnr_db
    for candidate in ways(name, model):
        with opened(candidate) as engine:
            assert (engine.backend, engine.precision) == (name, candidate.precision)
            assert engine.device == PROBED[name].device
            likeness = least_psnr_db(wanted, engine.run(feeds))
        assert likeness >= (FP32_DB if candidate.precision == "fp32" else BROKEN_DB), str(candidate)
        asked = Wanted(name, candidate.precision)
        if candidate.precision == "fp32" or likeness >= floor_db:
            load_model(files, asked, threads=1).close()
        else:
            with pytest.raises(ModelUnusable, match=rf"{likeness:.1f} dB, at least {floor_db:g} passes"):
                load_model(files, asked, threads=1)


def feeds_of(reference: Engine, files: ModelFiles) -> dict[str, Array]:
    """The model's own sample, which its other precisions are measured on; else a gradient."""
    sample = read_sample(files.location.manifest.parent, files.manifest)
    if sample is not None:
        return sample.inputs
    assert len(files.variants) == 1, "a model with other precisions has a sample"
    spec = understand(reference, files.manifest)
    picture = spec.picture_input
    rows, columns = np.mgrid[: picture.height or 96, : picture.width or 128]
    smooth = np.stack([rows * 2 % 256, columns * 2 % 256, (rows + columns) % 256], -1).astype(np.uint8)
    return {picture.name: spec.to_tensor(np.repeat(smooth[None], spec.window.frames, 0))}


@EVERY
@pytest.mark.parametrize("named", [True, False])
def test_it_says_names_and_dimensions_as_the_reference_does(name: str, named: bool, tmp_path: Path) -> None:
    path = graphs.quarter_mixing(tmp_path / "model.onnx", named=named)
    with graph(name, path) as engine, graph("onnxruntime", path) as reference:
        assert engine.inputs == reference.inputs
        assert [(spec.name, spec.dtype) for spec in engine.outputs] == [
            (spec.name, spec.dtype) for spec in reference.outputs
        ]


@EVERY
def test_state_goes_round_for_sixty_steps_as_on_the_reference(name: str, tmp_path: Path) -> None:
    path = graphs.quarter_mixing(tmp_path / "model.onnx", named=True)
    states = {"h": "h_next"}
    random = np.random.default_rng(4)
    with graph(name, path) as engine, graph("onnxruntime", path) as reference:
        streams = engine.stream(states), reference.stream(states)
        for each in streams:
            each.load({"h": np.zeros((1, 3, 8, 12), np.float32)})
        for _ in range(STEPS):
            feeds = {"frame": random.random((1, 3, 32, 48), np.float32)}
            got, wanted = (each.step(feeds) for each in streams)
            assert got.keys() == wanted.keys() == {"picture"}
            np.testing.assert_allclose(got["picture"], wanted["picture"], atol=1e-5)
        saved = streams[0].state()
        np.testing.assert_allclose(saved["h"], streams[1].state()["h"], atol=1e-5)
        again = engine.stream(states)
        again.load(saved)
        assert again.step(feeds)["picture"].tobytes() == streams[0].step(feeds)["picture"].tobytes()
        for each in (*streams, again):
            each.close()
            each.close()


@EVERY
@pytest.mark.parametrize("threads", [1, 2])
def test_many_threads_get_the_bytes_that_one_gets(name: str, threads: int) -> None:
    for candidate in ways(name, "restyle"):
        with opened(candidate, threads=threads) as engine:
            feeds = [noise(40 + 8 * (place % 3), 56, place) for place in range(6)]
            alone = [engine.run(feed)["styled"].tobytes() for feed in feeds]
            with ThreadPoolExecutor(6) as pool:
                together = [result["styled"].tobytes() for result in pool.map(engine.run, feeds * 3)]
            assert together == alone * 3, str(candidate)


@EVERY
def test_what_came_out_is_the_callers_and_stays(name: str) -> None:
    for candidate in ways(name, "restyle"):
        with opened(candidate) as engine:
            first = engine.run(noise(40, 48, 1))["styled"]
            kept = first.copy()
            engine.run(noise(40, 48, 2))
            assert np.array_equal(first, kept), str(candidate)


@EVERY
@pytest.mark.parametrize(
    ("feeds", "error"),
    [
        ({"picture": np.zeros((1, 3, 4, 4), np.float32)}, BadPayload),
        ({"frame": np.zeros((1, 3, 4, 4), np.float64)}, BadPayload),
        ({"frame": np.zeros((1, 4, 4, 4), np.float32)}, OutsideShapeProfile),
        ({"frame": np.zeros((3, 4, 4), np.float32)}, OutsideShapeProfile),
    ],
    ids=["name", "type", "length", "rank"],
)
def test_wrong_inputs_are_refused_alike(
    name: str, feeds: dict[str, Array], error: type[ReelwireError], tmp_path: Path
) -> None:
    with graph(name, graphs.gain(tmp_path / "model.onnx")) as engine:
        with pytest.raises(error):
            engine.run(feeds)


@EVERY
def test_closing_frees_the_memory(name: str) -> None:
    """Each opening of restyle takes megabytes; what many leave behind must not grow."""
    process = psutil.Process()
    (candidate, *_) = ways(name, "restyle")

    def open_and_close() -> None:
        with opened(candidate) as engine:
            engine.run(noise(128, 192, 0))

    for _ in range(3):
        open_and_close()
    gc.collect()
    before = process.memory_info().rss
    for _ in range(OPENINGS):
        open_and_close()
    gc.collect()
    assert process.memory_info().rss - before < GROWTH_BYTES


@pytest.mark.parametrize("name", [name for name in BACKEND_NAMES if name not in USABLE])
def test_one_that_cannot_run_here_says_why_and_what_to_do_in_one_line_each(name: str) -> None:
    told = PROBED[name]
    assert told.problem
    assert told.fix
    assert "\n" not in told.problem + told.fix
    assert told == backend(name).probe()


def noise(height: int, width: int, seed: int) -> dict[str, Array]:
    return {"frame": np.random.default_rng(seed).random((1, 3, height, width), np.float32)}
