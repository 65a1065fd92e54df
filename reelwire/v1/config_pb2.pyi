from google.protobuf import struct_pb2 as _struct_pb2
from reelwire.v1 import media_pb2 as _media_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Policy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    POLICY_UNSPECIFIED: _ClassVar[Policy]
    POLICY_LOSSLESS: _ClassVar[Policy]
    POLICY_LIVE: _ClassVar[Policy]

class Fit(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FIT_UNSPECIFIED: _ClassVar[Fit]
    FIT_SCALE: _ClassVar[Fit]
    FIT_PAD: _ClassVar[Fit]
    FIT_CROP: _ClassVar[Fit]

class SoundPicture(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SOUND_PICTURE_UNSPECIFIED: _ClassVar[SoundPicture]
    SOUND_PICTURE_WAVES: _ClassVar[SoundPicture]
    SOUND_PICTURE_BLACK: _ClassVar[SoundPicture]
POLICY_UNSPECIFIED: Policy
POLICY_LOSSLESS: Policy
POLICY_LIVE: Policy
FIT_UNSPECIFIED: Fit
FIT_SCALE: Fit
FIT_PAD: Fit
FIT_CROP: Fit
SOUND_PICTURE_UNSPECIFIED: SoundPicture
SOUND_PICTURE_WAVES: SoundPicture
SOUND_PICTURE_BLACK: SoundPicture

class Upload(_message.Message):
    __slots__ = ("name", "size_bytes")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    name: str
    size_bytes: int
    def __init__(self, name: _Optional[str] = ..., size_bytes: _Optional[int] = ...) -> None: ...

class Input(_message.Message):
    __slots__ = ("upload", "url", "text")
    UPLOAD_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    upload: Upload
    url: str
    text: str
    def __init__(self, upload: _Optional[_Union[Upload, _Mapping]] = ..., url: _Optional[str] = ..., text: _Optional[str] = ...) -> None: ...

class PreprocessConfig(_message.Message):
    __slots__ = ("width", "height", "fit", "rate", "background", "mute", "sound_passthrough", "sound_picture", "start_s", "duration_s")
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    FIT_FIELD_NUMBER: _ClassVar[int]
    RATE_FIELD_NUMBER: _ClassVar[int]
    BACKGROUND_FIELD_NUMBER: _ClassVar[int]
    MUTE_FIELD_NUMBER: _ClassVar[int]
    SOUND_PASSTHROUGH_FIELD_NUMBER: _ClassVar[int]
    SOUND_PICTURE_FIELD_NUMBER: _ClassVar[int]
    START_S_FIELD_NUMBER: _ClassVar[int]
    DURATION_S_FIELD_NUMBER: _ClassVar[int]
    width: int
    height: int
    fit: Fit
    rate: str
    background: str
    mute: bool
    sound_passthrough: bool
    sound_picture: SoundPicture
    start_s: float
    duration_s: float
    def __init__(self, width: _Optional[int] = ..., height: _Optional[int] = ..., fit: _Optional[_Union[Fit, str]] = ..., rate: _Optional[str] = ..., background: _Optional[str] = ..., mute: _Optional[bool] = ..., sound_passthrough: _Optional[bool] = ..., sound_picture: _Optional[_Union[SoundPicture, str]] = ..., start_s: _Optional[float] = ..., duration_s: _Optional[float] = ...) -> None: ...

class GeneratorConfig(_message.Message):
    __slots__ = ("model", "strength", "backend", "precision")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    STRENGTH_FIELD_NUMBER: _ClassVar[int]
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    PRECISION_FIELD_NUMBER: _ClassVar[int]
    model: str
    strength: float
    backend: str
    precision: str
    def __init__(self, model: _Optional[str] = ..., strength: _Optional[float] = ..., backend: _Optional[str] = ..., precision: _Optional[str] = ...) -> None: ...

class EffectConfig(_message.Message):
    __slots__ = ("name", "params")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PARAMS_FIELD_NUMBER: _ClassVar[int]
    name: str
    params: _struct_pb2.Struct
    def __init__(self, name: _Optional[str] = ..., params: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class EditorConfig(_message.Message):
    __slots__ = ("effects",)
    EFFECTS_FIELD_NUMBER: _ClassVar[int]
    effects: _containers.RepeatedCompositeFieldContainer[EffectConfig]
    def __init__(self, effects: _Optional[_Iterable[_Union[EffectConfig, _Mapping]]] = ...) -> None: ...

class VideoEncoderConfig(_message.Message):
    __slots__ = ("codec", "preset", "quality", "bitrate_bps", "gop_frames")
    CODEC_FIELD_NUMBER: _ClassVar[int]
    PRESET_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    BITRATE_BPS_FIELD_NUMBER: _ClassVar[int]
    GOP_FRAMES_FIELD_NUMBER: _ClassVar[int]
    codec: str
    preset: str
    quality: int
    bitrate_bps: int
    gop_frames: int
    def __init__(self, codec: _Optional[str] = ..., preset: _Optional[str] = ..., quality: _Optional[int] = ..., bitrate_bps: _Optional[int] = ..., gop_frames: _Optional[int] = ...) -> None: ...

class SoundEncoderConfig(_message.Message):
    __slots__ = ("codec", "bitrate_bps")
    CODEC_FIELD_NUMBER: _ClassVar[int]
    BITRATE_BPS_FIELD_NUMBER: _ClassVar[int]
    codec: str
    bitrate_bps: int
    def __init__(self, codec: _Optional[str] = ..., bitrate_bps: _Optional[int] = ...) -> None: ...

class EncoderConfig(_message.Message):
    __slots__ = ("video", "sound", "container", "omit_provenance")
    VIDEO_FIELD_NUMBER: _ClassVar[int]
    SOUND_FIELD_NUMBER: _ClassVar[int]
    CONTAINER_FIELD_NUMBER: _ClassVar[int]
    OMIT_PROVENANCE_FIELD_NUMBER: _ClassVar[int]
    video: VideoEncoderConfig
    sound: SoundEncoderConfig
    container: str
    omit_provenance: bool
    def __init__(self, video: _Optional[_Union[VideoEncoderConfig, _Mapping]] = ..., sound: _Optional[_Union[SoundEncoderConfig, _Mapping]] = ..., container: _Optional[str] = ..., omit_provenance: _Optional[bool] = ...) -> None: ...

class StreamConfig(_message.Message):
    __slots__ = ("stream_id", "route", "policy", "chunk_frames", "credit_chunks", "start_timeout_s", "latency_budget_ms", "checkpoint_frames", "input", "preprocess", "generator", "editor", "encoder", "offers", "clock_id", "models", "rings", "takes_batches")
    STREAM_ID_FIELD_NUMBER: _ClassVar[int]
    ROUTE_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FRAMES_FIELD_NUMBER: _ClassVar[int]
    CREDIT_CHUNKS_FIELD_NUMBER: _ClassVar[int]
    START_TIMEOUT_S_FIELD_NUMBER: _ClassVar[int]
    LATENCY_BUDGET_MS_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FRAMES_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    PREPROCESS_FIELD_NUMBER: _ClassVar[int]
    GENERATOR_FIELD_NUMBER: _ClassVar[int]
    EDITOR_FIELD_NUMBER: _ClassVar[int]
    ENCODER_FIELD_NUMBER: _ClassVar[int]
    OFFERS_FIELD_NUMBER: _ClassVar[int]
    CLOCK_ID_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    RINGS_FIELD_NUMBER: _ClassVar[int]
    TAKES_BATCHES_FIELD_NUMBER: _ClassVar[int]
    stream_id: str
    route: _containers.RepeatedScalarFieldContainer[str]
    policy: Policy
    chunk_frames: int
    credit_chunks: int
    start_timeout_s: float
    latency_budget_ms: int
    checkpoint_frames: int
    input: Input
    preprocess: PreprocessConfig
    generator: GeneratorConfig
    editor: EditorConfig
    encoder: EncoderConfig
    offers: _containers.RepeatedCompositeFieldContainer[_media_pb2.Offer]
    clock_id: str
    models: _containers.RepeatedCompositeFieldContainer[PinnedModel]
    rings: _containers.RepeatedCompositeFieldContainer[Ring]
    takes_batches: bool
    def __init__(self, stream_id: _Optional[str] = ..., route: _Optional[_Iterable[str]] = ..., policy: _Optional[_Union[Policy, str]] = ..., chunk_frames: _Optional[int] = ..., credit_chunks: _Optional[int] = ..., start_timeout_s: _Optional[float] = ..., latency_budget_ms: _Optional[int] = ..., checkpoint_frames: _Optional[int] = ..., input: _Optional[_Union[Input, _Mapping]] = ..., preprocess: _Optional[_Union[PreprocessConfig, _Mapping]] = ..., generator: _Optional[_Union[GeneratorConfig, _Mapping]] = ..., editor: _Optional[_Union[EditorConfig, _Mapping]] = ..., encoder: _Optional[_Union[EncoderConfig, _Mapping]] = ..., offers: _Optional[_Iterable[_Union[_media_pb2.Offer, _Mapping]]] = ..., clock_id: _Optional[str] = ..., models: _Optional[_Iterable[_Union[PinnedModel, _Mapping]]] = ..., rings: _Optional[_Iterable[_Union[Ring, _Mapping]]] = ..., takes_batches: _Optional[bool] = ...) -> None: ...

class Ring(_message.Message):
    __slots__ = ("name", "token", "owner")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    name: str
    token: bytes
    owner: str
    def __init__(self, name: _Optional[str] = ..., token: _Optional[bytes] = ..., owner: _Optional[str] = ...) -> None: ...

class PinnedModel(_message.Message):
    __slots__ = ("stage", "name", "version", "sha256", "backend", "precision", "device", "max_batch")
    STAGE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    PRECISION_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    MAX_BATCH_FIELD_NUMBER: _ClassVar[int]
    stage: str
    name: str
    version: str
    sha256: str
    backend: str
    precision: str
    device: str
    max_batch: int
    def __init__(self, stage: _Optional[str] = ..., name: _Optional[str] = ..., version: _Optional[str] = ..., sha256: _Optional[str] = ..., backend: _Optional[str] = ..., precision: _Optional[str] = ..., device: _Optional[str] = ..., max_batch: _Optional[int] = ...) -> None: ...
