"""The other commands, each once for real."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reelwire import __version__
from reelwire.engines.registry import BACKEND_NAMES
from tests.reelwire.cli.running import names_in, reelwire, typed
from tests.reelwire.models.graphs import gain

COMMANDS = ("run", "demo", "serve", "probe", "models", "formats", "check", "doctor", "graph")


@pytest.mark.parametrize("command", [*COMMANDS, "effects", "effects describe", "effects show"])
def test_every_command_teaches_with_an_example(command: str) -> None:
    done = typed(*command.split(), "--help")
    assert done.status == 0
    assert f"reelwire {command}" in done.text.replace("Usage: root", "").replace("Usage: reelwire", "")


def test_the_version_is_told() -> None:
    assert typed("--version").text == f"reelwire {__version__}\n"


def test_probe_describes_a_file_for_people_and_for_programs(served: str, clip: Path) -> None:
    lines = typed("probe", clip, "--connect", served).text.splitlines()
    assert lines[0].startswith("mov,mp4")
    assert "video h264, 64x48 yuv420p, 25.000 fps, 25 frames" in lines[1]
    assert "audio aac, 48000 Hz, mono" in lines[2]
    told = json.loads(typed("probe", clip, "--json", "--connect", served).text)
    assert told["duration_us"] == pytest.approx(1_000_000, abs=50_000)
    assert told["streams"][0]["frame_count"] == 25
    assert told["streams"][0]["interlaced"] is False


def test_probe_refuses_what_is_no_film(served: str, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no film")
    assert "DATA_LOSS [preprocess]: " in typed("probe", tmp_path / "text.mp4", "--connect", served).error
    assert "NOT_FOUND: nothing.mp4 does not exist" in typed("probe", "nothing.mp4").error


def test_models_are_listed_with_why_one_cannot_be_used(tmp_path: Path) -> None:
    gain(tmp_path / "dim" / "model.onnx")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "model.onnx").write_bytes(b"no graph")
    done = reelwire("models", "--models", tmp_path, "--json")
    assert done.status == 0, done.err
    known = {model["name"]: model for model in json.loads(done.text)["models"]}
    assert known["dim"]["problem"] == ""
    assert known["dim"]["scale"] == 1
    assert known["broken"]["problem"]
    assert "identity" in known


def test_models_of_running_services_are_a_table(served: str) -> None:
    done = typed("models", "--connect", served)
    assert done.status == 0
    assert "identity" in done.text
    assert "Apache-2.0" in done.text


def test_effects_are_listed_and_described(served: str) -> None:
    known = {
        each["name"] for each in json.loads(typed("effects", "--json", "--connect", served).text)["effects"]
    }
    assert {"grade", "text", "fade", "trim"} <= known
    assert "grade" in typed("effects", "--connect", served).text
    described = typed("effects", "describe", "grade", "--connect", served).text
    assert "contrast" in described
    assert "number" in described
    error = typed("effects", "describe", "grad", "--connect", served).error
    assert 'NOT_FOUND: effect "grad" not found; did you mean "grade"?' in error


def test_an_effect_is_shown_on_a_picture(served: str, clip: Path, tmp_path: Path) -> None:
    gray, plain = tmp_path / "gray.png", tmp_path / "plain.jpg"
    shown = typed("effects", "show", "grade:saturation=0", clip, gray, "--at", "0.5s", "--connect", served)
    assert (shown.status, shown.err) == (0, "")
    assert typed("effects", "show", "grade", clip, plain, "--at", "0.5", "--connect", served).status == 0
    pixels = np.asarray(Image.open(gray).convert("RGB")).astype(int)
    assert pixels.shape == (48, 64, 3)
    assert np.ptp(pixels, axis=2).max() <= 2
    assert np.ptp(np.asarray(Image.open(plain)).astype(int), axis=2).max() > 50
    again = typed("effects", "show", "grade", clip, gray, "--connect", served)
    assert "gray.png exists; --force" in again.error
    assert names_in(tmp_path) == ["gray.png", "plain.jpg"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["grade", "CLIP", "picture.gif"], "expected a name that ends in .png, .jpg, .jpeg"),
        (["grade", "CLIP", "no/picture.png"], "cannot write no/picture.png: folder "),
        (["grade", "CLIP", "picture.png", "--at", "soon"], 'time "soon"; expected seconds such as 3s or 1.5'),
        (["grade", "nothing.mp4", "picture.png"], "nothing.mp4 does not exist"),
    ],
)
def test_an_effect_that_cannot_be_shown_is_one_line(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    given = [str(clip) if each == "CLIP" else each for each in arguments]
    assert words in typed("effects", "show", *given).error
    assert names_in(tmp_path) == []


def test_formats_say_what_can_be_asked_for(served: str) -> None:
    told = json.loads(typed("formats", "--json", "--connect", served).text)
    assert {codec["codec"] for codec in told["codecs"] if codec["usable"]} >= {"h264", "vp9", "aac", "opus"}
    assert all(codec["problem"] for codec in told["codecs"] if not codec["usable"])
    assert {each["container"]: each["streamable"] for each in told["containers"]}["mov"] is False
    assert "libx264" in typed("formats", "--connect", served).text


def test_check_explains_a_model_or_what_is_missing(tmp_path: Path) -> None:
    good = typed("check", gain(tmp_path / "model.onnx"))
    assert good.status == 0
    assert good.text.splitlines()[-1] == "usable"
    (tmp_path / "bad.onnx").write_bytes(b"no graph")
    bad = typed("check", tmp_path / "bad.onnx")
    assert bad.status == 1
    assert "problem: " in bad.text


def test_doctor_says_what_this_machine_has() -> None:
    done = reelwire("doctor", "--json")
    assert done.status == 0, done.err
    told = json.loads(done.text)
    assert told["reelwire"] == __version__
    assert list(told["backends"]) == list(BACKEND_NAMES)
    assert told["backends"]["onnxruntime"] == "usable, cpu"
    assert all(said.startswith("usable, ") or "; fix: " in said for said in told["backends"].values())
    assert "MiB" in told["shared memory"]
    assert told["threads"]["an inference"] == "1 thread (REELWIRE_ENGINE_THREADS)"
    assert told["threads"]["a video encoder"] == "2 threads (REELWIRE_CODEC_THREADS)"
    assert len(told["free loopback ports"].split(", ")) == 4


def test_graph_draws_the_pipeline_of_its_options(tmp_path: Path) -> None:
    pipeline = tmp_path / "pipeline.yaml"
    pipeline.write_text("route: [preprocess, generator, encoder]\ngenerator: {model: sketch}\n")
    drawn = typed("graph", "--config", pipeline).text
    assert drawn.startswith("flowchart LR\n")
    assert "generator<br/>sketch" in drawn
    assert "editor" not in drawn


@pytest.mark.parametrize(
    ("line", "words"),
    [("reelwire run --fit ", {"scale", "pad", "crop"}), ("reelwire run --codec h", {"h264", "hevc"})],
)
def test_the_shell_completes_options(line: str, words: set[str]) -> None:
    done = reelwire(_REELWIRE_COMPLETE="complete_zsh", _TYPER_COMPLETE_ARGS=line)
    found = {
        word for word in ("scale", "pad", "crop", "h264", "hevc", "vp9", "av1") if f'"{word}"' in done.text
    }
    assert found == words


def test_a_name_that_two_services_could_have_is_asked_of_the_right_one(served: str) -> None:
    encoder = served.rpartition("encoder=")[2]
    assert typed("formats", "--connect", encoder).status == 0
    wrong = typed("models", "--connect", f"encoder={encoder}")
    assert "no address of generator is known; " in wrong.error
    assert "--connect generator=HOST:PORT" in wrong.error
