from google.protobuf import struct_pb2 as _struct_pb2
from reelwire.v1 import config_pb2 as _config_pb2
from reelwire.v1 import media_pb2 as _media_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ProcessRequest(_message.Message):
    __slots__ = ("config", "chunk", "control", "end", "credit", "ack", "release", "attached", "batch")
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    CONTROL_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    CREDIT_FIELD_NUMBER: _ClassVar[int]
    ACK_FIELD_NUMBER: _ClassVar[int]
    RELEASE_FIELD_NUMBER: _ClassVar[int]
    ATTACHED_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    config: _config_pb2.StreamConfig
    chunk: _media_pb2.Chunk
    control: Control
    end: End
    credit: Credit
    ack: Ack
    release: Release
    attached: Attached
    batch: Batch
    def __init__(self, config: _Optional[_Union[_config_pb2.StreamConfig, _Mapping]] = ..., chunk: _Optional[_Union[_media_pb2.Chunk, _Mapping]] = ..., control: _Optional[_Union[Control, _Mapping]] = ..., end: _Optional[_Union[End, _Mapping]] = ..., credit: _Optional[_Union[Credit, _Mapping]] = ..., ack: _Optional[_Union[Ack, _Mapping]] = ..., release: _Optional[_Union[Release, _Mapping]] = ..., attached: _Optional[_Union[Attached, _Mapping]] = ..., batch: _Optional[_Union[Batch, _Mapping]] = ...) -> None: ...

class ProcessResponse(_message.Message):
    __slots__ = ("accepted", "chunk", "credit", "ack", "release", "notice", "summary", "batch")
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    CREDIT_FIELD_NUMBER: _ClassVar[int]
    ACK_FIELD_NUMBER: _ClassVar[int]
    RELEASE_FIELD_NUMBER: _ClassVar[int]
    NOTICE_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    accepted: Accepted
    chunk: _media_pb2.Chunk
    credit: Credit
    ack: Ack
    release: Release
    notice: Notice
    summary: Summary
    batch: Batch
    def __init__(self, accepted: _Optional[_Union[Accepted, _Mapping]] = ..., chunk: _Optional[_Union[_media_pb2.Chunk, _Mapping]] = ..., credit: _Optional[_Union[Credit, _Mapping]] = ..., ack: _Optional[_Union[Ack, _Mapping]] = ..., release: _Optional[_Union[Release, _Mapping]] = ..., notice: _Optional[_Union[Notice, _Mapping]] = ..., summary: _Optional[_Union[Summary, _Mapping]] = ..., batch: _Optional[_Union[Batch, _Mapping]] = ...) -> None: ...

class Batch(_message.Message):
    __slots__ = ("messages",)
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    messages: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, messages: _Optional[_Iterable[bytes]] = ...) -> None: ...

class Attached(_message.Message):
    __slots__ = ("ring", "reader", "nonce")
    RING_FIELD_NUMBER: _ClassVar[int]
    READER_FIELD_NUMBER: _ClassVar[int]
    NONCE_FIELD_NUMBER: _ClassVar[int]
    ring: str
    reader: int
    nonce: bytes
    def __init__(self, ring: _Optional[str] = ..., reader: _Optional[int] = ..., nonce: _Optional[bytes] = ...) -> None: ...

class Accepted(_message.Message):
    __slots__ = ("stage", "inputs", "lag_frames", "models", "transport", "resumable", "returns", "credit_frames", "version", "attached", "ring", "takes_batches")
    STAGE_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    LAG_FRAMES_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    TRANSPORT_FIELD_NUMBER: _ClassVar[int]
    RESUMABLE_FIELD_NUMBER: _ClassVar[int]
    RETURNS_FIELD_NUMBER: _ClassVar[int]
    CREDIT_FRAMES_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ATTACHED_FIELD_NUMBER: _ClassVar[int]
    RING_FIELD_NUMBER: _ClassVar[int]
    TAKES_BATCHES_FIELD_NUMBER: _ClassVar[int]
    stage: str
    inputs: _containers.RepeatedCompositeFieldContainer[_media_pb2.Offer]
    lag_frames: int
    models: _containers.RepeatedCompositeFieldContainer[_config_pb2.PinnedModel]
    transport: str
    resumable: bool
    returns: _containers.RepeatedCompositeFieldContainer[_media_pb2.Offer]
    credit_frames: int
    version: str
    attached: _containers.RepeatedCompositeFieldContainer[Attached]
    ring: _config_pb2.Ring
    takes_batches: bool
    def __init__(self, stage: _Optional[str] = ..., inputs: _Optional[_Iterable[_Union[_media_pb2.Offer, _Mapping]]] = ..., lag_frames: _Optional[int] = ..., models: _Optional[_Iterable[_Union[_config_pb2.PinnedModel, _Mapping]]] = ..., transport: _Optional[str] = ..., resumable: _Optional[bool] = ..., returns: _Optional[_Iterable[_Union[_media_pb2.Offer, _Mapping]]] = ..., credit_frames: _Optional[int] = ..., version: _Optional[str] = ..., attached: _Optional[_Iterable[_Union[Attached, _Mapping]]] = ..., ring: _Optional[_Union[_config_pb2.Ring, _Mapping]] = ..., takes_batches: _Optional[bool] = ...) -> None: ...

