"""A program that knows the protos and nothing else of ours: run with ``python -I``; its arguments are the
folder of its stubs and an address. Sends ten frames through the generator and prints, as JSON, what came
back.
"""

import hashlib
import json
import queue
import sys
from pathlib import Path

# Not where this project is installed, if it is: only the stubs.
sys.path[:] = [
    sys.argv[1],
    *(path for path in sys.path if not Path(path, "reelwire", "__init__.py").exists()),
]

import grpc  # noqa: E402

from reelwire.v1 import config_pb2, media_pb2, pipeline_pb2, pipeline_pb2_grpc  # noqa: E402

WIDTH, HEIGHT, COUNT = 32, 24, 10


def frame(index: int) -> bytes:
    return bytes((index * 31 + place) % 256 for place in range(WIDTH * HEIGHT * 3))


def config() -> config_pb2.StreamConfig:
    video = media_pb2.VideoFormat(
        width=WIDTH,
        height=HEIGHT,
        layout=media_pb2.PIXEL_LAYOUT_RGB24,
        time_base=media_pb2.Rational(num=1, den=25),
    )
    kind = media_pb2.PAYLOAD_KIND_FRAMES
    return config_pb2.StreamConfig(
        stream_id="plain",
        route=["generator"],
        offers=[media_pb2.Offer(track=0, kind=kind, layouts=[video.layout], video=video)],
    )


def main() -> None:
    outbox: queue.SimpleQueue = queue.SimpleQueue()
    outbox.put(pipeline_pb2.ProcessRequest(config=config()))
    outbox.put(pipeline_pb2.ProcessRequest(credit=pipeline_pb2.Credit(track=0, total=COUNT, taken_seq=-1)))
    sent = granted = 0
    back, order = [], []
    with grpc.insecure_channel(sys.argv[2]) as channel:
        stub = pipeline_pb2_grpc.GeneratorStub(channel)
        for answer in stub.Process(iter(outbox.get, None)):
            name = answer.WhichOneof("message")
            order += [name] if name not in order else []
            if name == "credit":
                granted = max(granted, answer.credit.total)
            elif name == "chunk":
                back.append([list(answer.chunk.pts), hashlib.sha256(answer.chunk.data).hexdigest()])
            elif name == "summary":
                summary = answer.summary.stages[0]
            while sent < min(granted, COUNT):
                chunk = media_pb2.Chunk(
                    seq=sent, kind=media_pb2.PAYLOAD_KIND_FRAMES, pts=[sent * 2], data=frame(sent)
                )
                outbox.put(pipeline_pb2.ProcessRequest(chunk=chunk))
                sent += 1
                if sent == COUNT:
                    outbox.put(pipeline_pb2.ProcessRequest(end=pipeline_pb2.End(track=0)))
        outbox.put(None)
    expected = [[[index * 2], hashlib.sha256(frame(index)).hexdigest()] for index in range(COUNT)]
    ours = [module for name, module in sys.modules.items() if name.split(".")[0] in ("reelwire", "services")]
    files = [module.__file__ for module in ours if module.__file__]  # a folder of stubs alone has no file
    accounts = [summary.in_frames, summary.made_frames, summary.out_frames, summary.failed_frames]
    print(json.dumps({"same": back == expected, "order": order, "accounts": accounts, "files": files}))


main()
