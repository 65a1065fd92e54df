"""The SDK.

    async with connect({"preprocess": "127.0.0.1:5001"}) as reelwire:
        result = await reelwire.process_file("in.mp4", "out.mp4", config)

    with connect_blocking({"generator": "127.0.0.1:5002"}) as reelwire:
        for frames in reelwire.process_frames(source, video, config):
            ...

Errors are the classes of ``reelwire.errors`` that the service raised.
"""

from reelwire.client.blocking import BlockingReelwire, connect_blocking
from reelwire.client.files import FileResult, Progress
from reelwire.client.report import make_report
from reelwire.client.sdk import Reelwire, connect
from reelwire.client.stream import Stream

__all__ = [
    "BlockingReelwire",
    "FileResult",
    "Progress",
    "Reelwire",
    "Stream",
    "connect",
    "connect_blocking",
    "make_report",
]
