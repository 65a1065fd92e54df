"""A pipeline as YAML: plain words, and every mistake said with its key and its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from reelwire.config_file import load_config, parse_config
from reelwire.errors import BadParameter, InputNotFound
from reelwire.v1.config_pb2 import Fit, Policy

WHOLE = """
route: [preprocess, editor, encoder]
policy: live
latency_budget_ms: 250
preprocess:
  width: 640
  fit: crop
  rate: 30
  mute: true
  start_s: 1.5
generator: {model: restyle, strength: 0}
editor:
  effects:
    - name: grade
      params: {contrast: 1.2, lut: warm.cube}
    - {name: fade}
encoder: {video: {codec: h264, quality: 20}, container: mpegts}
"""


def test_all_that_a_stream_can_say_can_be_written_in_plain_words() -> None:
    config = parse_config(WHOLE)
    assert list(config.route) == ["preprocess", "editor", "encoder"]
    assert (config.policy, config.latency_budget_ms) == (Policy.POLICY_LIVE, 250)
    assert (config.preprocess.width, config.preprocess.fit) == (640, Fit.FIT_CROP)
    assert (config.preprocess.rate, config.preprocess.mute, config.preprocess.start_s) == ("30", True, 1.5)
    assert config.generator.HasField("strength")
    assert config.generator.strength == 0
    assert [effect.name for effect in config.editor.effects] == ["grade", "fade"]
    assert dict(config.editor.effects[0].params) == {"contrast": 1.2, "lut": "warm.cube"}
    assert (config.encoder.video.quality, config.encoder.container) == (20, "mpegts")


def test_the_protos_own_enum_names_are_taken_too() -> None:
    assert parse_config("policy: POLICY_LOSSLESS").policy == Policy.POLICY_LOSSLESS


def test_an_empty_file_says_nothing() -> None:
    assert not parse_config("# nothing yet\n").ListFields()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("encodr: {}", 'p.yaml, line 1: encodr: key "encodr" not found; did you mean "encoder"?'),
        (
            "route: [encoder]\nencoder:\n  video:\n    codek: h264",
            'p.yaml, line 4: encoder.video.codek: key "',
        ),
        (
            "editor:\n  effects:\n    - nam: grade",
            'line 3: editor.effects[0].nam: key "nam" not found; did you',
        ),
        (
            "preprocess:\n  width: wide",
            "line 2: preprocess.width: got text ('wide'); expected a whole number",
        ),
        ("preprocess: {width: 1.5}", "preprocess.width: got a number (1.5); expected a whole number"),
        ("preprocess: {mute: 1}", "preprocess.mute: got a number (1); expected true or false"),
        ("preprocess: {start_s: true}", "preprocess.start_s: got true or false (True); expected a number"),
        ("preprocess: {rate: [30]}", "preprocess.rate: got a list ([30]); expected text"),
        ("policy: fast", 'line 1: policy: policy "fast" not found; available: live, lossless'),
        ("route: encoder", "route: got text ('encoder'); expected a list"),
        ("encoder: h264", "encoder: got text ('h264'); expected keys: video, sound"),
        ("encoder:", "encoder: got nothing; expected keys"),
        ("- encoder", "p.yaml: got a list (['encoder']); expected keys: stream_id, route"),
        ("route: [encoder", "p.yaml is not YAML: while parsing a flow sequence"),
        ("a: 1\n b: 2", "p.yaml is not YAML"),
        ("preprocess: {width: 99999999999}", "p.yaml: "),
    ],
)
def test_a_mistake_is_said_with_its_place_and_what_is_expected(text: str, words: str) -> None:
    with pytest.raises(BadParameter) as caught:
        parse_config(text, "p.yaml")
    assert words in caught.value.message
    assert "\n" not in caught.value.message


def test_a_file_that_cannot_be_read_is_said_by_name(tmp_path: Path) -> None:
    with pytest.raises(InputNotFound, match=r"cannot read config .*no\.yaml: No such file"):
        load_config(tmp_path / "no.yaml")
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(InputNotFound, match=r"cannot read config .*binary\.yaml"):
        load_config(binary)
