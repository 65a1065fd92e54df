"""Runs of different streams as one inference: each gets what it has alone, and always an answer."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from reelwire.engines import batching, open_engine
from reelwire.engines.backend import Array
from reelwire.engines.batching import BatchingEngine, BatchLimits
from reelwire.engines.rows import BatchRows, same_bits
from reelwire.errors import BadPayload, Internal, ModelUnusable, Stalled
from tests.reelwire.engines.batches import LONG_S, Bench, Outputs, bench, random_pictures, wait_for
from tests.reelwire.models import batch_graphs, graphs

RATE = np.array(16000, np.int64)
HOLDER = {"frame": np.zeros((1, 3, 4, 4), np.float32)}


def _frames(count: int) -> list[dict[str, Array]]:
    return [{"frame": picture} for picture in random_pictures(count)]


def _assert_alone(made: Bench, feeds: Sequence[Mapping[str, Array]], got: Sequence[Outputs]) -> None:
    for each, outputs in zip(feeds, got, strict=True):
        assert same_bits(outputs, made.solo.run(each))


def test_each_run_of_a_batch_gets_its_own_rows_bit_for_bit(tmp_path: Path) -> None:
    made = bench(graphs.gain(tmp_path / "model.onnx"), ("frame",))
    feeds = _frames(5)
    got = [run.result(LONG_S) for run in made.together(HOLDER, feeds)]
    _assert_alone(made, feeds, got)
    assert made.gate.rows == [1, 5]


def test_what_a_run_gets_is_its_own_memory(tmp_path: Path) -> None:
    made = bench(graphs.gain(tmp_path / "model.onnx"), ("frame",))
    feeds = _frames(3)
    got = [run.result(LONG_S) for run in made.together(HOLDER, feeds)]
    for one in got:
        assert one["result"].base is None
        assert one["result"].flags.owndata
    got[0]["result"][:] = -1
    _assert_alone(made, feeds[1:], got[1:])


def test_states_go_with_their_stream(tmp_path: Path) -> None:
    made = bench(graphs.quarter_mixing(tmp_path / "model.onnx", named=True), ("frame", "h"))
    alone = made.solo
    states = [np.full((1, 3, 3, 4), 0.1 * place, np.float32) for place in range(4)]
    batched, single = list(states), list(states)
    holder = {"frame": np.zeros((1, 3, 4, 4), np.float32), "h": np.zeros((1, 3, 1, 1), np.float32)}
    for step in range(4):
        pictures = random_pictures(4, seed=step)
        feeds = [{"frame": pictures[k], "h": batched[k]} for k in range(4)]
        got = [run.result(LONG_S) for run in made.together(holder, feeds)]
        want = [alone.run({"frame": pictures[k], "h": single[k]}) for k in range(4)]
        assert all(map(same_bits, got, want))
        batched, single = [one["h_next"] for one in got], [one["h_next"] for one in want]
    assert made.gate.rows == [1, 4] * 4


def test_windows_are_rows_of_their_own(tmp_path: Path) -> None:
    made = bench(graphs.window_mean(tmp_path / "model.onnx", frames=5, each=True), ("clip",))
    random = np.random.default_rng(1)
    feeds = [{"clip": random.random((1, 5, 3, 8, 12), np.float32)} for _ in range(3)]
    holder = {"clip": np.zeros((1, 5, 3, 4, 4), np.float32)}
    _assert_alone(made, feeds, [run.result(LONG_S) for run in made.together(holder, feeds)])
    assert made.gate.rows == [1, 3]


def test_different_sizes_never_share_a_batch(tmp_path: Path) -> None:
    made = bench(graphs.gain(tmp_path / "model.onnx"), ("frame",))
    sizes = [(8, 8), (12, 16), (16, 12), (8, 8), (12, 16), (8, 8)]
    feeds = [{"frame": random_pictures(1, *size, seed=place)[0]} for place, size in enumerate(sizes)]
    _assert_alone(made, feeds, [run.result(LONG_S) for run in made.together(HOLDER, feeds)])
    assert sorted(made.gate.rows[1:]) == [1, 2, 3]


def test_a_run_whose_constants_are_not_the_models_runs_alone(tmp_path: Path) -> None:
    batch_graphs.scaled(tmp_path / "model.onnx")
    rows = BatchRows(("frame",), {"gain": np.array([2.0], np.float32)})
    made = bench(tmp_path / "model.onnx", ("frame",), rows=rows)
    own = [np.array([gain], np.float32) for gain in (2.0, 2.0, 3.0, 3.0, 2.0)]
    feeds = [{"frame": p, "gain": gain} for p, gain in zip(random_pictures(5), own, strict=True)]
    holder = {**HOLDER, "gain": own[0]}
    _assert_alone(made, feeds, [run.result(LONG_S) for run in made.together(holder, feeds)])
    assert sorted(made.gate.rows[1:]) == [1, 1, 3]


def test_a_batch_is_bounded(tmp_path: Path) -> None:
    made = bench(graphs.gain(tmp_path / "model.onnx"), ("frame",), max_rows=4)
    feeds = _frames(10)
    _assert_alone(made, feeds, [run.result(LONG_S) for run in made.together(HOLDER, feeds)])
    assert made.gate.rows == [1, 4, 4, 2]


def test_one_stream_alone_waits_for_nobody(tmp_path: Path) -> None:
    engine = open_engine(graphs.gain(tmp_path / "model.onnx"))
    alone = BatchingEngine(engine, BatchRows(("frame",)), BatchLimits(8, 3600.0, 1))
    with ThreadPoolExecutor(1) as pool:
        for feeds in _frames(50):
            pool.submit(alone.run, feeds).result(LONG_S)


def test_a_slot_that_is_free_is_used_before_anyone_gathers(tmp_path: Path) -> None:
    both = threading.Barrier(2)

    class Meeting(BatchingEngine):
        def _alone(self, run: batching._Run) -> Outputs | BaseException:
            both.wait(LONG_S)
            return super()._alone(run)

    engine = open_engine(graphs.gain(tmp_path / "model.onnx"))
    made = Meeting(engine, BatchRows(("frame",)), BatchLimits(8, 3600.0, 2))
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(made.run, _frames(2), timeout=LONG_S))


def test_an_error_in_a_batch_is_the_error_of_the_run_that_has_it_alone(tmp_path: Path) -> None:
    made = bench(graphs.gain(tmp_path / "model.onnx"), ("frame",))
    feeds = _frames(5)
    feeds[2]["frame"][0, 0, 0, 0] = 777
    made.gate.fails = lambda inputs: bool((inputs["frame"] == 777).any())
    runs = made.together(HOLDER, feeds)
    with pytest.raises(ArithmeticError, match="planted"):
        runs[2].result(LONG_S)
    del runs[2], feeds[2]
    _assert_alone(made, feeds, [run.result(LONG_S) for run in runs])


def test_a_wrong_input_is_refused_before_it_meets_others(tmp_path: Path) -> None:
    made = bench(graphs.gain(tmp_path / "model.onnx"), ("frame",))
    with pytest.raises(BadPayload, match="missing"):
        made.engine.run({"picture": HOLDER["frame"]})
    assert made.gate.rows == []


def test_a_leader_that_is_torn_down_leaves_nobody_waiting(tmp_path: Path) -> None:
    made = bench(graphs.gain(tmp_path / "model.onnx"), ("frame",))

    def leave(inputs: Mapping[str, Array]) -> bool:
        if inputs["frame"].shape[0] > 1:
            raise SystemExit
        return False

    made.gate.fails = leave
    runs = made.together(HOLDER, _frames(3))
    with pytest.raises(SystemExit):
        runs[0].result(LONG_S)
    for run in runs[1:]:
        with pytest.raises(Internal):
            run.result(LONG_S)
    made.gate.fails = lambda inputs: False
    made.engine.run(HOLDER)


def test_closing_answers_those_who_wait(tmp_path: Path) -> None:
    made = bench(graphs.gain(tmp_path / "model.onnx"), ("frame",))
    made.gate.shut()
    held = made.pool.submit(made.engine.run, HOLDER)
    waiting = [made.pool.submit(made.engine.run, each) for each in _frames(3)]
    wait_for(lambda: made.waiting == 3)
    made.gate.inner.close = lambda: None  # type: ignore[method-assign]  # a run is under way in it
    made.engine.close()
    for run in waiting:
        with pytest.raises(ModelUnusable, match="closed"):
            run.result(LONG_S)
    made.gate.open()
    held.result(LONG_S)
    with pytest.raises(ModelUnusable, match="closed"):
        made.engine.run(HOLDER)


def test_a_runtime_that_hangs_is_an_error_of_those_who_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batching, "LONGEST_WAIT_S", 0.05)
    made = bench(graphs.gain(tmp_path / "model.onnx"), ("frame",))
    made.gate.shut()
    held = made.pool.submit(made.engine.run, HOLDER)
    assert made.gate.entered.acquire(timeout=LONG_S)
    with pytest.raises(Stalled, match="gave no answer"):
        made.engine.run(_frames(1)[0])
    assert made.waiting == 0
    made.gate.open()
    held.result(LONG_S)


@pytest.mark.parametrize(
    "coupled", [batch_graphs.row_mean, batch_graphs.row_rounded], ids=["mean", "last bits"]
)
def test_a_shape_whose_batches_differ_gets_what_it_has_alone_and_is_batched_no_more(
    tmp_path: Path, coupled: graphs.Maker
) -> None:
    made = bench(coupled(tmp_path / "model.onnx"), ("frame",), checked=True)
    for _ in range(2):
        feeds = _frames(3)
        _assert_alone(made, feeds, [run.result(LONG_S) for run in made.together(HOLDER, feeds)])
    assert made.gate.rows[:5] == [1, 3, 1, 1, 1]
    assert set(made.gate.rows[5:]) == {1}


def test_a_shape_whose_batches_agree_is_checked_once_for_each_length(tmp_path: Path) -> None:
    made = bench(graphs.gain(tmp_path / "model.onnx"), ("frame",), checked=True)
    for count in (3, 3, 2):
        feeds = _frames(count)
        _assert_alone(made, feeds, [run.result(LONG_S) for run in made.together(HOLDER, feeds)])
    assert made.gate.rows == [1, 3, 1, 1, 1, 1, 3, 1, 2, 1, 1]


class _Swapped(BatchRows):
    def scatter(self, outputs: Mapping[str, Array], counts: Sequence[int]) -> list[Outputs]:
        return super().scatter(outputs, counts)[::-1]


class _StateOfAnother(BatchRows):
    def gather(self, runs: Sequence[Mapping[str, Array]]) -> Outputs:
        turned = [{**run, "h": other["h"]} for run, other in zip(runs, [*runs[1:], runs[0]], strict=True)]
        return super().gather(turned)


class _StaleBuffer(BatchRows):
    kept: dict[int, Outputs] = {}  # noqa: RUF012 - that is the fault

    def gather(self, runs: Sequence[Mapping[str, Array]]) -> Outputs:
        return self.kept.setdefault(len(runs), super().gather(runs))


class _SharedMemory(BatchRows):
    def scatter(self, outputs: Mapping[str, Array], counts: Sequence[int]) -> list[Outputs]:
        return [{name: array[:1] for name, array in outputs.items()} for _ in counts]


class _Swallows(BatchingEngine):
    def _alone(self, run: batching._Run) -> Outputs | BaseException:
        made = super()._alone(run)
        return (
            {"picture": run.inputs["frame"], "h_next": run.inputs["h"]}
            if isinstance(made, Exception)
            else made
        )


def _streams_get_their_own(made: Bench) -> None:
    """What must hold for any batching: two rounds of four streams with states; one of them then fails."""
    holder = {"frame": np.zeros((1, 3, 4, 4), np.float32), "h": np.zeros((1, 3, 1, 1), np.float32)}
    states = [np.full((1, 3, 3, 4), 0.1 * place, np.float32) for place in range(4)]
    for seed in (1, 2):
        pictures = random_pictures(4, seed=seed)
        feeds = [{"frame": p, "h": h} for p, h in zip(pictures, states, strict=True)]
        got = [run.result(LONG_S) for run in made.together(holder, feeds)]
        _assert_alone(made, feeds, got)
        states = [one["h_next"] for one in got]
    made.gate.fails = lambda inputs: True
    made.gate.shut()
    run = made.pool.submit(made.engine.run, feeds[0])
    made.gate.open()
    assert isinstance(run.exception(LONG_S), ArithmeticError), "an error was swallowed"


FAULTS: dict[str, tuple[type[BatchRows], type[BatchingEngine]]] = {
    "rows swapped": (_Swapped, BatchingEngine),
    "state of another stream": (_StateOfAnother, BatchingEngine),
    "stale batch buffer": (_StaleBuffer, BatchingEngine),
    "everyone gets the first rows": (_SharedMemory, BatchingEngine),
    "error swallowed": (BatchRows, _Swallows),
}


@pytest.mark.parametrize("fault", [None, *FAULTS])
def test_planted_faults_are_caught(tmp_path: Path, fault: str | None) -> None:
    rows, kind = FAULTS[fault] if fault else (BatchRows, BatchingEngine)
    path = graphs.quarter_mixing(tmp_path / "model.onnx", named=True)
    made = bench(path, ("frame", "h"), rows=rows(("frame", "h")), kind=kind)
    if fault is None:
        _streams_get_their_own(made)
        return
    with pytest.raises(AssertionError):
        _streams_get_their_own(made)
