"""The filter effect: what of libavfilter may be used, and that a graph does what FFmpeg would make of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import av.filter
import numpy as np
import pytest

from reelwire.errors import BadParameter
from reelwire.media import Pixels
from services.editor.allowed_filters import allowed_filters
from services.editor.listing import list_effects
from services.editor.stage import EditorFactory
from tests.services.editor.streams import (
    NextStage,
    Result,
    change,
    chunk,
    clip,
    factory,
    feed,
    joined,
    open_stream,
    run_clip,
    video,
    whole_stream,
)

WIDTH, HEIGHT = 64, 48
NEEDS = {"geq": "geq=r='r(X,Y)':g='g(X,Y)':b='b(X,Y)'", "bwdif": "bwdif=mode=send_frame"}
DYNAMIC = {"hstack", "vstack", "xstack", "mix", "xmedian"}


@pytest.fixture(scope="module")
def editor() -> Iterator[EditorFactory]:
    editor = factory()
    yield editor
    editor.close()


def _run(editor: EditorFactory, graph: str, pixels: Pixels, frames_each: int = 1) -> Result:
    return run_clip(editor, [("filter", {"graph": graph})], pixels, frames_each)


def _inputs(name: str) -> int:
    graph = av.filter.Graph()
    return len(graph.add(name).inputs)  # type: ignore[arg-type]


def _with_all_inputs(name: str) -> str:
    """A graph that gives the filter as many different pictures as it takes."""
    if name in NEEDS:
        return NEEDS[name]
    if name == "split":
        return "split[a][b];[a][b]hstack"
    count = _inputs(name)
    if count == 1:
        return name
    size = "scale=64:64," if name == "haldclut" else ""
    labels = [f"[i{place}]" for place in range(count)]
    parts = [f"{size}split={count}{''.join(labels)}", f"{labels[0]}hflip[flipped]"]
    return ";".join([*parts, f"[flipped]{''.join(labels[1:])}{name}"])


@pytest.mark.parametrize("name", allowed_filters())
def test_every_allowed_filter_gives_each_frame_once_whatever_the_chunks(
    name: str, editor: EditorFactory
) -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (9, HEIGHT, WIDTH, 3), np.uint8)
    graph = _with_all_inputs(name)
    opened = open_stream(editor, [("filter", {"graph": graph})], [video(WIDTH, HEIGHT)])
    whole = whole_stream(opened, chunk(pixels), 4)
    assert whole.pts == list(range(9))
    assert whole.bytes == _run(editor, graph, pixels, 1).bytes


@pytest.mark.parametrize(
    ("graph", "named"),
    [
        ("movie=/etc/passwd", "movie"),
        ("null[a];movie=x[b];[a][b]overlay", "movie"),
        ("amovie=x", "amovie"),
        ("lut3d=file=/x.cube", "lut3d"),
        ("drawtext=textfile=/x", "drawtext"),
        ("hflip,sendcmd=f=/x", "sendcmd"),
        ("zmq", "zmq"),
        ("metadata=mode=print:file=/x", "metadata"),
        ("me\\tadata@a=mode=print:file=/x", "metadata"),
        ("'movie'=/x", "movie"),
        ("[in]movie@hflip=/x", "movie"),
        ("select=0", "select"),
        ("fps=5", "fps"),
        ("reverse", "reverse"),
        ("testsrc", "testsrc"),
        ("dnn_processing=model=/x", "dnn_processing"),
        ("elbg", "elbg"),
    ],
)
def test_a_filter_that_is_not_allowed_is_refused_by_name(
    graph: str, named: str, editor: EditorFactory
) -> None:
    with pytest.raises(BadParameter, match=f'filter "{named}" not found') as caught:
        open_stream(editor, [("filter", {"graph": graph})], [video(WIDTH, HEIGHT)])
    assert caught.value.field == "graph"


@pytest.mark.parametrize(
    "graph",
    [
        "curves=psfile=/x",
        "curves=p\\sfile=/x",
        "curves='psfile=/x'",
        "curves= psfile = /x",
        "curves=preset=lighter:plot=/x",
        "curves=none:0/0:0/0:0/0:0/0:0/0:/x",
        "selectivecolor=psfile=/x",
        "curves=/psfile=/x",
        "curves=none:é=1:é=1:é=1:é=1:é=1:é=/x",
        "hflip=threads=64",
        "hflip=thread_type=slice",
        "tmix=frames=1000",
        "tmix=1000",
        "split=500",
        "hstack=inputs=50000000",
        "v360=e:c3x2:lanczos:30000:30000",
        "geq=lum='while(1,0)'",
        "hue=s=w\\h ile (1\\,0)",
        "vflip=enable='while(1,0)'",
        "hue=h='taylor(taylor(taylor(0,1),1),1)'",
    ],
)
def test_an_option_that_names_a_file_or_takes_the_machine_is_refused(
    graph: str, editor: EditorFactory
) -> None:
    with pytest.raises(BadParameter, match=r"may not be used|without a name|at most") as caught:
        open_stream(editor, [("filter", {"graph": graph})], [video(WIDTH, HEIGHT)])
    assert caught.value.field == "graph"


@pytest.mark.parametrize(
    ("graph", "words"),
    [
        ("hue=h=xyz", "Undefined constant"),
        ("hue=nonsense=3", "No such option: nonsense"),
        ("crop=1000", "too big or non positive"),
        ("scale=100000:100000,scale=64:48", "more than 33177600 pixels"),
        ("bwdif=mode=send_field", "one for each"),
        ("split", "2 ends are open"),
        ("hstack", "hstack takes 2 inputs, and 1 lead to it"),
        ("hflip;vflip", "vflip takes 1 inputs, and 0 lead to it"),
        ("[x]hflip", r"named \[x\]"),
        ("hflip,", 'after the last ","'),
        ("hflip[a", "no closing bracket"),
        ("", "name is missing"),
        (",".join(["null"] * 40), "more than 32 filters"),
    ],
)
def test_what_cannot_be_run_is_refused_when_the_stream_opens_with_the_reason(
    graph: str, words: str, editor: EditorFactory
) -> None:
    with pytest.raises(BadParameter, match=words):
        open_stream(editor, [("filter", {"graph": graph})], [video(WIDTH, HEIGHT)])


def test_a_chain_does_what_each_filter_does() -> None:
    editor = factory()
    pixels = clip(3)
    both = _run(editor, "hflip , vflip@again", pixels)
    np.testing.assert_array_equal(np.stack(both.pixels), pixels[:, ::-1, ::-1])
    labelled = _run(editor, "[in] split [a][b]; [b] hflip [c]; [a][c] hstack [out]", pixels)
    np.testing.assert_array_equal(
        np.stack(labelled.pixels), np.concatenate([pixels, pixels[:, :, ::-1]], axis=2)
    )
    quoted = _run(editor, "geq=r='clip(r(X,Y),0,9)':g=0:b=0", pixels)
    np.testing.assert_array_equal(np.stack(quoted.pixels)[..., 0], pixels[..., 0].clip(0, 9))
    editor.close()


@pytest.mark.parametrize(
    ("graph", "size"),
    [
        ("scale=32:24", (32, 24)),
        ("crop=33:21:exact=1", (33, 21)),
        ("transpose", (48, 64)),
        ("pad=100:100", (100, 100)),
    ],
)
def test_what_follows_is_offered_the_size_that_comes_out(
    graph: str, size: tuple[int, int], editor: EditorFactory
) -> None:
    after = NextStage()
    wanted = [("filter", {"graph": graph}), ("text", {"text": "x", "size": 0.5})]
    opened = open_stream(editor, wanted, [video(WIDTH, HEIGHT)], after)
    assert (after.offers[0].video.width, after.offers[0].video.height) == size
    assert len(after.offers[0].layouts) == (2 if size[0] % 2 == size[1] % 2 == 0 else 1)
    result = whole_stream(opened, chunk(clip(3)))
    assert result.pixels[0].shape == (size[1], size[0], 3)


def test_filters_see_the_time_of_each_frame(editor: EditorFactory) -> None:
    result = _run(editor, "geq=r='T*100':g=0:b=0", clip(20))
    assert [int(each[0, 0, 0]) for each in result.pixels] == [index * 4 for index in range(20)]


def test_a_filter_that_looks_ahead_holds_frames_and_gives_them_at_the_end(editor: EditorFactory) -> None:
    opened = open_stream(editor, [("filter", {"graph": "deflicker=size=6"})], [video(WIDTH, HEIGHT)])
    assert opened.hold_frames > 0
    pixels = clip(12)
    during = joined(feed(opened.stage, chunk(pixels)))
    assert len(during.pts) < 12
    assert during.pts + joined(opened.stage.flush()).pts == list(range(12))


@pytest.mark.parametrize("first", ["hflip", "deflicker=size=6"])
def test_a_new_graph_holds_from_its_pts_on(first: str, editor: EditorFactory) -> None:
    opened = open_stream(editor, [("filter", {"graph": first})], [video(WIDTH, HEIGHT)])
    opened.stage.control(change(0, 5, graph="vflip"))
    pixels = clip(9)
    result = whole_stream(opened, chunk(pixels), 3)
    assert result.pts == list(range(9))
    np.testing.assert_array_equal(np.stack(result.pixels[5:]), pixels[5:, ::-1])
    assert not np.array_equal(result.pixels[4], pixels[4, ::-1])


@pytest.mark.parametrize("graph", ["scale=32:24", "deflicker=size=6"])
def test_a_new_graph_of_another_size_or_a_longer_hold_is_refused(graph: str, editor: EditorFactory) -> None:
    stage = open_stream(editor, [("filter", {"graph": "hflip"})], [video(WIDTH, HEIGHT)]).stage
    with pytest.raises(BadParameter, match="start another stream"):
        stage.control(change(0, 5, graph=graph))


def test_its_help_lists_exactly_what_this_build_can_run(editor: EditorFactory) -> None:
    (info,) = [effect for effect in list_effects(editor.kinds).effects if effect.name == "filter"]
    listed = info.params[0].help.partition("This build has: ")[2].rstrip(".").split()
    assert set(listed) == set(allowed_filters()) <= av.filter.filters_available
    assert {"hue", "tmix", "crop", "curves"} <= set(listed)


def test_frames_between_ticks_keep_their_pts(editor: EditorFactory) -> None:
    offer = video(WIDTH, HEIGHT)
    offer = replace(offer, format=replace(offer.video, time_base=Fraction(1001, 30000)))
    opened = open_stream(editor, [("filter", {"graph": "yadif,tmix"})], [offer])
    whole = chunk(clip(4))
    frames = whole.payload
    uneven = replace(whole, payload=replace(frames, pts=(7, 9, 20, 21)))  # type: ignore[type-var, arg-type]
    assert whole_stream(opened, uneven).pts == [7, 9, 20, 21]