class Credit(_message.Message):
    __slots__ = ("track", "total", "taken_seq", "held_us")
    TRACK_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    TAKEN_SEQ_FIELD_NUMBER: _ClassVar[int]
    HELD_US_FIELD_NUMBER: _ClassVar[int]
    track: int
    total: int
    taken_seq: int
    held_us: int
    def __init__(self, track: _Optional[int] = ..., total: _Optional[int] = ..., taken_seq: _Optional[int] = ..., held_us: _Optional[int] = ...) -> None: ...

class Ack(_message.Message):
    __slots__ = ("track", "through_seq", "checkpoint")
    TRACK_FIELD_NUMBER: _ClassVar[int]
    THROUGH_SEQ_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    track: int
    through_seq: int
    checkpoint: Checkpoint
    def __init__(self, track: _Optional[int] = ..., through_seq: _Optional[int] = ..., checkpoint: _Optional[_Union[Checkpoint, _Mapping]] = ...) -> None: ...

class Checkpoint(_message.Message):
    __slots__ = ("through_seq", "states")
    THROUGH_SEQ_FIELD_NUMBER: _ClassVar[int]
    STATES_FIELD_NUMBER: _ClassVar[int]
    through_seq: int
    states: _containers.RepeatedCompositeFieldContainer[StageState]
    def __init__(self, through_seq: _Optional[int] = ..., states: _Optional[_Iterable[_Union[StageState, _Mapping]]] = ...) -> None: ...

class StageState(_message.Message):
    __slots__ = ("stage", "state")
    STAGE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    stage: str
    state: bytes
    def __init__(self, stage: _Optional[str] = ..., state: _Optional[bytes] = ...) -> None: ...

class Release(_message.Message):
    __slots__ = ("ring", "slot", "generation")
    RING_FIELD_NUMBER: _ClassVar[int]
    SLOT_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    ring: str
    slot: int
    generation: int
    def __init__(self, ring: _Optional[str] = ..., slot: _Optional[int] = ..., generation: _Optional[int] = ...) -> None: ...

class End(_message.Message):
    __slots__ = ("track",)
    TRACK_FIELD_NUMBER: _ClassVar[int]
    track: int
    def __init__(self, track: _Optional[int] = ...) -> None: ...

class Control(_message.Message):
    __slots__ = ("seq", "stage", "from_pts", "effect", "keyframe", "strength", "engine")
    SEQ_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    FROM_PTS_FIELD_NUMBER: _ClassVar[int]
    EFFECT_FIELD_NUMBER: _ClassVar[int]
    KEYFRAME_FIELD_NUMBER: _ClassVar[int]
    STRENGTH_FIELD_NUMBER: _ClassVar[int]
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    seq: int
    stage: str
    from_pts: int
    effect: EffectChange
    keyframe: bool
    strength: float
    engine: EngineChange
    def __init__(self, seq: _Optional[int] = ..., stage: _Optional[str] = ..., from_pts: _Optional[int] = ..., effect: _Optional[_Union[EffectChange, _Mapping]] = ..., keyframe: _Optional[bool] = ..., strength: _Optional[float] = ..., engine: _Optional[_Union[EngineChange, _Mapping]] = ...) -> None: ...

class EngineChange(_message.Message):
    __slots__ = ("backend", "precision")
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    PRECISION_FIELD_NUMBER: _ClassVar[int]
    backend: str
    precision: str
    def __init__(self, backend: _Optional[str] = ..., precision: _Optional[str] = ...) -> None: ...

