"""What holds for every test: nothing of the user's is read or written, and bytes can be compared."""

from __future__ import annotations

import os
import tempfile

# Which engine is fastest is measured, so two processes could differ in what they compute: tests that compare
# bytes run on the reference, in this process and in those that it starts. Tests of the choice say otherwise.
os.environ["REELWIRE_BACKEND"] = "onnxruntime"
_cache = tempfile.TemporaryDirectory(prefix="reelwire-test-cache-")
os.environ["REELWIRE_CACHE_DIR"] = _cache.name
