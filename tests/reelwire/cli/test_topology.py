"""How services are spread over processes, as a user asks for it: the result does not depend on it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from reelwire.cli.group import Topology, running_services
from reelwire.client import connect
from reelwire.hop.checks import STAGES
from reelwire.pipeline import parse_effect
from reelwire.v1.config_pb2 import StreamConfig
from tests.reelwire.cli.running import names_in, typed

HOPS = {Topology.PROCESSES: "shared_memory", Topology.FUSED: "in_process"}


def run(clip: Path, target: Path, report: Path, *options: str) -> list[dict[str, object]]:
    done = typed("run", clip, target, "--effect", "grade:contrast=1.2", "--report", report, *options)
    assert done.status == 0, done.err
    stages: list[dict[str, object]] = json.loads(report.read_text())["stages"]
    return stages


@pytest.mark.slow
def test_frames_are_the_same_in_one_process_and_in_four_and_the_report_says_where_pixels_lay(
    clip: Path, tmp_path: Path
) -> None:
    decoded = {}
    for topology, place in HOPS.items():
        target = tmp_path / f"{topology}.mkv"
        stages = run(clip, target, tmp_path / "r.json", "--topology", topology)
        assert [stage["transport"] for stage in stages] == ["inline", place, place, place]
        with av.open(str(target)) as container:
            decoded[topology] = [frame.to_ndarray() for frame in container.decode(video=0)]
    assert len(decoded[Topology.FUSED]) == 25
    for one, other in zip(*decoded.values(), strict=True):
        assert np.array_equal(one, other)


@pytest.mark.slow
async def test_some_services_may_share_a_process_and_others_not(clip: Path, tmp_path: Path) -> None:
    config = StreamConfig(route=STAGES)
    config.editor.effects.append(parse_effect("grade:contrast=1.2"))
    async with (
        running_services(STAGES[2:], topology=Topology.FUSED) as back,
        running_services(STAGES[:2], topology=Topology.FUSED, environment=addresses(back.addresses)) as front,
        connect(front.addresses) as reelwire,
    ):
        result = await reelwire.process_file(clip, tmp_path / "out.mkv", config)
    assert len(front.processes) == len(back.processes) == 1
    transports = [stage.transport for stage in result.summary.stages]
    assert transports == ["inline", "in_process", "shared_memory", "in_process"]
    assert names_in(tmp_path) == ["out.mkv"]


def addresses(known: dict[str, str]) -> dict[str, str]:
    """As settings."""
    return {f"REELWIRE_{stage.upper()}_ADDR": address for stage, address in known.items()}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "the following arguments are required: STAGE"),
        (["decoder"], "invalid choice: 'decoder'"),
        (["editor", "editor"], "a stage is named twice"),
    ],
)
def test_a_process_of_no_known_services_says_what_there_is(arguments: list[str], words: str) -> None:
    command = [sys.executable, "-P", "-m", "services", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert words in done.stderr
