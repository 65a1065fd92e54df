"""Effects as they are typed."""

from __future__ import annotations

import pytest
from google.protobuf.json_format import MessageToDict

from reelwire.errors import BadParameter
from reelwire.pipeline import as_mermaid, parse_effect
from reelwire.v1.config_pb2 import StreamConfig


@pytest.mark.parametrize(
    ("text", "params"),
    [
        ("grade", {}),
        ("grade:", {}),
        ("grade:contrast=1.2,brightness=-0.1", {"contrast": 1.2, "brightness": -0.1}),
        ("text:text=hello world,size=32", {"text": "hello world", "size": 32}),
        ("text:text=12:30", {"text": "12:30"}),
        ("text:text='one, two',size=3", {"text": "one, two", "size": 3}),
        ("text:text=it's late,size=3", {"text": "it's late", "size": 3}),
        ('text:text="2024"', {"text": "2024"}),
        ("text:color=#ff0000", {"color": "#ff0000"}),
        ("text:text=", {"text": ""}),
        ("overlay:position=[0.1, 0.2],opacity=1", {"position": [0.1, 0.2], "opacity": 1}),
        ("filter:chain='hue=h=90,vflip'", {"chain": "hue=h=90,vflip"}),
        ("blur:on=true", {"on": True}),
        ("fade:in_s=.5,out_s=1e-1", {"in_s": 0.5, "out_s": 0.1}),
        ("text:text=no", {"text": "no"}),
        ("text:text=NaN", {"text": "NaN"}),
    ],
)
def test_values_are_read_as_they_are_meant(text: str, params: dict[str, object]) -> None:
    effect = parse_effect(text)
    assert effect.name == text.partition(":")[0]
    assert MessageToDict(effect.params) == params


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (":contrast=1", "has no name; expected NAME or NAME:PARAM=VALUE"),
        ("text:text=one,two", '"two" is not PARAM=VALUE; put a value that has commas in quotes'),
        ("text:text='one,two", "a quote or bracket is not closed"),
        ("overlay:position=[1,2", "a quote or bracket is not closed"),
        ("grade:contrast=1,contrast=2", '"contrast" is given twice'),
    ],
)
def test_what_cannot_be_read_is_said(text: str, words: str) -> None:
    with pytest.raises(BadParameter) as caught:
        parse_effect(text)
    assert words in caught.value.message


def test_a_pipeline_is_drawn_in_its_order() -> None:
    config = StreamConfig(route=["preprocess", "generator", "encoder"])
    config.generator.model = 'my "best"'
    config.preprocess.width, config.preprocess.rate = 640, "30"
    drawn = as_mermaid(config)
    assert drawn.splitlines()[0] == "flowchart LR"
    assert "input --> preprocess" in drawn
    assert "preprocess --> generator" in drawn
    assert "generator --> encoder" in drawn
    assert "editor" not in drawn
    assert "640xauto at 30 fps" in drawn
    assert "my #quot;best#quot;" in drawn
