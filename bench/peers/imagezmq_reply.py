"""imagezmq as it is usually used: REQ to REP, a reply for each picture."""

from __future__ import annotations

from collections.abc import Callable

from bench.load import Load, Meter, Work

NAME = "imagezmq REQ/REP"
NEEDS = ("imagezmq",)
ECHOES = False
END = "end"


def consume(work: Work, meter: Meter, listening: Callable[[str], None]) -> None:
    """The text beside a picture is the nanosecond of its sending."""
    import imagezmq

    del work
    with imagezmq.ImageHub(open_port="tcp://127.0.0.1:*") as hub:
        listening(hub.zmq_socket.last_endpoint.decode())
        while True:
            text, pixels = hub.recv_image()
            if text == END:
                hub.send_reply(b"OK")
                break
            meter.took(int(text), pixels)
            hub.send_reply(b"OK")
    meter.report()


def produce(work: Work, load: Load, meter: Meter, address: str) -> str:
    """Waits for each reply."""
    import imagezmq

    del work, meter
    with imagezmq.ImageSender(connect_to=address) as sender:
        for sent_ns, pixels in load.frames():
            sender.send_image(str(sent_ns), pixels)
        sender.send_image(END, pixels)
    return ""
