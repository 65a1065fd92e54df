"""Clips of every kind, made for tests, and how far an output is from its input in time and sound."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from reelwire.testing import picture

COMPARED_RATE = 48_000  # one sample is 21 µs
WINDOW_S = 1.0
SEARCH_S = 0.1
AUDIBLE = 1e-3  # root mean square below which nothing can be compared
Mono = npt.NDArray[np.float32]


@dataclass(frozen=True)
class SoundKind:
    """A sound track to make."""

    codec: str
    rate: int
    layout: str
    sample_format: str


@dataclass(frozen=True)
class ClipKind:
    """A clip to make. ``pts`` in ticks of ``time_base``."""

    name: str
    pts: Sequence[int]
    time_base: Fraction
    width: int = 64
    height: int = 48
    codec: str = "libx264"
    pixel_format: str = "yuv420p"
    hdr: bool = False
    sound: SoundKind | None = None
    sound_delay_s: Fraction = Fraction(0)


def noise(seconds: float, rate: int, channels: int) -> Mono:
    """(N, channels) float32: the same noise on all channels, no two moments alike: an offset shows."""
    count = int(seconds * rate)
    mono = np.random.default_rng(5).normal(0, 0.1, count // 8 + 2).astype(np.float32)
    smooth = np.interp(np.arange(count) / 8, np.arange(len(mono)), mono).astype(np.float32)
    return np.repeat(smooth[:, None], channels, axis=1)


def make(kind: ClipKind, folder: Path) -> Path:
    """Writes the clip."""
    path = folder / kind.name
    with av.open(str(path), "w") as container:
        video: Any = container.add_stream(kind.codec)
        video.width, video.height, video.pix_fmt = kind.width, kind.height, kind.pixel_format
        video.time_base = video.codec_context.time_base = kind.time_base
        if kind.codec == "libx264":
            video.options = {"preset": "veryfast", "threads": "1"}  # with B-frames
        if kind.hdr:
            video.options = {"preset": "ultrafast", "x265-params": "log-level=none:pools=1"}
            video.codec_context.color_primaries, video.codec_context.colorspace = 9, 9
            video.codec_context.color_trc, video.codec_context.color_range = 16, 1
        sound: Any = None
        if kind.sound is not None:
            sound = container.add_stream(kind.sound.codec, rate=kind.sound.rate, layout=kind.sound.layout)
        seconds = float((kind.pts[-1] - kind.pts[0]) * kind.time_base)
        for index, pts in enumerate(kind.pts):
            frame = av.VideoFrame.from_ndarray(picture(index, kind.width, kind.height), format="rgb24")
            frame.pts, frame.time_base = pts, kind.time_base
            container.mux(video.encode(frame.reformat(format=kind.pixel_format)))
        container.mux(video.encode())
        if kind.sound is not None:
            _write_sound(container, sound, kind, seconds)
    return path


def _write_sound(container: Any, stream: Any, clip: ClipKind, seconds: float) -> None:
    kind = clip.sound
    assert kind is not None
    channels = stream.codec_context.channels
    samples = noise(seconds, kind.rate, channels)
    each = stream.codec_context.frame_size or 1024
    resampler = av.AudioResampler(kind.sample_format, kind.layout, kind.rate, each)
    packed = np.ascontiguousarray(samples).reshape(1, -1)
    frame = av.AudioFrame.from_ndarray(packed, format="flt", layout=kind.layout)
    frame.sample_rate, frame.time_base = kind.rate, Fraction(1, kind.rate)
    frame.pts = round(clip.sound_delay_s * kind.rate)
    for part in [*resampler.resample(frame), *resampler.resample(None)]:
        container.mux(stream.encode(part))
    container.mux(stream.encode())


def turn_clockwise(path: Path, height: int) -> Path:
    """Writes into an MP4's track header that its picture is to be shown turned by 90 degrees clockwise."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40  # version, times, track, duration, layer, volume; then the matrix
    matrix = (0, 1 << 16, 0, -(1 << 16) & 0xFFFFFFFF, 0, 0, height << 16, 0, 1 << 30)
    data[at : at + 36] = b"".join(value.to_bytes(4, "big") for value in matrix)
    path.write_bytes(data)
    return path


def picture_times(path: Path) -> list[Fraction]:
    """When each picture is shown, in seconds, as decoded: those that the decoder flags as damaged too, those
    that it refuses not."""
    times: list[Fraction] = []
    with av.open(str(path)) as container:
        for packet in container.demux(container.streams.video[0]):
            with suppress(av.InvalidDataError):
                times += [frame.pts * frame.time_base for frame in packet.decode()]
    return times


def worst_shift(source: Path, output: Path) -> Fraction:
    """How far a picture's time lies from the source's, both counted from their first picture, in ticks of
    the output's time base. At most one half, if time is exact."""
    before, after = picture_times(source), picture_times(output)
    assert len(before) == len(after), f"{len(before)} pictures became {len(after)}"
    with av.open(str(output)) as container:
        base = Fraction(container.streams.video[0].time_base)
    shifts = [abs((b - before[0]) - (a - after[0])) for b, a in zip(before, after, strict=True)]
    return max(shifts) / base


def sound_offsets_s(source: Path, output: Path) -> dict[str, float]:
    """How much later a sound comes in the output than in the source, against the picture, in the first and
    the last second that both have: by cross-correlation. Seconds that are silent are left out."""
    before, after = _sound_line(source), _sound_line(output)
    length = min(len(before), len(after))
    window, reach = round(WINDOW_S * COMPARED_RATE), round(SEARCH_S * COMPARED_RATE)
    starts = {"first": reach, "last": max(reach, length - window - reach)}
    found = {}
    for name, start in starts.items():
        piece = after[start : start + window]
        around = before[start - reach : start + window + reach]
        if _loudness(piece) > AUDIBLE and _loudness(around) > AUDIBLE:
            found[name] = _lag(around, piece, reach) / COMPARED_RATE
    return found


def _loudness(samples: Mono) -> float:
    return float(np.sqrt(np.mean(samples**2))) if len(samples) else 0.0


def _lag(around: Mono, piece: Mono, reach: int) -> int:
    """Samples by which ``piece`` comes later than the same sound in ``around``, normalised by loudness."""
    size = 1 << int(len(around) + len(piece)).bit_length()
    product = np.fft.irfft(np.fft.rfft(around, size) * np.conj(np.fft.rfft(piece, size)), size)
    steps = len(around) - len(piece) + 1
    total = np.concatenate(([0.0], np.cumsum(around.astype(np.float64) ** 2)))
    energy = total[len(piece) :] - total[:steps]
    score = product[:steps] / np.sqrt(np.maximum(energy[:steps], 1e-12))
    return reach - int(np.argmax(score))


def _sound_line(path: Path) -> Mono:
    """The sound from the first picture on, mono, each frame where its pts says."""
    with av.open(str(path)) as container:
        first = next(iter(container.decode(container.streams.video[0])))
        origin = first.pts * first.time_base
    placed: list[tuple[int, Mono]] = []
    with av.open(str(path)) as container:
        resampler = av.AudioResampler("flt", "mono", COMPARED_RATE)
        for frame in container.decode(container.streams.audio[0]):
            start = round((frame.pts * frame.time_base - origin) * COMPARED_RATE)
            for part in resampler.resample(frame):
                placed.append((start, part.to_ndarray()[0]))
                start += part.samples
    line = np.zeros(max(0, max(start + len(samples) for start, samples in placed)), np.float32)
    for start, samples in placed:
        kept = samples[max(0, -start) :]
        line[max(0, start) : max(0, start) + len(kept)] = kept
    return line
