"""Sound → encoded packets: resampled where the codec needs it, gaps filled, priming before the first pts."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.codec.context import Flags

from reelwire.choices import choose_from
from reelwire.errors import BadParameter, BadPayload, CodecMissing
from reelwire.media import Packet, PacketFormat, Samples, Sound, SoundFormat
from reelwire.timeline import rescale
from reelwire.v1.config_pb2 import SoundEncoderConfig

ENCODERS = {"aac": "aac", "opus": "libopus"}
OPUS_RATES = (8000, 12000, 16000, 24000, 48000)
AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
SAMPLE_FORMAT = {"aac": "fltp", "opus": "flt"}
BLOCK_SAMPLES = 1024  # the resampler is fed blocks of one size, so that chunking cannot show
BITRATE_PER_CHANNEL_BPS = 64_000
JITTER_S = Fraction(1, 500)  # a pts this near to where the samples before ended is rounding, not a gap
MAX_GAP_S = 3600


class SoundEncoder:
    """One track of sound."""

    def __init__(self, config: SoundEncoderConfig, sound: SoundFormat, codec: str) -> None:
        """BadParameter: codec or bit rate. CodecMissing: it does not open."""
        self._sound = sound
        self.codec = check_codec(codec)
        if config.bitrate_bps and not 6_000 <= config.bitrate_bps <= 512_000:
            raise BadParameter(
                f"sound bitrate_bps is {config.bitrate_bps}; expected 6000 to 512000", field="bitrate_bps"
            )
        self.rate = _nearest_rate(self.codec, sound.sample_rate)
        self._context = self._open(config.bitrate_bps)
        self._frame_samples = int(self._context.frame_size) or BLOCK_SAMPLES
        self._resampler = av.AudioResampler(
            format=SAMPLE_FORMAT[self.codec],
            layout=sound.layout,
            rate=self.rate,
            frame_size=self._frame_samples,
        )
        self._pending: Samples = np.zeros((0, sound.channel_count), np.float32)
        self._start: int | None = None  # in samples of the input
        self._next = 0  # where the samples so far end
        self._fed = 0  # samples given to the resampler
        self._made = 0  # samples given to the encoder, at its own rate

    def _open(self, bitrate_bps: int) -> Any:
        try:
            context: Any = av.CodecContext.create(ENCODERS[self.codec], "w")
            context.sample_rate, context.layout = self.rate, self._sound.layout
            context.format = SAMPLE_FORMAT[self.codec]
            context.time_base = Fraction(1, self.rate)
            context.bit_rate = bitrate_bps or BITRATE_PER_CHANNEL_BPS * self._sound.channel_count
            context.flags |= Flags.global_header
            context.open()
        except (av.FFmpegError, ValueError) as error:
            raise CodecMissing(
                f"{self.codec} does not open for {self._sound.layout} at {self.rate} Hz: {error}",
                field="encoder.sound.codec",
            ) from None
        return context

    @property
    def format(self) -> PacketFormat:
        """What the packets are."""
        sound = SoundFormat(self.rate, self._sound.layout, self._sound.channel_count, Fraction(1, self.rate))
        return PacketFormat(
            codec=self.codec,
            time_base=sound.time_base,
            extradata=bytes(self._context.extradata or b""),
            sound=sound,
            initial_padding_samples=int(self._context.delay or 0),
        )

    def encode(self, sound: Sound) -> list[Packet]:
        """Packets that are ready. BadPayload: sound that starts more than an hour after the last."""
        rate = Fraction(1, self._sound.sample_rate)
        at = rescale(sound.pts, sound.format.time_base, rate)
        samples = sound.samples
        if self._start is None:
            self._start = self._next = at
        apart = at - self._next
        if apart > MAX_GAP_S * self._sound.sample_rate:
            raise BadPayload(f"sound at pts {sound.pts} is more than {MAX_GAP_S} s after the sound before it")
        if abs(apart) > JITTER_S * self._sound.sample_rate:
            samples = samples[-apart:] if apart < 0 else samples
        else:
            apart = 0
        packets = self._silence(apart) if apart > 0 else []
        return packets + self._add(samples)

    def flush(self) -> list[Packet]:
        """What is left, the last frame filled up with silence by the encoder."""
        packets = self._feed(self._pending) if len(self._pending) else []
        self._pending = self._pending[:0]
        if self._start is not None:
            packets += self._encode(self._resampler.resample(None))
            packets += self._take(self._context.encode(None))
        return packets

    def _silence(self, count: int) -> list[Packet]:
        packets = []
        while count > 0:
            each = min(count, self._sound.sample_rate)
            packets += self._add(np.zeros((each, self._sound.channel_count), np.float32))
            count -= each
        return packets

    def _add(self, samples: Samples) -> list[Packet]:
        self._next += len(samples)
        self._pending = np.concatenate((self._pending, samples)) if len(self._pending) else samples
        packets: list[Packet] = []
        while len(self._pending) >= BLOCK_SAMPLES:
            packets += self._feed(self._pending[:BLOCK_SAMPLES])
            self._pending = self._pending[BLOCK_SAMPLES:]
        return packets

    def _feed(self, samples: Samples) -> list[Packet]:
        interleaved = np.ascontiguousarray(samples, np.float32).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(interleaved, format="flt", layout=self._sound.layout)
        frame.sample_rate = self._sound.sample_rate
        frame.time_base = Fraction(1, self._sound.sample_rate)
        frame.pts = self._fed
        self._fed += len(samples)
        return self._encode(self._resampler.resample(frame))

    def _encode(self, frames: Iterable[Any]) -> list[Packet]:
        packets: list[Packet] = []
        assert self._start is not None
        first = rescale(self._start, Fraction(1, self._sound.sample_rate), Fraction(1, self.rate))
        for frame in frames:
            frame.pts, frame.time_base = first + self._made, Fraction(1, self.rate)
            self._made += frame.samples
            packets += self._take(self._context.encode(frame))
        return packets

    def _take(self, given: Iterable[Any]) -> list[Packet]:
        return [
            Packet(int(packet.pts), int(packet.dts), int(packet.duration or 0), True, bytes(packet))
            for packet in given
        ]


def check_codec(name: str) -> str:
    """BadParameter: not a sound codec that a stream can name."""
    if name not in ENCODERS:
        raise BadParameter(choose_from("sound codec", name, ENCODERS), field="encoder.sound.codec")
    return name


def _nearest_rate(codec: str, rate: int) -> int:
    known = OPUS_RATES if codec == "opus" else AAC_RATES
    if rate in known:
        return rate
    above = [each for each in known if each >= rate]
    return min(above) if above else max(known)