class EffectChange(_message.Message):
    __slots__ = ("index", "params")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    PARAMS_FIELD_NUMBER: _ClassVar[int]
    index: int
    params: _struct_pb2.Struct
    def __init__(self, index: _Optional[int] = ..., params: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class Notice(_message.Message):
    __slots__ = ("kind", "stage", "text")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KIND_UNSPECIFIED: _ClassVar[Notice.Kind]
        KIND_MOVE: _ClassVar[Notice.Kind]
        KIND_DEGRADED: _ClassVar[Notice.Kind]
        KIND_MODEL_READY: _ClassVar[Notice.Kind]
        KIND_WARNING: _ClassVar[Notice.Kind]
    KIND_UNSPECIFIED: Notice.Kind
    KIND_MOVE: Notice.Kind
    KIND_DEGRADED: Notice.Kind
    KIND_MODEL_READY: Notice.Kind
    KIND_WARNING: Notice.Kind
    KIND_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    kind: Notice.Kind
    stage: str
    text: str
    def __init__(self, kind: _Optional[_Union[Notice.Kind, str]] = ..., stage: _Optional[str] = ..., text: _Optional[str] = ...) -> None: ...

class Summary(_message.Message):
    __slots__ = ("stages",)
    STAGES_FIELD_NUMBER: _ClassVar[int]
    stages: _containers.RepeatedCompositeFieldContainer[StageSummary]
    def __init__(self, stages: _Optional[_Iterable[_Union[StageSummary, _Mapping]]] = ...) -> None: ...

class StageSummary(_message.Message):
    __slots__ = ("stage", "in_frames", "made_frames", "out_frames", "dropped", "failed_frames", "damaged_frames", "queue", "compute", "hold", "transfer", "age", "models", "version", "transport")
    STAGE_FIELD_NUMBER: _ClassVar[int]
    IN_FRAMES_FIELD_NUMBER: _ClassVar[int]
    MADE_FRAMES_FIELD_NUMBER: _ClassVar[int]
    OUT_FRAMES_FIELD_NUMBER: _ClassVar[int]
    DROPPED_FIELD_NUMBER: _ClassVar[int]
    FAILED_FRAMES_FIELD_NUMBER: _ClassVar[int]
    DAMAGED_FRAMES_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    COMPUTE_FIELD_NUMBER: _ClassVar[int]
    HOLD_FIELD_NUMBER: _ClassVar[int]
    TRANSFER_FIELD_NUMBER: _ClassVar[int]
    AGE_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    TRANSPORT_FIELD_NUMBER: _ClassVar[int]
    stage: str
    in_frames: int
    made_frames: int
    out_frames: int
    dropped: _containers.RepeatedCompositeFieldContainer[_media_pb2.Dropped]
    failed_frames: int
    damaged_frames: int
    queue: Quantiles
    compute: Quantiles
    hold: Quantiles
    transfer: Quantiles
    age: Quantiles
    models: _containers.RepeatedCompositeFieldContainer[_config_pb2.PinnedModel]
    version: str
    transport: str
    def __init__(self, stage: _Optional[str] = ..., in_frames: _Optional[int] = ..., made_frames: _Optional[int] = ..., out_frames: _Optional[int] = ..., dropped: _Optional[_Iterable[_Union[_media_pb2.Dropped, _Mapping]]] = ..., failed_frames: _Optional[int] = ..., damaged_frames: _Optional[int] = ..., queue: _Optional[_Union[Quantiles, _Mapping]] = ..., compute: _Optional[_Union[Quantiles, _Mapping]] = ..., hold: _Optional[_Union[Quantiles, _Mapping]] = ..., transfer: _Optional[_Union[Quantiles, _Mapping]] = ..., age: _Optional[_Union[Quantiles, _Mapping]] = ..., models: _Optional[_Iterable[_Union[_config_pb2.PinnedModel, _Mapping]]] = ..., version: _Optional[str] = ..., transport: _Optional[str] = ...) -> None: ...

class Quantiles(_message.Message):
    __slots__ = ("p50_us", "p95_us", "p99_us", "count")
    P50_US_FIELD_NUMBER: _ClassVar[int]
    P95_US_FIELD_NUMBER: _ClassVar[int]
    P99_US_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    p50_us: int
    p95_us: int
    p99_us: int
    count: int
    def __init__(self, p50_us: _Optional[int] = ..., p95_us: _Optional[int] = ..., p99_us: _Optional[int] = ..., count: _Optional[int] = ...) -> None: ...

class ProbeRequest(_message.Message):
    __slots__ = ("input", "data")
    INPUT_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    input: _config_pb2.Input
    data: bytes
    def __init__(self, input: _Optional[_Union[_config_pb2.Input, _Mapping]] = ..., data: _Optional[bytes] = ...) -> None: ...

class ProbeResponse(_message.Message):
    __slots__ = ("container", "duration_us", "streams", "remarks", "offers")
    CONTAINER_FIELD_NUMBER: _ClassVar[int]
    DURATION_US_FIELD_NUMBER: _ClassVar[int]
    STREAMS_FIELD_NUMBER: _ClassVar[int]
    REMARKS_FIELD_NUMBER: _ClassVar[int]
    OFFERS_FIELD_NUMBER: _ClassVar[int]
    container: str
    duration_us: int
    streams: _containers.RepeatedCompositeFieldContainer[ProbedStream]
    remarks: _containers.RepeatedScalarFieldContainer[str]
    offers: _containers.RepeatedCompositeFieldContainer[_media_pb2.Offer]
    def __init__(self, container: _Optional[str] = ..., duration_us: _Optional[int] = ..., streams: _Optional[_Iterable[_Union[ProbedStream, _Mapping]]] = ..., remarks: _Optional[_Iterable[str]] = ..., offers: _Optional[_Iterable[_Union[_media_pb2.Offer, _Mapping]]] = ...) -> None: ...

class ProbedStream(_message.Message):
    __slots__ = ("type", "codec", "width", "height", "format", "average_rate", "time_base", "frame_count", "rotation_degrees", "bit_depth", "hdr", "alpha", "interlaced", "sample_rate", "channel_count", "channel_layout", "bitrate_bps")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    CODEC_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    AVERAGE_RATE_FIELD_NUMBER: _ClassVar[int]
    TIME_BASE_FIELD_NUMBER: _ClassVar[int]
    FRAME_COUNT_FIELD_NUMBER: _ClassVar[int]
    ROTATION_DEGREES_FIELD_NUMBER: _ClassVar[int]
    BIT_DEPTH_FIELD_NUMBER: _ClassVar[int]
    HDR_FIELD_NUMBER: _ClassVar[int]
    ALPHA_FIELD_NUMBER: _ClassVar[int]
    INTERLACED_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_COUNT_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_LAYOUT_FIELD_NUMBER: _ClassVar[int]
    BITRATE_BPS_FIELD_NUMBER: _ClassVar[int]
    type: str
    codec: str
    width: int
    height: int
    format: str
    average_rate: _media_pb2.Rational
    time_base: _media_pb2.Rational
    frame_count: int
    rotation_degrees: int
    bit_depth: int
    hdr: bool
    alpha: bool
    interlaced: bool
    sample_rate: int
    channel_count: int
    channel_layout: str
    bitrate_bps: int
    def __init__(self, type: _Optional[str] = ..., codec: _Optional[str] = ..., width: _Optional[int] = ..., height: _Optional[int] = ..., format: _Optional[str] = ..., average_rate: _Optional[_Union[_media_pb2.Rational, _Mapping]] = ..., time_base: _Optional[_Union[_media_pb2.Rational, _Mapping]] = ..., frame_count: _Optional[int] = ..., rotation_degrees: _Optional[int] = ..., bit_depth: _Optional[int] = ..., hdr: _Optional[bool] = ..., alpha: _Optional[bool] = ..., interlaced: _Optional[bool] = ..., sample_rate: _Optional[int] = ..., channel_count: _Optional[int] = ..., channel_layout: _Optional[str] = ..., bitrate_bps: _Optional[int] = ...) -> None: ...

class ListModelsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListModelsResponse(_message.Message):
    __slots__ = ("models",)
    MODELS_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[ModelInfo]
    def __init__(self, models: _Optional[_Iterable[_Union[ModelInfo, _Mapping]]] = ...) -> None: ...

class ModelInfo(_message.Message):
    __slots__ = ("name", "version", "task", "description", "license", "sha256", "understood", "problem", "scale")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    LICENSE_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    UNDERSTOOD_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    SCALE_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: str
    task: str
    description: str
    license: str
    sha256: str
    understood: _containers.RepeatedScalarFieldContainer[str]
    problem: str
    scale: int
    def __init__(self, name: _Optional[str] = ..., version: _Optional[str] = ..., task: _Optional[str] = ..., description: _Optional[str] = ..., license: _Optional[str] = ..., sha256: _Optional[str] = ..., understood: _Optional[_Iterable[str]] = ..., problem: _Optional[str] = ..., scale: _Optional[int] = ...) -> None: ...

class ListEffectsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListEffectsResponse(_message.Message):
    __slots__ = ("effects",)
    EFFECTS_FIELD_NUMBER: _ClassVar[int]
    effects: _containers.RepeatedCompositeFieldContainer[EffectInfo]
    def __init__(self, effects: _Optional[_Iterable[_Union[EffectInfo, _Mapping]]] = ...) -> None: ...

class EffectInfo(_message.Message):
    __slots__ = ("name", "help", "params")
    NAME_FIELD_NUMBER: _ClassVar[int]
    HELP_FIELD_NUMBER: _ClassVar[int]
    PARAMS_FIELD_NUMBER: _ClassVar[int]
    name: str
    help: str
    params: _containers.RepeatedCompositeFieldContainer[ParamInfo]
    def __init__(self, name: _Optional[str] = ..., help: _Optional[str] = ..., params: _Optional[_Iterable[_Union[ParamInfo, _Mapping]]] = ...) -> None: ...

class ParamInfo(_message.Message):
    __slots__ = ("name", "type", "default_value", "minimum", "maximum", "choices", "help")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_VALUE_FIELD_NUMBER: _ClassVar[int]
    MINIMUM_FIELD_NUMBER: _ClassVar[int]
    MAXIMUM_FIELD_NUMBER: _ClassVar[int]
    CHOICES_FIELD_NUMBER: _ClassVar[int]
    HELP_FIELD_NUMBER: _ClassVar[int]
    name: str
    type: str
    default_value: _struct_pb2.Value
    minimum: float
    maximum: float
    choices: _containers.RepeatedScalarFieldContainer[str]
    help: str
    def __init__(self, name: _Optional[str] = ..., type: _Optional[str] = ..., default_value: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., minimum: _Optional[float] = ..., maximum: _Optional[float] = ..., choices: _Optional[_Iterable[str]] = ..., help: _Optional[str] = ...) -> None: ...

class ListFormatsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListFormatsResponse(_message.Message):
    __slots__ = ("codecs", "containers")
    CODECS_FIELD_NUMBER: _ClassVar[int]
    CONTAINERS_FIELD_NUMBER: _ClassVar[int]
    codecs: _containers.RepeatedCompositeFieldContainer[CodecInfo]
    containers: _containers.RepeatedCompositeFieldContainer[ContainerInfo]
    def __init__(self, codecs: _Optional[_Iterable[_Union[CodecInfo, _Mapping]]] = ..., containers: _Optional[_Iterable[_Union[ContainerInfo, _Mapping]]] = ...) -> None: ...

class CodecInfo(_message.Message):
    __slots__ = ("codec", "encoder", "type", "usable", "problem", "is_default", "hardware", "lag_frames")
    CODEC_FIELD_NUMBER: _ClassVar[int]
    ENCODER_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    USABLE_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    IS_DEFAULT_FIELD_NUMBER: _ClassVar[int]
    HARDWARE_FIELD_NUMBER: _ClassVar[int]
    LAG_FRAMES_FIELD_NUMBER: _ClassVar[int]
    codec: str
    encoder: str
    type: str
    usable: bool
    problem: str
    is_default: bool
    hardware: bool
    lag_frames: int
    def __init__(self, codec: _Optional[str] = ..., encoder: _Optional[str] = ..., type: _Optional[str] = ..., usable: _Optional[bool] = ..., problem: _Optional[str] = ..., is_default: _Optional[bool] = ..., hardware: _Optional[bool] = ..., lag_frames: _Optional[int] = ...) -> None: ...

class ContainerInfo(_message.Message):
    __slots__ = ("container", "extensions", "streamable", "codecs")
    CONTAINER_FIELD_NUMBER: _ClassVar[int]
    EXTENSIONS_FIELD_NUMBER: _ClassVar[int]
    STREAMABLE_FIELD_NUMBER: _ClassVar[int]
    CODECS_FIELD_NUMBER: _ClassVar[int]
    container: str
    extensions: _containers.RepeatedScalarFieldContainer[str]
    streamable: bool
    codecs: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, container: _Optional[str] = ..., extensions: _Optional[_Iterable[str]] = ..., streamable: _Optional[bool] = ..., codecs: _Optional[_Iterable[str]] = ...) -> None: ...
