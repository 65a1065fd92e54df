"""One set of services for all commands that need some, and a clip."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import pytest

from reelwire.testing import picture, write_clip
from tests.reelwire.cli.running import finish, started


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """25 small pictures at 25 fps with a tone, H.264 and AAC in MP4."""
    return write_clip(tmp_path_factory.mktemp("clips") / "in.mp4")


@pytest.fixture(scope="session")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five pictures of 63x47."""
    path = tmp_path_factory.mktemp("odd") / "odd.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 63, 47, "bgr0"
        for index in range(5):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(index, 63, 47), format="rgb24")))
        container.mux(stream.encode())
    return path


def _emptied(packet: av.Packet) -> av.Packet:
    """The same packet with nothing but zeros in it."""
    other = av.Packet(bytes(packet.size))
    other.stream, other.time_base = packet.stream, packet.time_base
    other.pts, other.dts, other.is_keyframe = packet.pts, packet.dts, True
    return other


@pytest.fixture(scope="session")
def refused(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten pictures, of which the decoder refuses the fifth and the sixth."""
    path = tmp_path_factory.mktemp("refused") / "refused.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for index in range(10):
            frame = av.VideoFrame.from_ndarray(picture(index), format="rgb24")
            for packet in stream.encode(frame):
                container.mux(_emptied(packet) if index in (4, 5) else packet)
    return path


@pytest.fixture(scope="session")
def served() -> Iterator[str]:
    """``reelwire serve`` as a process; gives what --connect takes. It must end well, too."""
    with started("serve") as process:
        assert process.stdout is not None
        lines = [process.stdout.readline().decode() for _ in range(5)]
        assert lines[4].startswith("use it: reelwire run INPUT OUTPUT --connect "), lines
        yield lines[4].split()[-1]
        process.terminate()
        assert finish(process).status == 0
