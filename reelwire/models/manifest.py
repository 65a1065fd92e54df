"""model.toml: what a graph cannot say of itself. Optional; every key is optional; unknown keys are errors.

A model is a folder that holds ``model.onnx`` (or a single .onnx file of any name) and, where needed,
``model.toml``. Names, shapes and types come from the graph, the scale factor from a probe run. All keys::

    name = "restyle"               # as the folder
    version = "1"                  # A-Z a-z 0-9 . _ -; default: the first 12 digits of the sha256
    task = "image-to-image"        # or "segmentation", "face-detection", "recurrent", …
    description = "One line."
    license = "Apache-2.0"
    source = "where it came from"
    training = "how it was trained"
    sha256 = "…64 digits…"         # of model.onnx followed by its external data files in name order; checked

    [input]                        # the picture that goes in
    name = "frame"                 # needed only where several inputs could be the picture
    range = "0..1"                 # "0..1", "-1..1", "0..255"; default: "0..255" for uint8, else "0..1"
    mean = [0.485, 0.456, 0.406]   # subtracted in units of range, in the model's colour order; default 0
    std = [0.229, 0.224, 0.225]    # divided by after that; default 1
    color = "rgb"                  # or "bgr"; default "rgb"
    layout = "NCHW"                # NCHW NHWC NTCHW NCTHW NTHWC; NKHW NHWK: frames stacked in the channels
    multiple = 4                   # width and height are padded up to one; default: found by probing
    min_size = 16                  # pixels of the shorter side; default 1
    max_size = 4096                # pixels of the longer side; default: none

    [output]                       # the picture that comes out; range and color default to the input's
    name = "styled"
    range = "0..1"
    color = "rgb"
    layout = "NCHW"

    [window]                       # for models that see several frames at once
    frames = 5                     # in one run
    overlap = 4                    # shared with the run before; each run moves on by frames - overlap
    first_output = 2               # place in the window of the first frame that comes out; default: 0,
                                   # or the middle where fewer frames come out than go in

    [[state]]                      # one for each recurrent pair that the names do not give away
    input = "h"
    output = "h_next"
    shape = [1, 16, "H/4", "W/4"]  # H, W: the picture's (padded) size; N: the batch, 1 for streams
    initial = 0.0                  # fills it at the start of a stream

    [constants]                    # other inputs that never change; lists for whole arrays
    sr = 16000

    [metrics]                      # what was measured; free names, numbers or text
    psnr_db = 31.2

    [quality]
    min_psnr_db = 32.0             # least likeness to fp32, on the sample, of what ``auto`` may take

    [batch]
    max = 4                        # most runs of several streams in one inference; default: the service's

    [sample]                       # one run's inputs and fp32 outputs, in NumPy's .npz format: "input NAME",
    file = "sample.npz"            # "output NAME"; a version that does not give them is not served
    sha256 = "…64 digits…"
    tolerance = 1e-4               # largest absolute difference that the fp32 graph may have

    [[variants]]                   # the same graph in other precisions
    file = "model.s8s8.onnx"
    precision = "int8"             # or "fp16"
    form = "s8s8"                  # int8 only: "s8s8" (TensorRT, OpenVINO) or "u8s8" (ONNX Runtime on CPUs)
    sha256 = "…64 digits…"
    psnr_db = 35.1                 # against fp32, as it was measured when it was exported
    ssim = 0.97
    max_abs_error = 0.08

    [[profiles]]                   # sizes that a TensorRT plan is built for: least, likeliest, largest
    name = "360p"
    inputs = { frame = [[1, 3, 32, 32], [1, 3, 360, 640], [4, 3, 720, 1280]] }
"""

from __future__ import annotations

import tomllib
from dataclasses import field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from reelwire.errors import ModelUnusable

MANIFEST_NAME = "model.toml"
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
SYMBOL_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]*(/[1-9][0-9]*)?$"
FILE_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"
SHA256_PATTERN = r"^[0-9a-f]{64}$"
STRICT = ConfigDict(extra="forbid")

PixelRange = Literal["0..1", "-1..1", "0..255"]
Layout = Literal["NCHW", "NHWC", "NTCHW", "NCTHW", "NTHWC", "NKHW", "NHWK"]
Triple = tuple[float, float, float]
PositiveTriple = tuple[
    Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]
]
Constant = float | int | bool | list[Any]


