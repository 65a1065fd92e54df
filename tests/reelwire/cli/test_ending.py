"""However a command ends, none of its services stays, and no half-written file."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from reelwire.hop.checks import STAGES
from tests.reelwire.cli.running import (
    ENDLESS,
    finish,
    names_in,
    none_left,
    part_in,
    reelwire,
    services_of,
    started,
    typed,
    until,
)

pytestmark = pytest.mark.slow
TWO = ("--route", "preprocess,encoder")


def running(process: subprocess.Popen[bytes], folder: Path) -> dict[str, psutil.Process]:
    """Its services, once they work: the output has its first bytes."""
    until("the first packet", part_in(folder))
    return services_of(process)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_an_interrupted_run_leaves_nothing(tmp_path: Path, number: int) -> None:
    with started("run", ENDLESS, tmp_path / "out.mp4", *TWO) as process:
        services = running(process, tmp_path)
        assert services.keys() == {"preprocess", "encoder"}
        process.send_signal(number)
        done = finish(process)
    assert (done.status, done.err) == (130, "interrupted\n")
    assert names_in(tmp_path) == []
    assert none_left(services)


def test_a_run_interrupted_while_its_services_start_leaves_nothing(tmp_path: Path) -> None:
    with started("run", ENDLESS, tmp_path / "out.mp4") as process:
        until("the first service", lambda: len(services_of(process)) > 0)
        services = services_of(process)
        process.send_signal(signal.SIGINT)
        done = finish(process)
    assert (done.status, done.err) == (130, "interrupted\n")
    assert none_left(services)


def test_a_second_signal_ends_a_service_that_will_not(tmp_path: Path) -> None:
    with started("run", ENDLESS, tmp_path / "out.mp4", *TWO) as process:
        services = running(process, tmp_path)
        services["encoder"].suspend()  # it can neither drain nor end
        process.send_signal(signal.SIGINT)
        assert none_left({"preprocess": services["preprocess"]})
        process.send_signal(signal.SIGINT)
        done = finish(process)
    assert done.status == 130
    assert names_in(tmp_path) == []
    assert none_left(services)


def test_services_end_with_a_command_that_is_killed(tmp_path: Path) -> None:
    with started("run", ENDLESS, tmp_path / "out.mp4", *TWO) as process:
        services = running(process, tmp_path)
        process.kill()
        assert finish(process).status == -signal.SIGKILL
    assert none_left(services)
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.parametrize("stage", STAGES)
def test_a_service_that_is_killed_ends_the_run_with_its_name(tmp_path: Path, stage: str) -> None:
    with started("run", ENDLESS, tmp_path / "out.mp4") as process:
        services = running(process, tmp_path)
        assert list(services) == list(STAGES)
        services[stage].kill()
        done = finish(process)
    assert done.error.startswith(f"error: UNAVAILABLE [{stage}]: {stage} at 127.0.0.1:")
    assert "was killed by SIGKILL (logs of the services: " in done.error
    log = Path(done.error.rpartition("services: ")[2].rstrip(")"))
    lines = log.read_text()
    log.unlink()
    for name in STAGES:
        assert f" {name:<10} INFO    {name} serves on 127.0.0.1:" in lines
    assert names_in(tmp_path) == []
    assert none_left(services)


def test_serve_ends_well_at_ctrl_c() -> None:
    with started("serve", "encoder") as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"encoder    127.0.0.1:")
        services = services_of(process)
        process.send_signal(signal.SIGINT)
        done = finish(process)
    assert done.status == 0
    assert "encoder drains" in done.err
    assert none_left(services)


def test_serve_says_which_service_has_ended_by_itself() -> None:
    with started("serve", "generator", "encoder") as process:
        assert process.stdout is not None
        process.stdout.readline()
        services = services_of(process)
        services["generator"].kill()
        done = finish(process)
    assert done.status == 1
    last = done.err.splitlines()[-1]
    assert last.startswith("error: UNAVAILABLE [generator]: generator at 127.0.0.1:")
    assert none_left(services)


def test_a_service_that_cannot_start_says_why(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    done = reelwire(
        "run", ENDLESS, tmp_path / "out.mp4", *TWO, REELWIRE_STREAM_SLOTS="many", TMPDIR=str(kept)
    )
    assert done.error.startswith("error: UNAVAILABLE [")
    assert "REELWIRE_STREAM_SLOTS='many'" in done.error
    assert f"(logs of the services: {kept}/reelwire-" in done.error
    assert names_in(tmp_path) == ["kept"]


def test_the_logs_of_all_services_come_in_one_place_with_the_streams_name(tmp_path: Path) -> None:
    pipeline = tmp_path / "pipeline.yaml"
    pipeline.write_text("stream_id: mine\n")
    source = "testsrc:size=64x48:rate=25:duration=0.2"
    done = reelwire("run", source, tmp_path / "out.mp4", "--config", pipeline, "--verbose")
    assert done.status == 0, done.err
    for stage in STAGES:
        told = [line for line in done.err.splitlines() if f" {stage:<10} " in line and "stream mine" in line]
        assert any("opened" in line for line in told), done.err
        assert any("ended OK: in 5 made 0 out 5 dropped 0 failed 0" in line for line in told), done.err


def test_a_users_own_folder_of_that_name_does_not_shadow_the_services(tmp_path: Path) -> None:
    (tmp_path / "services").mkdir()
    (tmp_path / "services" / "__init__.py").write_text("raise SystemExit('not mine')\n")
    source = "testsrc:size=64x48:rate=25:duration=0.2"
    done = reelwire("run", source, "out.mp4", *TWO, folder=tmp_path)
    assert (done.status, done.err) == (0, "")


def test_serve_refuses_what_is_no_service() -> None:
    assert 'service "encodr" not found; did you mean "encoder"?' in typed("serve", "encodr").error
