"""http(s): each address is checked before it is asked, also after redirects and in playlists."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from reelwire.errors import InputDamaged, InputNotAllowed, InputNotFound, Unavailable
from reelwire.settings import Settings
from reelwire.testing import picture, write_clip
from services.preprocess.addresses import AllowList
from services.preprocess.http_file import HttpFile
from tests.services.preprocess.clips import h264
from tests.services.preprocess.running import Given, open_url, upload
from tests.services.preprocess.web import Web, serving


@pytest.fixture
def web() -> Iterator[Web]:
    with serving() as web:
        yield web


def fetch(web: Web, path: str) -> Given:
    return open_url(web.here + path, settings=Settings(input_urls=web.here))


def hls(folder: Path) -> dict[str, bytes]:
    """A playlist of four segments, as path → bytes."""
    options = {"hls_time": "0.4"}
    with av.open(str(folder / "list.m3u8"), "w", format="hls", options=options) as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.options = {"g": "10", "preset": "ultrafast"}
        for index in range(40):
            frame = av.VideoFrame.from_ndarray(picture(index), format="rgb24")
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return {f"/{path.name}": path.read_bytes() for path in folder.iterdir()}


def test_a_file_behind_http_is_the_same_as_uploaded(tmp_path: Path, web: Web) -> None:
    clip = write_clip(tmp_path / "clip.mp4")
    web.files["/clip.mp4"] = clip.read_bytes()
    far, near = fetch(web, "/clip.mp4"), upload(clip)
    assert far.pts == near.pts
    assert np.array_equal(far.pixels, near.pixels)
    assert np.array_equal(far.samples, near.samples)


def test_an_index_at_the_end_of_a_large_file_is_reached_with_ranges(tmp_path: Path, web: Web) -> None:
    clip = h264(tmp_path / "clip.mp4", 60, width=640, height=480, options={"qp": "1"})
    assert clip.stat().st_size > 1 << 20
    web.files["/clip.mp4"] = clip.read_bytes()
    assert len(fetch(web, "/clip.mp4").pts) == 60
    assert len(web.asked) > 1


def test_a_server_without_ranges_is_read_from_front_to_back(tmp_path: Path, web: Web) -> None:
    web.gives_ranges = False
    web.files["/clip.mkv"] = h264(tmp_path / "clip.mkv", 30).read_bytes()
    assert len(fetch(web, "/clip.mkv").pts) == 30


def test_a_redirect_to_an_allowed_address_is_followed(tmp_path: Path, web: Web) -> None:
    web.files["/clip.mp4"] = h264(tmp_path / "clip.mp4", 5).read_bytes()
    web.moved["/old"] = "/clip.mp4"
    assert len(fetch(web, "/old").pts) == 5


@pytest.mark.parametrize(
    "target", ["{elsewhere}/clip.mp4", "file:///etc/hostname", "http://169.254.169.254/"]
)
def test_a_redirect_elsewhere_is_refused_and_not_asked(web: Web, target: str) -> None:
    web.files["/clip.mp4"] = b"secret"
    web.moved["/old"] = target.format(elsewhere=web.elsewhere)
    with pytest.raises(InputNotAllowed):
        fetch(web, "/old")
    assert web.asked == ["/old"]


def test_redirects_in_a_circle_end(web: Web) -> None:
    web.moved["/round"] = "/round"
    with pytest.raises(Unavailable, match="redirects"):
        fetch(web, "/round")


def test_a_playlist_of_allowed_addresses_is_played(tmp_path: Path, web: Web) -> None:
    web.files.update(hls(tmp_path))
    assert len(fetch(web, "/list.m3u8").pts) == 40
    assert web.asked[0] == "/list.m3u8"


@pytest.mark.parametrize("segment", [0, 1])
@pytest.mark.parametrize(
    "target", ["{elsewhere}/secret.ts", "file:///etc/secret.ts", "http://169.254.169.254/secret.ts"]
)
def test_a_playlist_that_names_another_address_is_refused_and_it_is_not_asked(
    tmp_path: Path, web: Web, segment: int, target: str
) -> None:
    web.files.update(hls(tmp_path))
    web.files["/secret.ts"] = web.files["/list1.ts"]
    named = target.format(elsewhere=web.elsewhere).encode()
    web.files["/list.m3u8"] = web.files["/list.m3u8"].replace(f"list{segment}.ts".encode(), named)
    with pytest.raises(InputNotAllowed):
        fetch(web, "/list.m3u8")
    assert "/secret.ts" not in web.asked


def test_what_is_not_there_is_not_found(web: Web) -> None:
    with pytest.raises(InputNotFound, match="404"):
        fetch(web, "/nothing.mp4")


def test_a_page_that_is_no_film_is_refused(web: Web) -> None:
    web.files["/page"] = b"<html>hello</html>" * 50
    with pytest.raises(InputDamaged):
        fetch(web, "/page")


def test_a_server_that_nobody_runs_is_unavailable() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with pytest.raises(Unavailable, match="refused"):
        open_url(f"http://127.0.0.1:{port}/a.mp4", settings=Settings(input_urls="http://127.0.0.1"))


def test_a_connection_that_breaks_off_is_no_end(tmp_path: Path, web: Web) -> None:
    data = h264(tmp_path / "clip.mkv", 60, width=320, height=240, options={"qp": "1"}).read_bytes()
    web.files["/clip.mkv"], web.cut_at = data, len(data) // 2
    with pytest.raises(Unavailable, match="broke off"):
        fetch(web, "/clip.mkv")


@pytest.mark.parametrize("gives_ranges", [True, False], ids=["ranges", "no-ranges"])
def test_reading_and_seeking_give_the_bytes_that_are_there(web: Web, gives_ranges: bool) -> None:
    web.gives_ranges = gives_ranges
    data = web.files["/data"] = bytes(range(256)) * 4096
    file = HttpFile(web.here + "/data", AllowList.of(Settings(input_urls=web.here)))
    assert file.read(1000) == data[:1000]
    assert file.seekable() == gives_ranges
    if gives_ranges:
        for at in (5000, 900_000, 10, 400_000):
            assert file.seek(at) == at
            assert file.read(100) == data[at : at + 100]
        assert file.seek(-10, 2) == len(data) - 10
        assert file.read(100) == data[-10:]
    else:
        with pytest.raises(OSError, match="ranges"):
            file.seek(5000)
    file.close()


def test_a_byte_range_of_a_playlist_is_kept_to(web: Web) -> None:
    data = web.files["/data"] = bytes(range(256)) * 16
    allowed = AllowList.of(Settings(input_urls=web.here))
    file = HttpFile(web.here + "/data", allowed, start=100, end=300)
    assert file.read(1000) == data[100:300]
    assert file.read(1000) == b""
    assert file.seek(50) == 50
    assert file.read(10) == data[150:160]
    file.close()
