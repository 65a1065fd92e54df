"""Builders are processes: they crash, hang, are killed or left alone, and the cache stays whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from reelwire import metrics
from reelwire.engines.backend import ShapeProfile, Variant
from reelwire.engines.graph import read_graph
from reelwire.engines.tensorrt.builder import ORPHANED
from reelwire.engines.tensorrt.builder_process import MODULE, BuilderProcess, obtain_plan
from reelwire.engines.tensorrt.order import PlanOrder, plan_key
from reelwire.engines.tensorrt.plans import PlanCache
from reelwire.engines.tensorrt.preflight import Gpu
from reelwire.engines.tensorrt.progress import Progress
from reelwire.errors import (
    BackendMissing,
    Cancelled,
    ModelUnusable,
    OperatorUnsupported,
    ProfileInvalid,
    ReelwireError,
    Stalled,
)
from tests.reelwire.engines.tensorrt.refused import CASES
from tests.reelwire.models import graphs

trt = pytest.importorskip(
    "tensorrt_rtx", reason="TensorRT for RTX, the compiler of these tests, is not installed"
)
PROFILES = (ShapeProfile("p", {"frame": ((1, 3, 16, 16), (1, 3, 32, 48), (2, 3, 64, 64))}),)
GPU = Gpu(name="none", compute_capability="8.9", driver="13.0")
COUNTING = "tests.reelwire.engines.tensorrt.counting_rtx"
BOUND_S = 60.0


def order_of(path: Path, profiles: tuple[ShapeProfile, ...] = PROFILES, module: str = COUNTING) -> PlanOrder:
    variant = Variant(read_graph(path), "fp32")
    key = plan_key("tensorrt-rtx", trt.__version__, GPU, variant, profiles)
    return PlanOrder("gain", path, key, path.parent / "plans", module)


@pytest.fixture
def order(tmp_path: Path) -> PlanOrder:
    return order_of(graphs.gain(tmp_path / "model.onnx"))


def builds(order: PlanOrder) -> int:
    """How often the library was asked to build."""
    log = order.graph.parent / "builds.txt"
    return len(log.read_text().splitlines()) if log.exists() else 0


def half_written(order: PlanOrder) -> list[str]:
    """Whatever is neither a whole pair nor a lock."""
    whole = {path.name for path in PlanCache(order.folder).paths(order.key)}
    names = {path.name for path in order.folder.iterdir()} if order.folder.exists() else set()
    return sorted(name for name in names - whole if not name.endswith((".lock", ".building")))


def test_an_order_is_the_same_after_its_line(order: PlanOrder) -> None:
    assert PlanOrder.from_line(order.to_line()) == order
    assert PlanOrder.from_line(order.to_line()).key.digest == order.key.digest


def test_a_plan_is_built_once_and_then_found(order: PlanOrder) -> None:
    plan = obtain_plan(order)
    assert len(plan) > 1000
    assert obtain_plan(order) == plan
    assert builds(order) == 1
    assert half_written(order) == []


def test_progress_moves_in_the_parent_and_in_the_metrics(order: PlanOrder) -> None:
    told: list[Progress] = []
    shown: set[float] = set()

    def listener(progress: Progress) -> None:
        told.append(progress)
        shown.add(metrics.REGISTRY.get_sample_value("reelwire_plan_build_progress", {"model": "gain"}) or 0.0)

    labels = {"backend": "tensorrt-rtx", "model": "gain"}
    before = metrics.REGISTRY.get_sample_value("reelwire_plan_build_seconds_count", labels) or 0.0
    report = BuilderProcess(order, listener).wait()
    fractions = [progress.fraction for progress in told]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert shown == set(fractions)
    assert (report.was_there, report.seconds > 0, report.activation_bytes >= 0) == (False, True, True)
    assert metrics.REGISTRY.get_sample_value("reelwire_plan_build_seconds_count", labels) == before + 1
    assert metrics.REGISTRY.get_sample_value("reelwire_plan_build_progress", {"model": "gain"}) is None


def test_concurrent_builders_in_processes_of_their_own_build_once(order: PlanOrder) -> None:
    with ThreadPoolExecutor(4) as pool:
        reports = list(pool.map(lambda _: BuilderProcess(order).wait(), range(4)))
    assert builds(order) == 1
    assert sorted(report.was_there for report in reports) == [False, True, True, True]
    assert len({report.plan_bytes for report in reports}) == 1


@pytest.mark.parametrize(
    ("name", "error"), [("antialiased Resize", OperatorUnsupported), ("largest sizes differ", ProfileInvalid)]
)
def test_what_the_builder_refuses_is_the_same_error_here(
    tmp_path: Path, name: str, error: type[ReelwireError]
) -> None:
    case = CASES[name]()
    order = order_of(case.save(tmp_path / "model.onnx"), case.profiles)
    with pytest.raises(error) as caught:
        BuilderProcess(order).wait()
    assert (type(caught.value), caught.value.field) == (error, case.field)


def test_a_builder_that_crashes_is_an_error_and_the_next_one_builds(order: PlanOrder) -> None:
    deed = order.graph.parent / "deed.txt"
    deed.write_text("crash")
    with pytest.raises(ModelUnusable, match=r"the builder of gain's plan died \(signal SIGSEGV\)"):
        BuilderProcess(order).wait()
    assert half_written(order) == []
    deed.unlink()
    assert obtain_plan(order)
    assert builds(order) == 2


class Hanging:
    """A builder that hangs in the library, known to have come so far."""

    def __init__(self, order: PlanOrder, max_s: float = 3600) -> None:
        self.deed = order.graph.parent / "deed.txt"
        self.deed.write_text("hang")
        self.arrived = threading.Event()
        self.process = BuilderProcess(order, self.listener, max_s=max_s)

    def listener(self, progress: Progress) -> None:
        if progress.phase == "Parsing":
            self.arrived.set()


def test_a_build_that_is_cancelled_ends_at_once_and_keeps_nothing(order: PlanOrder) -> None:
    hanging = Hanging(order)
    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(hanging.process.wait)
        assert hanging.arrived.wait(BOUND_S)
        hanging.process.cancel()
        with pytest.raises(Cancelled, match="was cancelled"):
            ended.result(BOUND_S)
    assert half_written(order) == []
    hanging.deed.unlink()
    assert obtain_plan(order)


def test_a_build_that_takes_longer_than_its_limit_is_ended(order: PlanOrder) -> None:
    with pytest.raises(Stalled, match="took more than 2 s and was ended"):
        Hanging(order, max_s=2).process.wait()


def test_who_waits_for_a_builder_that_is_killed_builds_itself(order: PlanOrder) -> None:
    hanging = Hanging(order)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(hanging.process.wait)
        assert hanging.arrived.wait(BOUND_S)
        hanging.deed.unlink()
        hanging.deed.write_text("")
        second = pool.submit(BuilderProcess(order).wait)
        hanging.process.cancel()
        results = [first.exception(BOUND_S), second.exception(BOUND_S)]
    assert results[1] is None
    assert PlanCache(order.folder).find(order.key)


def test_a_builder_ends_with_the_process_that_wants_the_plan(order: PlanOrder) -> None:
    (order.graph.parent / "deed.txt").write_text("hang")
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", MODULE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(order.to_line() + "\n")
    child.stdin.flush()
    while '"Parsing"' not in child.stdout.readline():
        assert child.poll() is None
    assert psutil.Process(child.pid).nice() > os.nice(0)
    child.stdin.close()
    assert child.wait(BOUND_S) == ORPHANED
    child.stdout.close()


def test_a_graph_that_was_changed_since_is_not_built_under_its_old_key(order: PlanOrder) -> None:
    graphs.gain(order.graph, shift=0.5)
    with pytest.raises(ModelUnusable, match="it was changed meanwhile"):
        BuilderProcess(order).wait()
    assert builds(order) == 0


def test_a_library_that_is_not_there_or_was_updated_is_said(tmp_path: Path, order: PlanOrder) -> None:
    absent = order_of(order.graph, module="no_such_library")
    with pytest.raises(BackendMissing, match="no_such_library cannot be imported"):
        BuilderProcess(absent).wait()
    key = plan_key("tensorrt-rtx", "0.0.1", GPU, Variant(read_graph(order.graph), "fp32"), PROFILES)
    older = PlanOrder("gain", order.graph, key, order.folder, COUNTING)
    with pytest.raises(BackendMissing, match=r"expected 0\.0\.1: it was updated"):
        BuilderProcess(older).wait()


@pytest.mark.slow
@pytest.mark.parametrize("how", ["corrupt", "truncated", "stale sidecar", "no sidecar"])
def test_a_pair_that_is_not_whole_is_built_again_once(order: PlanOrder, how: str) -> None:
    obtain_plan(order)
    plan_path, sidecar_path = PlanCache(order.folder).paths(order.key)
    spoil(how, plan_path, sidecar_path)
    with ThreadPoolExecutor(3) as pool:
        plans = list(pool.map(lambda _: obtain_plan(order), range(3)))
    assert len(set(plans)) == 1
    assert builds(order) == 2


def spoil(how: str, plan_path: Path, sidecar_path: Path) -> None:
    """One way in which a pair is not whole."""
    plan = bytearray(plan_path.read_bytes())
    if how == "corrupt":
        plan[len(plan) // 2] ^= 1
        plan_path.write_bytes(plan)
    elif how == "truncated":
        os.truncate(plan_path, len(plan) // 2)
    elif how == "stale sidecar":
        sidecar_path.write_text(sidecar_path.read_text().replace('"13.0"', '"12.8"'))
    else:
        sidecar_path.unlink()


def test_a_signal_for_the_builder_is_named(order: PlanOrder) -> None:
    hanging = Hanging(order)
    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(hanging.process.wait)
        assert hanging.arrived.wait(BOUND_S)
        (builder,) = [child for child in psutil.Process().children() if MODULE in " ".join(child.cmdline())]
        builder.send_signal(signal.SIGTERM)
        with pytest.raises(ModelUnusable, match="signal SIGTERM"):
            ended.result(BOUND_S)
