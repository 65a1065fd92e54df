"""What both ends of a measured hop do: no frame and no byte is left out of what is counted."""

from __future__ import annotations

import os

import numpy as np

from bench.load import WARM_FRAMES, Load, Meter, Work, cpu_s, noise, read_every_byte

WORK = Work(16, 8, "RGB24", fps=0, seconds=0.02)


def test_the_last_byte_is_read_wherever_the_first_one_lies() -> None:
    memory = np.zeros(1 + WORK.frame_bytes, np.uint8)
    pixels = memory[1:].reshape(WORK.frame_shape)
    assert read_every_byte(pixels) == 0
    memory[-1] = 7
    assert read_every_byte(pixels) == 7


def test_the_frames_of_the_window_are_those_sent_after_the_warm_up() -> None:
    load = Load(WORK, [os.getpid()])
    sent = [at for at, _ in load.frames()]
    window = load.as_dict()
    assert window["sent"] == len(sent) == WARM_FRAMES + window["frames"]
    assert window["frames"] == sum(window["from_ns"] <= at <= window["to_ns"] for at in sent)
    assert sent == sorted(set(sent))


def test_frames_that_are_paced_are_each_sent_when_due_or_later() -> None:
    fps = 200.0
    sent = [at for at, _ in Load(Work(16, 8, "I420", fps, seconds=0.05), [os.getpid()]).frames()]
    assert all(at - sent[0] >= (number / fps - 0.001) * 1e9 for number, at in enumerate(sent))


def test_cpu_of_a_process_is_what_it_has_used_and_of_the_same_process_twice_is_counted_once() -> None:
    before = cpu_s([os.getpid()])
    for pixels in noise(WORK) * 200:
        read_every_byte(pixels)
    assert cpu_s([os.getpid()]) > before
    load = Load(WORK, [os.getpid(), os.getpid()])
    for _ in load.frames():
        pass
    window = load.as_dict()
    assert 0 < window["cpu_s"] <= 1.1 * (window["to_ns"] - window["from_ns"]) / 1e9


def test_only_the_ages_of_frames_of_the_window_are_told() -> None:
    meter = Meter([(10, 1_000_000), (20, 2_000_000), (30, 3_000_000)])
    assert meter.ages_ms(15, 30) == [2.0, 3.0]
