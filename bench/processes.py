"""Processes that a benchmark starts: their lines of JSON, their last words, and their end with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO

END_S = 60.0  # to end once its standard input has
LAST_WORDS_BYTES = 2000


class PairFailed(Exception):
    """A process ended without its figures, or they are not honest ones."""


class Started:
    """One process that runs."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], errors: BinaryIO) -> None:
        self._name = name
        self._process = process
        self._errors = errors
        self.pid = process.pid

    def ask(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """Gives it a line of JSON, and takes one. PairFailed: it ended without an answer."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # then it has ended, and its line says why
            self._process.stdin.write(json.dumps(question).encode() + b"\n")
            self._process.stdin.flush()
        return self.line()

    def line(self) -> dict[str, Any]:
        """Its next line. PairFailed: it ended without one."""
        assert self._process.stdout is not None
        text = self._process.stdout.readline()
        if not text:
            status = self._process.wait()
            self._errors.seek(0)
            words = self._errors.read()[-LAST_WORDS_BYTES:].decode(errors="replace").strip()
            newest = words.splitlines()[-1] if words else "no word"
            raise PairFailed(f"{self._name} ended with status {status}: {newest}")
        return dict(json.loads(text))


@contextmanager
def started(
    module: str, *arguments: str, environment: Mapping[str, str], within_s: float
) -> Iterator[Started]:
    """``python -m module …``, whose standard input ends with the block; killed after ``within_s``."""
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**os.environ, **environment},
        )
        limit = threading.Timer(within_s, process.kill)
        limit.start()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield Started(" ".join((module, *arguments[:1])), process, errors)
        finally:
            limit.cancel()
            process.stdin.close()
            try:
                process.wait(END_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            process.stdout.close()
