"""Threads are said, not taken: each piece of work has as many as its setting, and says so."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest

from reelwire.engines import open_engine
from reelwire.models.library import ModelLibrary
from reelwire.settings import Settings
from reelwire.stage import StageFactory
from reelwire.threads import thread_count, usable_cores
from services.editor.stage import EditorFactory
from services.generator.stage import GeneratorFactory
from tests.reelwire.models import graphs

COUNT_THREADS = """
import pathlib, sys, psutil
from reelwire.engines import open_engine
open_engine(pathlib.Path(sys.argv[1]))  # whatever the runtime starts once for all
before = psutil.Process().num_threads()
engine = open_engine(pathlib.Path(sys.argv[1]), threads=int(sys.argv[2]))
print(engine.threads, psutil.Process().num_threads() - before)
"""


@pytest.fixture(autouse=True)
def _opencv_as_before() -> Iterator[None]:
    before = cv2.getNumThreads()
    yield
    cv2.setNumThreads(before)


def test_zero_is_all_cores_that_this_process_may_use() -> None:
    assert thread_count(0) == usable_cores() == len(os.sched_getaffinity(0))
    assert thread_count(3) == 3


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_an_engine_starts_no_more_threads_than_it_says(tmp_path: Path, threads: int) -> None:
    model = graphs.gain(tmp_path / "model.onnx")
    command = [sys.executable, "-c", COUNT_THREADS, str(model), str(threads)]
    told, started = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    assert int(told) == threads
    assert int(started) == threads - 1, "who asks for an inference works on it as well"


def test_threads_that_wait_for_an_inference_do_not_spin(tmp_path: Path) -> None:
    engine = open_engine(graphs.gain(tmp_path / "model.onnx"), threads=2)
    options = engine._session.get_session_options()  # type: ignore[attr-defined]
    assert options.intra_op_num_threads == 2
    assert options.inter_op_num_threads == 1
    for pool in ("intra_op", "inter_op"):
        assert options.get_session_config_entry(f"session.{pool}.allow_spinning") == "0"


@pytest.mark.parametrize(("threads", "words"), [(1, "1 thread"), (3, "3 threads")])
def test_the_log_says_what_a_model_runs_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, threads: int, words: str
) -> None:
    graphs.gain(tmp_path / "net" / "7" / "model.onnx")
    library = ModelLibrary([tmp_path], threads=threads)
    with caplog.at_level(logging.INFO):
        library.open("net")
    library.close()
    assert f"model net@7 runs on onnxruntime, cpu, fp32, {words}" in caplog.messages


@pytest.mark.parametrize("make", [GeneratorFactory, EditorFactory])
def test_picture_operations_take_as_many_threads_as_an_inference(make: type[StageFactory]) -> None:
    factory = make(Settings(engine_threads=3))
    assert cv2.getNumThreads() == 3
    factory.close()
    make(Settings()).close()
    assert cv2.getNumThreads() == 1
