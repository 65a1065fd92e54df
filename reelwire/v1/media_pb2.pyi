from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PixelLayout(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PIXEL_LAYOUT_UNSPECIFIED: _ClassVar[PixelLayout]
    PIXEL_LAYOUT_RGB24: _ClassVar[PixelLayout]
    PIXEL_LAYOUT_I420: _ClassVar[PixelLayout]

class PayloadKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PAYLOAD_KIND_UNSPECIFIED: _ClassVar[PayloadKind]
    PAYLOAD_KIND_FRAMES: _ClassVar[PayloadKind]
    PAYLOAD_KIND_SOUND: _ClassVar[PayloadKind]
    PAYLOAD_KIND_PACKETS: _ClassVar[PayloadKind]
    PAYLOAD_KIND_CONTAINER_BYTES: _ClassVar[PayloadKind]
    PAYLOAD_KIND_TEXT: _ClassVar[PayloadKind]
    PAYLOAD_KIND_TENSOR: _ClassVar[PayloadKind]
    PAYLOAD_KIND_SIDE_DATA: _ClassVar[PayloadKind]

class DropReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DROP_REASON_UNSPECIFIED: _ClassVar[DropReason]
    DROP_REASON_LATE: _ClassVar[DropReason]
    DROP_REASON_OVERLOAD: _ClassVar[DropReason]
    DROP_REASON_TRIMMED: _ClassVar[DropReason]
    DROP_REASON_RATE: _ClassVar[DropReason]
    DROP_REASON_UNDECODABLE: _ClassVar[DropReason]
    DROP_REASON_ERROR: _ClassVar[DropReason]
PIXEL_LAYOUT_UNSPECIFIED: PixelLayout
PIXEL_LAYOUT_RGB24: PixelLayout
PIXEL_LAYOUT_I420: PixelLayout
PAYLOAD_KIND_UNSPECIFIED: PayloadKind
PAYLOAD_KIND_FRAMES: PayloadKind
PAYLOAD_KIND_SOUND: PayloadKind
PAYLOAD_KIND_PACKETS: PayloadKind
PAYLOAD_KIND_CONTAINER_BYTES: PayloadKind
PAYLOAD_KIND_TEXT: PayloadKind
PAYLOAD_KIND_TENSOR: PayloadKind
PAYLOAD_KIND_SIDE_DATA: PayloadKind
DROP_REASON_UNSPECIFIED: DropReason
DROP_REASON_LATE: DropReason
DROP_REASON_OVERLOAD: DropReason
DROP_REASON_TRIMMED: DropReason
DROP_REASON_RATE: DropReason
DROP_REASON_UNDECODABLE: DropReason
DROP_REASON_ERROR: DropReason

class Rational(_message.Message):
    __slots__ = ("num", "den")
    NUM_FIELD_NUMBER: _ClassVar[int]
    DEN_FIELD_NUMBER: _ClassVar[int]
    num: int
    den: int
    def __init__(self, num: _Optional[int] = ..., den: _Optional[int] = ...) -> None: ...

class VideoFormat(_message.Message):
    __slots__ = ("width", "height", "layout", "time_base", "frame_rate", "sample_aspect")
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    LAYOUT_FIELD_NUMBER: _ClassVar[int]
    TIME_BASE_FIELD_NUMBER: _ClassVar[int]
    FRAME_RATE_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_ASPECT_FIELD_NUMBER: _ClassVar[int]
    width: int
    height: int
    layout: PixelLayout
    time_base: Rational
    frame_rate: Rational
    sample_aspect: Rational
    def __init__(self, width: _Optional[int] = ..., height: _Optional[int] = ..., layout: _Optional[_Union[PixelLayout, str]] = ..., time_base: _Optional[_Union[Rational, _Mapping]] = ..., frame_rate: _Optional[_Union[Rational, _Mapping]] = ..., sample_aspect: _Optional[_Union[Rational, _Mapping]] = ...) -> None: ...

class SoundFormat(_message.Message):
    __slots__ = ("sample_rate", "layout", "channel_count", "time_base")
    SAMPLE_RATE_FIELD_NUMBER: _ClassVar[int]
    LAYOUT_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_COUNT_FIELD_NUMBER: _ClassVar[int]
    TIME_BASE_FIELD_NUMBER: _ClassVar[int]
    sample_rate: int
    layout: str
    channel_count: int
    time_base: Rational
    def __init__(self, sample_rate: _Optional[int] = ..., layout: _Optional[str] = ..., channel_count: _Optional[int] = ..., time_base: _Optional[_Union[Rational, _Mapping]] = ...) -> None: ...

class PacketFormat(_message.Message):
    __slots__ = ("codec", "extradata", "time_base", "video", "sound", "initial_padding_samples")
    CODEC_FIELD_NUMBER: _ClassVar[int]
    EXTRADATA_FIELD_NUMBER: _ClassVar[int]
    TIME_BASE_FIELD_NUMBER: _ClassVar[int]
    VIDEO_FIELD_NUMBER: _ClassVar[int]
    SOUND_FIELD_NUMBER: _ClassVar[int]
    INITIAL_PADDING_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    codec: str
    extradata: bytes
    time_base: Rational
    video: VideoFormat
    sound: SoundFormat
    initial_padding_samples: int
    def __init__(self, codec: _Optional[str] = ..., extradata: _Optional[bytes] = ..., time_base: _Optional[_Union[Rational, _Mapping]] = ..., video: _Optional[_Union[VideoFormat, _Mapping]] = ..., sound: _Optional[_Union[SoundFormat, _Mapping]] = ..., initial_padding_samples: _Optional[int] = ...) -> None: ...

class Offer(_message.Message):
    __slots__ = ("track", "kind", "layouts", "video", "sound", "packet", "container", "expected_frames", "expected_duration_us")
    TRACK_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    LAYOUTS_FIELD_NUMBER: _ClassVar[int]
    VIDEO_FIELD_NUMBER: _ClassVar[int]
    SOUND_FIELD_NUMBER: _ClassVar[int]
    PACKET_FIELD_NUMBER: _ClassVar[int]
    CONTAINER_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_FRAMES_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_DURATION_US_FIELD_NUMBER: _ClassVar[int]
    track: int
    kind: PayloadKind
    layouts: _containers.RepeatedScalarFieldContainer[PixelLayout]
    video: VideoFormat
    sound: SoundFormat
    packet: PacketFormat
    container: str
    expected_frames: int
    expected_duration_us: int
    def __init__(self, track: _Optional[int] = ..., kind: _Optional[_Union[PayloadKind, str]] = ..., layouts: _Optional[_Iterable[_Union[PixelLayout, str]]] = ..., video: _Optional[_Union[VideoFormat, _Mapping]] = ..., sound: _Optional[_Union[SoundFormat, _Mapping]] = ..., packet: _Optional[_Union[PacketFormat, _Mapping]] = ..., container: _Optional[str] = ..., expected_frames: _Optional[int] = ..., expected_duration_us: _Optional[int] = ...) -> None: ...

class Dropped(_message.Message):
    __slots__ = ("count", "reason", "first_pts", "last_pts", "stage")
    COUNT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    FIRST_PTS_FIELD_NUMBER: _ClassVar[int]
    LAST_PTS_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    count: int
    reason: DropReason
    first_pts: int
    last_pts: int
    stage: str
    def __init__(self, count: _Optional[int] = ..., reason: _Optional[_Union[DropReason, str]] = ..., first_pts: _Optional[int] = ..., last_pts: _Optional[int] = ..., stage: _Optional[str] = ...) -> None: ...

class Span(_message.Message):
    __slots__ = ("stage", "queue_us", "compute_us", "hold_us", "transfer_us")
    STAGE_FIELD_NUMBER: _ClassVar[int]
    QUEUE_US_FIELD_NUMBER: _ClassVar[int]
    COMPUTE_US_FIELD_NUMBER: _ClassVar[int]
    HOLD_US_FIELD_NUMBER: _ClassVar[int]
    TRANSFER_US_FIELD_NUMBER: _ClassVar[int]
    stage: str
    queue_us: int
    compute_us: int
    hold_us: int
    transfer_us: int
    def __init__(self, stage: _Optional[str] = ..., queue_us: _Optional[int] = ..., compute_us: _Optional[int] = ..., hold_us: _Optional[int] = ..., transfer_us: _Optional[int] = ...) -> None: ...

class PacketInfo(_message.Message):
    __slots__ = ("size_bytes", "dts", "duration", "keyframe")
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    DTS_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    KEYFRAME_FIELD_NUMBER: _ClassVar[int]
    size_bytes: int
    dts: int
    duration: int
    keyframe: bool
    def __init__(self, size_bytes: _Optional[int] = ..., dts: _Optional[int] = ..., duration: _Optional[int] = ..., keyframe: _Optional[bool] = ...) -> None: ...

class TensorInfo(_message.Message):
    __slots__ = ("dtype", "shape", "name")
    DTYPE_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    dtype: str
    shape: _containers.RepeatedScalarFieldContainer[int]
    name: str
    def __init__(self, dtype: _Optional[str] = ..., shape: _Optional[_Iterable[int]] = ..., name: _Optional[str] = ...) -> None: ...

class SlotRef(_message.Message):
    __slots__ = ("ring", "slot", "generation", "size_bytes")
    RING_FIELD_NUMBER: _ClassVar[int]
    SLOT_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    ring: str
    slot: int
    generation: int
    size_bytes: int
    def __init__(self, ring: _Optional[str] = ..., slot: _Optional[int] = ..., generation: _Optional[int] = ..., size_bytes: _Optional[int] = ...) -> None: ...

class Chunk(_message.Message):
    __slots__ = ("track", "seq", "kind", "pts", "age_us", "budget_us", "sent_us", "link_us", "trace", "keyframes", "dropped", "video", "packets", "tensor", "slot", "data")
    TRACK_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    PTS_FIELD_NUMBER: _ClassVar[int]
    AGE_US_FIELD_NUMBER: _ClassVar[int]
    BUDGET_US_FIELD_NUMBER: _ClassVar[int]
    SENT_US_FIELD_NUMBER: _ClassVar[int]
    LINK_US_FIELD_NUMBER: _ClassVar[int]
    TRACE_FIELD_NUMBER: _ClassVar[int]
    KEYFRAMES_FIELD_NUMBER: _ClassVar[int]
    DROPPED_FIELD_NUMBER: _ClassVar[int]
    VIDEO_FIELD_NUMBER: _ClassVar[int]
    PACKETS_FIELD_NUMBER: _ClassVar[int]
    TENSOR_FIELD_NUMBER: _ClassVar[int]
    SLOT_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    track: int
    seq: int
    kind: PayloadKind
    pts: _containers.RepeatedScalarFieldContainer[int]
    age_us: int
    budget_us: int
    sent_us: int
    link_us: int
    trace: _containers.RepeatedCompositeFieldContainer[Span]
    keyframes: _containers.RepeatedScalarFieldContainer[int]
    dropped: _containers.RepeatedCompositeFieldContainer[Dropped]
    video: VideoFormat
    packets: _containers.RepeatedCompositeFieldContainer[PacketInfo]
    tensor: TensorInfo
    slot: SlotRef
    data: bytes
    def __init__(self, track: _Optional[int] = ..., seq: _Optional[int] = ..., kind: _Optional[_Union[PayloadKind, str]] = ..., pts: _Optional[_Iterable[int]] = ..., age_us: _Optional[int] = ..., budget_us: _Optional[int] = ..., sent_us: _Optional[int] = ..., link_us: _Optional[int] = ..., trace: _Optional[_Iterable[_Union[Span, _Mapping]]] = ..., keyframes: _Optional[_Iterable[int]] = ..., dropped: _Optional[_Iterable[_Union[Dropped, _Mapping]]] = ..., video: _Optional[_Union[VideoFormat, _Mapping]] = ..., packets: _Optional[_Iterable[_Union[PacketInfo, _Mapping]]] = ..., tensor: _Optional[_Union[TensorInfo, _Mapping]] = ..., slot: _Optional[_Union[SlotRef, _Mapping]] = ..., data: _Optional[bytes] = ...) -> None: ...
