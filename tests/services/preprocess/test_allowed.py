"""Only what the operator allows is opened, whatever a name or a file says."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from reelwire.errors import (
    BadParameter,
    InputDamaged,
    InputNotAllowed,
    InputNotFound,
    ReelwireError,
    Unavailable,
)
from reelwire.settings import Settings
from services.preprocess.addresses import AllowList
from services.preprocess.feeds import open_address
from tests.services.preprocess.clips import h264
from tests.services.preprocess.running import open_url, upload
from tests.services.preprocess.web import serving


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    (folder / "inside").mkdir(parents=True)
    h264(folder / "inside" / "clip.mp4", 3)
    h264(tmp_path / "outside.mp4", 3)
    return folder


def refusal(url: str, settings: Settings) -> ReelwireError:
    with pytest.raises(ReelwireError) as raised:
        open_url(url, settings=settings)
    return raised.value


@pytest.mark.parametrize("form", ["inside/clip.mp4", "./inside/../inside/clip.mp4", "{root}/inside/clip.mp4"])
def test_a_path_below_the_root_is_opened(root: Path, form: str) -> None:
    assert len(open_url(form.format(root=root), settings=Settings(input_root=root)).pts) == 3


@pytest.mark.parametrize(
    "form",
    ["../outside.mp4", "{root}/../outside.mp4", "/etc/hostname", "inside/../../outside.mp4", "../nothing"],
)
def test_a_path_outside_of_the_root_is_refused_whether_or_not_it_is_there(root: Path, form: str) -> None:
    error = refusal(form.format(root=root), Settings(input_root=root))
    assert isinstance(error, InputNotAllowed)
    assert "REELWIRE_INPUT_ROOT" in error.message


def test_a_link_that_leads_out_of_the_root_is_refused(root: Path) -> None:
    (root / "link.mp4").symlink_to(root.parent / "outside.mp4")
    (root / "folder").symlink_to(root.parent)
    for name in ("link.mp4", "folder/outside.mp4"):
        assert isinstance(refusal(name, Settings(input_root=root)), InputNotAllowed)


def test_a_link_that_stays_below_the_root_is_followed(root: Path) -> None:
    (root / "link.mp4").symlink_to("inside/clip.mp4")
    assert len(open_url("link.mp4", settings=Settings(input_root=root)).pts) == 3


def test_without_a_root_no_path_is_opened(root: Path) -> None:
    error = refusal(str(root / "inside" / "clip.mp4"), Settings(input_root=None))
    assert isinstance(error, InputNotAllowed)


def test_a_missing_file_is_not_found(root: Path) -> None:
    assert isinstance(refusal("inside/nothing.mp4", Settings(input_root=root)), InputNotFound)


def test_a_folder_and_a_pipe_are_no_files(root: Path) -> None:
    os.mkfifo(root / "pipe")
    for name in ("inside", "pipe"):
        assert isinstance(refusal(name, Settings(input_root=root)), InputDamaged)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/hostname",
        "FILE:///etc/hostname",
        "file:/etc/hostname",
        "concat:/etc/hostname|/etc/passwd",
        "subfile:,,start,0,end,9,,:/etc/hostname",
        "crypto:/etc/hostname",
        "data:text/plain,hello",
        "pipe:0",
        "unix:/tmp/socket",
        "lavfi:testsrc",
        "async:file:/etc/hostname",
        "cache:http://127.0.0.1/",
        "tee:/tmp/x",
        "srt://127.0.0.1:9000",
        "rtsp://127.0.0.1/stream",
        "gopher://127.0.0.1/",
    ],
)
def test_schemes_that_reach_files_or_anything_else_are_refused(url: str) -> None:
    everything = "http://127.0.0.1,https://127.0.0.1,udp://127.0.0.1,rtmp://127.0.0.1"
    error = refusal(url, Settings(input_root=Path("/"), input_urls=everything))
    assert isinstance(error, InputNotAllowed)


@pytest.mark.parametrize(
    ("allowed", "url"),
    [
        ("", "http://127.0.0.1/a.mp4"),
        ("", "http://169.254.169.254/latest/meta-data"),
        ("http://127.0.0.1", "http://127.0.0.1.example.com/a.mp4"),
        ("http://127.0.0.1", "http://127.0.0.12/a.mp4"),
        ("http://127.0.0.1", "https://127.0.0.1/a.mp4"),
        ("http://127.0.0.1:8080", "http://127.0.0.1/a.mp4"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:80801/a.mp4"),
        ("http://127.0.0.1:80", "http://127.0.0.1:8080/a.mp4"),
        ("http://127.0.0.1", "http://localhost/a.mp4"),
        ("http://127.0.0.1", "http://2130706433/a.mp4"),
        ("http://127.0.0.1", "http://127.0.0.1@169.254.169.254/a.mp4"),
        ("http://127.0.0.1", "http://127.0.0.1:80@169.254.169.254/a.mp4"),
        ("http://127.0.0.1", "http://169.254.169.254#@127.0.0.1/a.mp4"),
        ("http://127.0.0.1", "http://169.254.169.254\\@127.0.0.1/a.mp4"),
        ("http://127.0.0.1", "http://169.254.169.254?@127.0.0.1/a.mp4"),
        ("http://127.0.0.1", "http://127.0.0.1%00.example.com/a.mp4"),
        ("http://127.0.0.1", "http:///a.mp4"),
        ("http://127.0.0.1", "http://[::1]/a.mp4"),
        ("udp://127.0.0.1", "udp://127.0.0.1"),
        ("udp://127.0.0.1", "udp://127.0.0.1:5000?localaddr=10.0.0.1"),
        ("rtmp://127.0.0.1", "rtmp://127.0.0.1/live swfUrl=file:///etc/hostname"),
    ],
)
def test_an_address_that_is_not_on_the_list_is_refused(allowed: str, url: str) -> None:
    error = refusal(url, Settings(input_urls=allowed))
    assert isinstance(error, InputNotAllowed | BadParameter)


@pytest.mark.parametrize(
    ("allowed", "url"),
    [
        ("http://127.0.0.1", "http://127.0.0.1:8080/a.mp4"),
        ("http://127.0.0.1:80", "http://127.0.0.1/a.mp4"),
        ("http://Example.com", "http://example.COM./a.mp4"),
        ("rtmp://10.0.0.5,udp://0.0.0.0", "udp://0.0.0.0:5000"),
        ("rtmp://10.0.0.5/live", "rtmp://10.0.0.5/live/key"),
        ("http://[::1]", "http://[::1]:8080/a.mp4?x=1"),
    ],
)
def test_an_address_on_the_list_is_allowed(allowed: str, url: str) -> None:
    assert AllowList.of(Settings(input_urls=allowed)).check(url).url == url


@pytest.mark.parametrize("entry", ["127.0.0.1", "ftp://host", "http://", "http://host:port"])
def test_an_entry_that_is_no_address_is_told_by_the_name_of_the_setting(entry: str) -> None:
    with pytest.raises(BadParameter, match="REELWIRE_INPUT_URLS"):
        AllowList.of(Settings(input_urls=entry))


def test_a_device_that_is_not_listed_is_refused() -> None:
    assert isinstance(refusal("/dev/video0", Settings(input_root=Path("/"))), InputNotAllowed)
    listed = Settings(input_devices="/dev/reelwire-no-such-camera")
    assert isinstance(refusal("/dev/video0", listed), InputNotAllowed)
    assert isinstance(refusal("/dev/reelwire-no-such-camera", listed), InputNotFound)


def test_a_feed_that_nobody_sends_is_unavailable() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with pytest.raises(Unavailable, match="refused"):
        open_address(f"rtmp://127.0.0.1:{port}/live", Settings(input_urls="rtmp://127.0.0.1"))


@pytest.mark.slow
def test_a_udp_feed_that_stays_silent_is_unavailable_in_bounded_time() -> None:
    with pytest.raises(Unavailable, match="nothing came"):
        open_address("udp://127.0.0.1:49731", Settings(input_urls="udp://127.0.0.1"))


PLAYLISTS = {
    "hls.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{target}\n#EXT-X-ENDLIST\n",
    "hls.mp4": "\ufeff\n#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{target}\n#EXT-X-ENDLIST\n",
    "list.ffconcat": "ffconcat version 1.0\nfile '{target}'\n",
    "dash.mpd": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
    'mediaPresentationDuration="PT1S"><Period><AdaptationSet mimeType="video/mp4"><Representation id="1" '
    'bandwidth="1"><BaseURL>{target}</BaseURL></Representation></AdaptationSet></Period></MPD>',
    "session.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
    "m=video 49733 RTP/AVP 33\n",
}


@pytest.mark.parametrize("name", PLAYLISTS)
@pytest.mark.parametrize("where", ["web", "file"])
def test_an_upload_that_is_a_playlist_opens_nothing(tmp_path: Path, name: str, where: str) -> None:
    clip = h264(tmp_path / "secret.mp4", 3)
    with serving() as web:
        web.files["/secret.mp4"] = clip.read_bytes()
        target = f"{web.here}/secret.mp4" if where == "web" else f"file://{clip}"
        playlist = tmp_path / name
        playlist.write_text(PLAYLISTS[name].format(target=target))
        with pytest.raises(InputNotAllowed, match="playlist"):
            upload(playlist, settings=Settings(input_urls=web.here, input_root=tmp_path))
        with pytest.raises(InputNotAllowed, match="playlist"):
            open_url(name, settings=Settings(input_urls=web.here, input_root=tmp_path))
        assert web.asked == []


@pytest.mark.parametrize("head", ["// hello\n", "\n\n# a comment\n", "x"])
@pytest.mark.parametrize("name", PLAYLISTS)
def test_a_playlist_that_hides_behind_another_head_opens_nothing_either(
    tmp_path: Path, name: str, head: str
) -> None:
    clip = h264(tmp_path / "secret.mp4", 3)
    with serving() as web:
        web.files["/secret.mp4"] = clip.read_bytes()
        playlist = tmp_path / name
        playlist.write_text(head + PLAYLISTS[name].format(target=f"{web.here}/secret.mp4"))
        with pytest.raises((InputNotAllowed, InputDamaged)):
            upload(playlist, settings=Settings(input_urls=web.here))
        assert web.asked == []
