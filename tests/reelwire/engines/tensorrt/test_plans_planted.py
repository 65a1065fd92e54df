"""Checks of plans and profiles that run on the sources as they are, and on sources with a planted fault each:
every fault must be caught."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import pytest

import reelwire.cache
from reelwire.engines.backend import ShapeProfile, TensorSpec
from reelwire.engines.tensorrt import plans, profiles
from reelwire.errors import PlanMissing, ProfileInvalid
from tests.reelwire.engines.tensorrt.test_plans import BOUND_S, KEY, OTHERS, PLAN


def check_believed(module: ModuleType, folder: Path, spoil: Callable[[Path, Path], object]) -> None:
    """A pair that is not whole counts as none and is removed."""
    cache = module.PlanCache(folder)
    cache.store(KEY, PLAN)
    spoil(*cache.paths(KEY))
    assert cache.find(KEY) is None
    assert not any(path.exists() for path in cache.paths(KEY)[:1] if cache.paths(KEY)[1].exists())
    cache.store(KEY, PLAN)
    assert cache.find(KEY) == PLAN


def check_corrupt_plan(module: ModuleType, folder: Path) -> None:
    """One bit of the plan changed."""
    check_believed(module, folder, lambda plan, _: plan.write_bytes(b"A" + PLAN[1:]))


def check_truncated_plan(module: ModuleType, folder: Path) -> None:
    """Half of the plan."""
    check_believed(module, folder, lambda plan, _: plan.write_bytes(PLAN[: len(PLAN) // 2]))


def check_plan_of_another_model(module: ModuleType, folder: Path) -> None:
    """A whole pair, of another model, under this model's name: as a copy or a wrong digest would leave it."""

    def put_another(plan: Path, sidecar: Path) -> None:
        cache = module.PlanCache(folder)
        cache.store(OTHERS["model"], PLAN[::-1])
        other_plan, other_sidecar = cache.paths(OTHERS["model"])
        plan.write_bytes(other_plan.read_bytes())
        sidecar.write_bytes(other_sidecar.read_bytes())

    check_believed(module, folder, put_another)


def check_sidecar_of_another_program(module: ModuleType, folder: Path) -> None:
    """The form of another version of ours, or no JSON at all."""

    def reform(_: Path, sidecar: Path) -> None:
        sidecar.write_text(json.dumps({**json.loads(sidecar.read_text()), "form": 99}))

    check_believed(module, folder, reform)
    check_believed(module, folder, lambda _, sidecar: sidecar.write_text("{"))


def check_built_once(module: ModuleType, folder: Path) -> None:
    """Of four who want a plan at once, one builds; nobody builds before all have looked."""
    all_looked = threading.Barrier(4)
    built: list[bytes] = []

    def obtain() -> bytes:
        cache = module.PlanCache(folder)
        found: bytes | None = cache.find(KEY)
        all_looked.wait(BOUND_S)
        with cache.building(KEY):
            found = cache.find(KEY)
            if found is None:
                built.append(PLAN)
                cache.store(KEY, PLAN)
                found = cache.find(KEY)
        assert found is not None
        return found

    with ThreadPoolExecutor(4) as pool:
        results = [future.result(BOUND_S) for future in [pool.submit(obtain) for _ in range(4)]]
    assert results == [PLAN] * 4
    assert len(built) == 1


def check_lock_excludes(module: ModuleType, folder: Path) -> None:
    """While one builds, no other process gets the lock, nor another builder of this one."""
    cache = module.PlanCache(folder)
    program = (
        "import fcntl, sys\n"
        "try: fcntl.flock(open(sys.argv[1], 'a'), fcntl.LOCK_EX | fcntl.LOCK_NB)\n"
        "except BlockingIOError: sys.exit(7)"
    )
    with cache.building(KEY):
        command = [sys.executable, "-c", program, str(folder / f"{KEY.digest}.building")]
        assert subprocess.run(command, check=False).returncode == 7
        with pytest.raises(PlanMissing), module.PlanCache(folder).building(KEY, wait_s=0):
            pass


DIES = """
import os, pathlib, signal, sys
source = pathlib.Path(sys.argv[1]).read_text()
module = {"__name__": "planted"}
exec(compile(source, "planted", "exec"), module)
os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL)
module["write_whole"](pathlib.Path(sys.argv[2]), b"new" * 100000)
"""


