"""``reelwire run`` as a user types it, against services that run."""

from __future__ import annotations

import json
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import pytest

from tests.reelwire.cli.running import COMMAND, ENDLESS, environment, frame_count, names_in, reelwire, typed

SHORT = "testsrc:size=64x48:rate=25:duration=1"


def test_a_file_becomes_a_file_in_silence(served: str, clip: Path, tmp_path: Path) -> None:
    done = reelwire("run", clip, tmp_path / "out.mp4", "--connect", served)
    assert (done.status, done.out, done.err) == (0, b"", "")
    assert frame_count(tmp_path / "out.mp4") == 25
    assert names_in(tmp_path) == ["out.mp4"]


def test_the_report_has_the_accounts_on_top_and_each_stage_below(
    served: str, clip: Path, tmp_path: Path
) -> None:
    report = tmp_path / "r.json"
    effect = "grade:contrast=1.2"
    done = reelwire(
        "run", clip, tmp_path / "o.mkv", "--effect", effect, "--report", report, "--connect", served
    )
    assert done.status == 0, done.err
    told = json.loads(report.read_text())
    assert next(iter(told)) == "frames"
    assert told["frames"] == {"in": 25, "made": 0, "out": 25, "dropped": 0, "failed": 0}
    assert [stage["stage"] for stage in told["stages"]] == ["preprocess", "generator", "editor", "encoder"]
    for stage in told["stages"]:
        for name in ("queue_ms", "compute_ms", "hold_ms", "transfer_ms"):
            assert list(stage[name]) == ["p50", "p95", "p99"]
            assert stage[name]["p50"] <= stage[name]["p95"] <= stage[name]["p99"]
    assert told["end_to_end"]["age_ms"]["p99"] > 0
    assert told["versions"]["services"].keys() == {"preprocess", "generator", "editor", "encoder"}
    assert told["stream_id"]


def test_odd_sizes_are_told_and_reported(served: str, odd: Path, tmp_path: Path) -> None:
    report = tmp_path / "r.json"
    done = typed("run", odd, tmp_path / "out.mp4", "--report", report, "--connect", served)
    assert done.status == 0
    padded = "63x47 is padded right and bottom to 64x48 for 4:2:0"
    assert f"warning [encoder]: {padded}" in done.err.splitlines()
    assert {"kind": "warning", "stage": "encoder", "text": padded} in json.loads(report.read_text())[
        "notices"
    ]
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (64, 48)
    quiet = typed("run", odd, tmp_path / "out.mp4", "--force", "--quiet", "--connect", served)
    assert (quiet.status, quiet.err) == (0, "")


def test_frames_that_were_lost_are_told(served: str, refused: Path, tmp_path: Path) -> None:
    report = tmp_path / "r.json"
    done = typed("run", refused, tmp_path / "out.mp4", "--report", report, "--connect", served)
    assert done.status == 0, done.err
    assert "warning [preprocess]: 2 of 10 frames failed" in done.err.splitlines()
    frames = json.loads(report.read_text())["frames"]
    assert frames == {"in": 10, "made": 0, "out": 8, "dropped": 0, "failed": 2}
    assert frame_count(tmp_path / "out.mp4") == 8


@pytest.mark.parametrize("container", ["", "mpegts"])
def test_a_pipe_gets_the_container_and_not_a_byte_more(
    served: str, clip: Path, tmp_path: Path, container: str
) -> None:
    options = ["--container", container] if container else []
    done = reelwire("run", clip, "-o", "-", *options, "--connect", served)
    assert (done.status, done.err) == (0, "")
    (tmp_path / "piped").write_bytes(done.out)
    assert frame_count(tmp_path / "piped") == 25