@dataclass(frozen=True, config=STRICT)
class PictureManifest:
    """[input] and [output]; None: not said."""

    name: str = ""
    range: PixelRange | None = None
    mean: Triple | None = None
    std: PositiveTriple | None = None
    color: Literal["rgb", "bgr"] | None = None
    layout: Layout | None = None


@dataclass(frozen=True, config=STRICT)
class InputManifest(PictureManifest):
    """[input]; sizes in pixels."""

    multiple: Annotated[int, Field(ge=1, le=1024)] | None = None
    min_size: Annotated[int, Field(ge=1, le=16384)] = 1
    max_size: Annotated[int, Field(ge=1, le=16384)] = 16384


@dataclass(frozen=True, config=STRICT)
class WindowManifest:
    """[window]; all in frames."""

    frames: Annotated[int, Field(ge=1, le=64)]
    overlap: Annotated[int, Field(ge=0, le=63)] = 0
    first_output: Annotated[int, Field(ge=0, le=63)] | None = None


@dataclass(frozen=True, config=STRICT)
class StateManifest:
    """[[state]]; no shape: from the graph and a probe run."""

    input: str
    output: str
    shape: tuple[Annotated[int, Field(ge=1)] | Annotated[str, Field(pattern=SYMBOL_PATTERN)], ...] | None = (
        None
    )
    initial: float = 0.0


@dataclass(frozen=True, config=STRICT)
class QualityManifest:
    """[quality]; PSNR in dB over all outputs, see ``reelwire/models/fidelity.py``."""

    min_psnr_db: Annotated[float, Field(ge=0, le=120)] = 30.0


@dataclass(frozen=True, config=STRICT)
class BatchManifest:
    """[batch]; 0: no limit but the service's."""

    max: Annotated[int, Field(ge=0, le=64)] = 0


@dataclass(frozen=True, config=STRICT)
class SampleManifest:
    """[sample]."""

    file: Annotated[str, Field(pattern=FILE_PATTERN)]
    sha256: Annotated[str, Field(pattern=SHA256_PATTERN)]
    tolerance: Annotated[float, Field(gt=0)] = 1e-4


@dataclass(frozen=True, config=STRICT)
class VariantManifest:
    """[[variants]]; what was measured is against the fp32 graph."""

    file: Annotated[str, Field(pattern=FILE_PATTERN)]
    precision: Literal["fp16", "int8"]
    sha256: Annotated[str, Field(pattern=SHA256_PATTERN)]
    form: Literal["", "s8s8", "u8s8"] = ""
    psnr_db: float | None = None
    ssim: float | None = None
    max_abs_error: float | None = None


Lengths = tuple[Annotated[int, Field(ge=1)], ...]


@dataclass(frozen=True, config=STRICT)
class ProfileManifest:
    """[[profiles]]; for each input with free lengths: least, likeliest and largest shape."""

    name: Annotated[str, Field(pattern=NAME_PATTERN)]
    inputs: dict[str, tuple[Lengths, Lengths, Lengths]]


@dataclass(frozen=True, config=STRICT)
class Manifest:
    """A whole model.toml; see the top of this file."""

    name: str = ""
    version: Annotated[str, Field(pattern=NAME_PATTERN)] = ""
    task: str = ""
    description: str = ""
    license: str = ""
    source: str = ""
    training: str = ""
    sha256: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""
    input: InputManifest = field(default_factory=InputManifest)
    output: PictureManifest = field(default_factory=PictureManifest)
    window: WindowManifest | None = None
    state: tuple[StateManifest, ...] = ()
    constants: dict[str, Constant] = field(default_factory=dict)
    metrics: dict[str, float | str] = field(default_factory=dict)
    quality: QualityManifest = field(default_factory=QualityManifest)
    batch: BatchManifest = field(default_factory=BatchManifest)
    sample: SampleManifest | None = None
    variants: tuple[VariantManifest, ...] = ()
    profiles: tuple[ProfileManifest, ...] = ()


_ADAPTER = TypeAdapter(Manifest)


def read_manifest(path: Path) -> Manifest:
    """Reads a model.toml; a missing file is an empty one. ModelUnusable names the wrong key."""
    if not path.is_file():
        return Manifest()
    try:
        with path.open("rb") as stream:
            return _ADAPTER.validate_python(tomllib.load(stream))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ModelUnusable(f"{path.name} is not valid TOML: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        got = "" if isinstance(first.get("input"), dict) else f" = {first.get('input')!r}"
        words = "unknown key" if first["type"] == "unexpected_keyword_argument" else first["msg"]
        raise ModelUnusable(f"{path.name}: {where}{got}: {words}", field=where) from None