def check_atomic(module: ModuleType, folder: Path) -> None:
    """A process that dies as it writes leaves nothing under the final name."""
    folder.mkdir()
    source = folder / "source.py"
    source.write_text(module.__dict__["SOURCE"])
    died = subprocess.run([sys.executable, "-c", DIES, str(source), str(folder / "x.plan")], check=False)
    assert died.returncode == -9
    assert not (folder / "x.plan").exists()


FRAME = TensorSpec("frame", "float32", ("N", 3, "4*h4", "4*w4"))
STATE = TensorSpec("h", "float32", ("N", 8, "h4", "w4"))


def check_contradictions(module: ModuleType, folder: Path) -> None:
    """Frame and state that do not agree at their largest."""
    frames = ((1, 3, 16, 16), (1, 3, 32, 32), (1, 3, 64, 64))
    states = ((1, 8, 4, 4), (1, 8, 8, 8), (1, 8, 15, 16))
    with pytest.raises(ProfileInvalid):
        module.check_profiles([FRAME, STATE], [ShapeProfile("p", {"frame": frames, "h": states})])


CHECKS: dict[str, tuple[ModuleType, Callable[[ModuleType, Path], None]]] = {
    "a corrupt plan": (plans, check_corrupt_plan),
    "a truncated plan": (plans, check_truncated_plan),
    "a plan of another model": (plans, check_plan_of_another_model),
    "a sidecar of another program": (plans, check_sidecar_of_another_program),
    "built once": (plans, check_built_once),
    "the lock excludes": (plans, check_lock_excludes),
    "atomic": (reelwire.cache, check_atomic),
    "contradictory profiles": (profiles, check_contradictions),
}
FAULTS = {
    "the plan's hash is not checked": (
        'if sidecar.get("plan_sha256") != hashlib.sha256(plan).hexdigest():',
        "if False:",
        ("a corrupt plan", "a truncated plan"),
    ),
    "the sidecar's key is not checked": (
        'if sidecar.get("key") != key.as_json:',
        "if False:",
        ("a plan of another model",),
    ),
    "the sidecar's form is not checked": (
        'not isinstance(sidecar, dict) or sidecar.get("form") != FORM',
        "False",
        ("a sidecar of another program",),
    ),
    "a sidecar that is no JSON is not expected": (
        "except (OSError, ValueError) as error",
        "except OSError as error",
        ("a sidecar of another program",),
    ),
    "the lock is not taken": (
        "fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)",
        "pass",
        ("the lock excludes",),
    ),
    "the lock is shared": ("fcntl.LOCK_EX", "fcntl.LOCK_SH", ("the lock excludes",)),
    "the plan is written under its final name": (
        "aside = Path(name)",
        "aside = path; path.write_bytes(data)",
        ("atomic",),
    ),
    "contradictory profiles are accepted": (
        "if before != length:",
        "if False:",
        ("contradictory profiles",),
    ),
    "profiles are compared at two points only": (
        "for index in range(len(POINTS)):\n            _check_symbols",
        "for index in range(2):\n            _check_symbols",
        ("contradictory profiles",),
    ),
}


def planted(module: ModuleType, right: str = "", wrong: str = "") -> ModuleType:
    """The module from its source, ``right`` replaced where it stands, which must be once."""
    assert module.__file__ is not None
    source = Path(module.__file__).read_text("utf-8")
    if right:
        assert source.count(right) == 1, right
        source = source.replace(right, wrong)
    made = ModuleType(module.__name__)
    sys.modules[f"planted {module.__name__}"] = made  # dataclasses look their module up
    made.__dict__["__name__"] = f"planted {module.__name__}"
    exec(compile(source, f"planted {module.__name__}", "exec"), made.__dict__)
    made.__dict__["SOURCE"] = source
    return made


@pytest.mark.parametrize("name", CHECKS)
def test_the_cache_and_the_profiles_keep_what_they_promise(tmp_path: Path, name: str) -> None:
    module, check = CHECKS[name]
    check(planted(module), tmp_path / "plans")


@pytest.mark.parametrize("fault", FAULTS)
def test_each_planted_fault_is_caught(tmp_path: Path, fault: str) -> None:
    right, wrong, caught_by = FAULTS[fault]
    for name in caught_by:
        module, check = CHECKS[name]
        with pytest.raises((AssertionError, ValueError, OSError, pytest.fail.Exception)):
            check(planted(module, right, wrong), tmp_path / name)
