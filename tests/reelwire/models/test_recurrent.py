"""State goes round: carried it matches a plain loop, dropped it changes the answer."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from reelwire.errors import BadPayload
from reelwire.models import StatefulRunner
from reelwire.models.recurrent import pack_arrays, unpack_arrays
from tests.reelwire.models import graphs
from tests.reelwire.models.running import assert_near, levels, opened, picture, through

VOICE = Path(__file__).parents[2] / "data" / "silero_vad.onnx"
RATE = np.array(16000, np.int64)


FORMANTS = ((600, 250, 150), (1300, 500, 200), (2600, 200, 250))
"""Centre, swing and width in Hz: what makes a buzz an "aeoui"."""


def _sound(steps: int) -> np.ndarray:
    """(steps, 1, 576): something like a voice at 16 kHz; each piece starts with the last 64 samples of that
    before, as the detector wants it."""
    time = np.arange(steps * 512) / 16000
    pitch = 120 + 30 * np.sin(2 * np.pi * 2 * time)
    phase = 2 * np.pi * np.cumsum(pitch) / 16000
    voice = np.zeros_like(time)
    for overtone in range(1, 40):
        for centre, swing, width in FORMANTS:
            off = (overtone * pitch - centre - swing * np.sin(2 * np.pi * 1.7 * time)) / width
            voice += np.exp(-(off**2)) * np.sin(overtone * phase) / np.sqrt(overtone)
    voice *= 0.1 * (0.55 + 0.45 * np.sin(2 * np.pi * 3 * time))
    padded = np.concatenate([np.zeros(64), voice]).astype(np.float32)
    return np.stack([padded[None, at : at + 576] for at in range(0, steps * 512, 512)])


@pytest.fixture
def voices(tmp_path: Path) -> Path:
    shutil.copy(VOICE, tmp_path / "voice.onnx")
    return tmp_path


def _plain_loop(sound: np.ndarray, carry: bool) -> list[float]:
    session = onnxruntime.InferenceSession(str(VOICE), providers=["CPUExecutionProvider"])
    state, answers = np.zeros((2, 1, 128), np.float32), []
    for piece in sound:
        answer, following = session.run(None, {"input": piece, "state": state, "sr": RATE})
        answers.append(float(answer[0, 0]))
        state = following if carry else state
    return answers


def test_a_voice_detector_unknown_to_the_project_matches_a_plain_loop(voices: Path) -> None:
    sound = _sound(60)
    with opened(voices, "voice") as model:
        runner = StatefulRunner(model)
        answers = [float(runner.run({"input": piece, "sr": RATE})["output"][0, 0]) for piece in sound]
    np.testing.assert_allclose(answers, _plain_loop(sound, carry=True), rtol=1e-5, atol=1e-6)
    assert max(answers) - min(answers) > 0.5, "the sound must move the detector for this to mean anything"


def test_dropping_a_voice_detectors_state_changes_its_answer(voices: Path) -> None:
    sound = _sound(60)
    with opened(voices, "voice") as model:
        runner = StatefulRunner(model)
        forgetful = []
        for piece in sound:
            runner.reset()
            forgetful.append(float(runner.run({"input": piece, "sr": RATE})["output"][0, 0]))
    np.testing.assert_allclose(forgetful, _plain_loop(sound, carry=False), rtol=1e-5, atol=1e-6)
    assert np.abs(np.array(forgetful) - _plain_loop(sound, carry=True)).max() > 0.2


def test_a_voice_detector_takes_several_voices_at_once(voices: Path) -> None:
    with opened(voices, "voice") as model:
        runner = StatefulRunner(model)
        assert runner.run({"input": np.zeros((3, 512), np.float32), "sr": RATE})["output"].shape == (3, 1)
        assert runner.state()["state"].shape == (2, 3, 128)


def test_two_streams_share_a_model_and_not_their_state(voices: Path) -> None:
    ours, others = _sound(20), np.roll(_sound(20), 7, axis=0)
    with opened(voices, "voice") as model:
        first, second, mixed = StatefulRunner(model), StatefulRunner(model), []
        for mine, theirs in zip(ours, others, strict=True):
            mixed.append(first.run({"input": mine, "sr": RATE})["output"].tobytes())
            second.run({"input": theirs, "sr": RATE})
        alone = StatefulRunner(model)
        assert mixed == [alone.run({"input": piece, "sr": RATE})["output"].tobytes() for piece in ours]


def test_a_picture_model_averages_over_its_past(tmp_path: Path) -> None:
    graphs.mixing(tmp_path / "model.onnx")
    clip = picture(20, 24, frames=6)
    state = np.zeros(clip.shape[1:])
    with opened(tmp_path) as model:
        runner = StatefulRunner(model)
        for frame in clip:
            state = (frame / 255 + state) / 2
            assert_near(through(model, frame[None], runner)[0], levels(state * 255))


def test_a_stated_state_starts_with_its_shape_and_value(tmp_path: Path) -> None:
    graphs.mixing(tmp_path / "model" / "model.onnx", given="memory", got="remembered")
    (tmp_path / "model" / "model.toml").write_text(
        '[[state]]\ninput = "memory"\noutput = "remembered"\nshape = [1, 3, "H", "W"]\ninitial = 1.0\n'
    )
    rgb = picture(20, 24)
    with opened(tmp_path) as model:
        assert_near(through(model, rgb), levels(rgb / 2 + 127.5))


def test_a_state_saved_and_loaded_goes_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    graphs.quarter_mixing(tmp_path / "model.onnx", named=True)
    clip = picture(32, 48, frames=4)
    with opened(tmp_path) as model:
        runner, later = StatefulRunner(model), StatefulRunner(model)
        through(model, clip[:1], runner)
        later.load(unpack_arrays(pack_arrays(runner.state())))
        for frame in clip[1:]:
            np.testing.assert_array_equal(
                through(model, frame[None], later), through(model, frame[None], runner)
            )


def test_another_models_state_is_refused(tmp_path: Path) -> None:
    graphs.mixing(tmp_path / "model.onnx")
    with opened(tmp_path) as model:
        runner = StatefulRunner(model)
        for state in (
            {"other": np.zeros((1, 3, 4, 4), np.float32)},
            {"h_in": np.zeros((1, 3, 4, 4), np.float64)},
            {"h_in": np.zeros((3, 4, 4), np.float32)},
        ):
            with pytest.raises(BadPayload):
                runner.load(state)


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"\x80\x04.", b"\x93NUMPY\x01\x00", b"x" * 100])
def test_a_damaged_state_is_refused_and_never_unpickled(data: bytes) -> None:
    with pytest.raises(BadPayload, match="damaged"):
        unpack_arrays(data)


def test_a_state_cut_short_or_with_a_flipped_byte_is_refused() -> None:
    data = pack_arrays({"h": np.arange(100, dtype=np.float32)})
    for damaged in (data[:-30], data[: len(data) // 2], data[:200] + b"\xff" + data[201:]):
        with pytest.raises(BadPayload):
            unpack_arrays(damaged)