def test_a_reader_that_leaves_ends_the_command_in_silence(served: str) -> None:
    process = subprocess.Popen(
        [*COMMAND, "run", ENDLESS, "-o", "-", "--connect", served],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert len(process.stdout.read(2000)) == 2000
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 141


def test_bytes_from_a_pipe_are_an_input(served: str, clip: Path, tmp_path: Path) -> None:
    done = reelwire("run", "-", tmp_path / "out.mkv", "--connect", served, stdin=clip.read_bytes())
    assert done.status == 0, done.err
    assert frame_count(tmp_path / "out.mkv") == 25


def test_live_runs_to_its_end(served: str, tmp_path: Path) -> None:
    report = tmp_path / "r.json"
    done = typed("run", SHORT, tmp_path / "out.ts", "--live", "--report", report, "--connect", served)
    assert done.status == 0, done.err
    frames = json.loads(report.read_text())["frames"]
    assert frames["in"] + frames["made"] == frames["out"] + frames["dropped"] + frames["failed"]
    assert frame_count(tmp_path / "out.ts") == frames["out"] > 0


def test_options_win_over_the_file_and_effects_are_added(served: str, tmp_path: Path) -> None:
    pipeline = tmp_path / "pipeline.yaml"
    pipeline.write_text(
        "preprocess: {width: 32, height: 24, fit: scale, rate: 10}\n"
        "editor: {effects: [{name: grade, params: {saturation: 0}}]}\n"
        "encoder: {video: {codec: hevc}}\n"
    )
    target = tmp_path / "out.mkv"
    done = typed(
        "run", SHORT, target, "--config", pipeline, "--codec", "vp9", "--rate", "5", "--connect", served
    )
    assert done.status == 0, done.err
    with av.open(str(target)) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height, stream.codec_context.codec.canonical_name) == (32, 24, "vp9")
        chroma = [frame.to_ndarray(format="yuv420p")[24:] for frame in container.decode(stream)]
    assert len(chroma) == 5
    assert all(abs(planes.astype(int) - 128).max() <= 4 for planes in chroma), "the file's grade is gray"


ERRORS = {
    "no such file": (["no.mp4", "out.mp4"], "NOT_FOUND: no.mp4 does not exist; expected a file, a URL"),
    "a folder": ([".", "out.mp4"], "NOT_FOUND: . is a folder"),
    "no output": ([SHORT], 'INVALID_ARGUMENT: no output; give a file name, or "-"'),
    "two outputs": ([SHORT, "a.mp4", "-o", "b.mp4"], "INVALID_ARGUMENT: two outputs: a.mp4 and b.mp4"),
    "unknown ending": ([SHORT, "out.gif"], "INVALID_ARGUMENT: out.gif: no container for this ending"),
    "no folder": ([SHORT, "no/out.mp4"], "INVALID_ARGUMENT: cannot write no/out.mp4: folder "),
    "report": ([SHORT, "o.mp4", "--report", "no/r.json"], "cannot write no/r.json: folder "),
    "existing": ([SHORT, "there.mp4"], "INVALID_ARGUMENT: there.mp4 exists; --force"),
    "codec and container": ([SHORT, "out.webm", "--codec", "h264"], "webm does not take h264"),
    "size": ([SHORT, "out.mp4", "--size", "640"], 'INVALID_ARGUMENT: --size "640"; expected WIDTHxHEIGHT'),
    "fit": ([SHORT, "out.mp4", "--fit", "crp"], 'fit "crp" not found; did you mean "crop"?'),
    "route": ([SHORT, "out.mp4", "--route", "preprocess,encodr"], 'stage "encodr" not found; did you mean'),
    "no encoder": ([SHORT, "out.mp4", "--route", "preprocess"], "an output file needs the encoder"),
    "gop": ([SHORT, "out.mp4", "--gop", "0"], "INVALID_ARGUMENT: gop_frames is 0; expected 1 to 1000"),
    "bitrate": ([SHORT, "out.mp4", "--bitrate", "fast"], 'INVALID_ARGUMENT: --bitrate "fast"; expected bits'),
    "bits": ([SHORT, "out.mp4", "--bitrate", "500M"], "bitrate_bps is 500000000; expected 1 to 200000000"),
    "sound only": ([SHORT, "out.m4a"], "no container for this ending"),
    "effect": ([SHORT, "out.mp4", "--effect", "grade:contrast"], '"contrast" is not PARAM=VALUE'),
    "config": ([SHORT, "out.mp4", "--config", "no.yaml"], "NOT_FOUND: cannot read config no.yaml"),
    "key": ([SHORT, "out.mp4", "--config", "bad.yaml"], 'bad.yaml, line 2: encoder.vidio: key "vidio"'),
    "address": ([SHORT, "out.mp4", "--connect", "there"], '--connect "there"; expected HOST:PORT'),
    "models": ([SHORT, "out.mp4", "--models", "no"], "NOT_FOUND: --models no is no folder"),
    "nobody there": ([SHORT, "out.mp4", "--connect", "127.0.0.1:1"], "UNAVAILABLE [preprocess]: "),
}  # fmt: skip


