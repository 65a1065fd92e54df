"""Plans on disk: what a key is, whose plans are believed, and how many are kept."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from reelwire.engines.backend import ShapeProfile
from reelwire.engines.tensorrt import plans
from reelwire.engines.tensorrt.plans import PlanCache, PlanKey
from reelwire.errors import BadParameter, PlanMissing

P360 = ShapeProfile("360p", {"frame": ((1, 3, 32, 32), (1, 3, 360, 640), (1, 3, 360, 640))})
P720 = ShapeProfile("720p", {"frame": ((1, 3, 32, 32), (1, 3, 720, 1280), (1, 3, 720, 1280))})
KEY = PlanKey("a" * 64, "tensorrt", "11.4.0.106", "8.9", "NVIDIA L4", "13.0", "fp16", (P360,))
PLAN = b"a plan of some length" * 100
BOUND_S = 60.0
OTHERS = {
    "model": replace(KEY, sha256="b" * 64),
    "backend": replace(KEY, backend="tensorrt-rtx"),
    "library version": replace(KEY, library_version="11.4.1"),
    "compute capability": replace(KEY, compute_capability="8.6"),
    "GPU": replace(KEY, gpu="NVIDIA A10"),
    "driver": replace(KEY, driver="13.1"),
    "precision": replace(KEY, precision="fp32"),
    "profiles": replace(KEY, profiles=(P720,)),
    "number of profiles": replace(KEY, profiles=(P360, P720)),
    "order of profiles": replace(KEY, profiles=(P720, P360)),
}


@pytest.mark.parametrize("what", OTHERS)
def test_whatever_a_plan_depends_on_changes_its_key(what: str) -> None:
    others = [each.digest for name, each in OTHERS.items() if name != what]
    assert OTHERS[what].digest not in [KEY.digest, *others]


def test_a_profiles_name_and_the_order_of_inputs_change_no_key() -> None:
    shapes = ((1, 1, 1),) * 3
    one = replace(KEY, profiles=(ShapeProfile("a", {"x": shapes, "y": shapes}),))
    other = replace(KEY, profiles=(ShapeProfile("b", {"y": shapes, "x": shapes}),))
    assert one.digest == other.digest


def test_a_plan_is_found_by_its_key_alone(tmp_path: Path) -> None:
    cache = PlanCache(tmp_path / "plans")
    assert cache.find(KEY) is None
    cache.store(KEY, PLAN)
    assert cache.find(KEY) == PLAN
    assert [cache.find(other) for other in OTHERS.values()] == [None] * len(OTHERS)
    cache.store(KEY, PLAN[::-1])
    assert cache.find(KEY) == PLAN[::-1]


def test_plans_are_kept_in_the_users_cache_and_nowhere_that_others_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REELWIRE_CACHE_DIR", str(tmp_path / "cache"))
    assert PlanCache().folder == tmp_path / "cache" / "plans"
    (tmp_path / "open").mkdir(mode=0o777)
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(BadParameter, match="loaded only from a folder of one's own"):
        PlanCache(tmp_path / "open")


def test_a_plan_can_be_forgotten_and_others_stay(tmp_path: Path) -> None:
    cache = PlanCache(tmp_path / "plans")
    other = replace(KEY, gpu="another")
    for key in (KEY, other):
        cache.store(key, PLAN)
    for _ in range(2):
        cache.forget(KEY)
    assert (cache.find(KEY), cache.find(other)) == (None, PLAN)
    assert not any(path.exists() for path in cache.paths(KEY))


def test_the_plans_used_longest_ago_go_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "MOST_PLANS", 3)
    cache = PlanCache(tmp_path / "plans")
    keys = [replace(KEY, gpu=str(number)) for number in range(5)]
    for age, key in enumerate(keys[:3]):
        cache.store(key, PLAN)
        os.utime(cache.paths(key)[0], (age, age))
    assert cache.find(keys[0]) == PLAN  # now the newest
    for key in keys[3:]:
        cache.store(key, PLAN)
    assert [cache.find(key) is not None for key in keys] == [True, False, False, True, True]


def test_who_waits_too_long_for_another_builder_is_told_so(tmp_path: Path) -> None:
    cache = PlanCache(tmp_path / "plans")
    with cache.building(KEY), ThreadPoolExecutor(1) as pool:
        with pytest.raises(PlanMissing, match="held by another builder for more than 0 s"):
            pool.submit(wait_for, cache).result(BOUND_S)


def wait_for(cache: PlanCache) -> None:
    with cache.building(KEY, wait_s=0):
        pass