@pytest.mark.parametrize("name", ERRORS)
def test_a_mistake_is_one_line_and_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments, words = ERRORS[name]
    (tmp_path / "there.mp4").write_text("mine")
    (tmp_path / "bad.yaml").write_text("encoder:\n  vidio: {}\n")
    before = names_in(tmp_path)
    done = typed("run", *arguments)
    assert words in done.error
    assert done.error.startswith("error: ")
    assert names_in(tmp_path) == before


SERVED_ERRORS = {
    "model": (["--model", "identty"], 'NOT_FOUND [generator]: model "identty" not found; did you'),
    "effect": (["--effect", "grad"], 'NOT_FOUND [editor]: effect "grad" not found; did you mean "grade"?'),
    "parameter": (["--effect", "grade:contrst=1"], "INVALID_ARGUMENT [editor]: "),
    "range": (["--effect", "grade:contrast=1000"], "INVALID_ARGUMENT [editor]: "),
    "preset": (["--preset", "slowest"], 'INVALID_ARGUMENT [encoder]: preset of libx264 "slowest" not found'),
}  # fmt: skip


@pytest.mark.parametrize("name", SERVED_ERRORS)
def test_what_a_service_refuses_is_one_line_with_its_name(served: str, tmp_path: Path, name: str) -> None:
    arguments, words = SERVED_ERRORS[name]
    done = typed("run", SHORT, tmp_path / "out.mp4", *arguments, "--connect", served)
    assert words in done.error
    assert names_in(tmp_path) == []


def test_an_input_that_is_no_film_is_one_line(served: str, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no film\n" * 100)
    (tmp_path / "empty.mp4").touch()
    for name in ("text.mp4", "empty.mp4"):
        done = typed("run", tmp_path / name, tmp_path / "out.mp4", "--connect", served)
        assert done.error.startswith("error: DATA_LOSS [preprocess]: ")
        assert name in done.error
    assert names_in(tmp_path) == ["empty.mp4", "text.mp4"]


def test_a_truncated_file_is_one_line_and_no_output(served: str, clip: Path, tmp_path: Path) -> None:
    whole = clip.read_bytes()  # its index is at its end, as in every MP4 that was not made for streaming
    (tmp_path / "trunc.mp4").write_bytes(whole[: len(whole) // 2])
    done = typed("run", tmp_path / "trunc.mp4", tmp_path / "out.mp4", "--connect", served)
    assert done.error.startswith("error: DATA_LOSS [preprocess]: ")
    assert not (tmp_path / "out.mp4").exists()


def test_a_full_disk_is_one_line_and_no_output(served: str, clip: Path, tmp_path: Path) -> None:
    words = [*COMMAND, "run", str(clip), str(tmp_path / "out.mkv"), "--connect", served]
    limited = ["bash", "-c", 'ulimit -f 4 && exec "$@"', "bash", *words]  # files of at most 4 KiB
    done = subprocess.run(limited, capture_output=True, env=environment(), check=False)
    assert done.returncode == 1
    assert done.stderr.decode().count("\n") == 1
    assert "error: RESOURCE_EXHAUSTED: cannot write" in done.stderr.decode()
    assert names_in(tmp_path) == []


def test_the_provenance_of_a_file_names_its_model(served: str, tmp_path: Path) -> None:
    done = typed("run", SHORT, tmp_path / "out.mp4", "--model", "identity", "--connect", served)
    assert done.status == 0, done.err
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert "identity 1" in container.metadata["comment"]
        assert Fraction(container.duration or 0, 1_000_000) == 1
