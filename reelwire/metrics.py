"""Every Prometheus metric, in one list. Base units, bounded labels, never a stream id."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info

REGISTRY = CollectorRegistry(auto_describe=True)

# Edges lie on the frame budgets of 120, 60 and 30 fps, so that "share inside the budget" is exact.
BUCKETS_S = (
    0.001, 0.002, 0.004, 0.006, 0.00833, 0.010, 0.0125, 0.01667, 0.020, 0.025, 0.03333,
    0.040, 0.050, 0.0667, 0.100, 0.200, 0.500, 1.0, 2.5,
)  # fmt: skip


def _histogram(name: str, help_: str, *labels: str) -> Histogram:
    return Histogram(f"reelwire_{name}", help_, labels, buckets=BUCKETS_S, registry=REGISTRY)


def _counter(name: str, help_: str, *labels: str) -> Counter:
    return Counter(f"reelwire_{name}", help_, labels, registry=REGISTRY)


def _gauge(name: str, help_: str, *labels: str) -> Gauge:
    return Gauge(f"reelwire_{name}", help_, labels, registry=REGISTRY)


STAGE_QUEUE = _histogram("stage_queue_seconds", "From a chunk's arrival to the start of work.", "stage")
STAGE_COMPUTE = _histogram("stage_compute_seconds", "Work on a chunk.", "stage")
STAGE_HOLD = _histogram("stage_hold_seconds", "Kept by design before it was given out.", "stage")
HOP_TRANSFER = _histogram("hop_transfer_seconds", "From the stage before to this one.", "stage")
FRAME_AGE = _histogram("frame_age_seconds", "From capture to a frame's arrival at this stage.", "stage")
GLASS_TO_GLASS = _histogram("glass_to_glass_seconds", "From capture to encoded.", "stage")

FRAMES = _counter("frames_total", "Frames by outcome: in, made, out, dropped, failed.", "stage", "outcome")
FRAMES_DROPPED = _counter("frames_dropped_total", "Frames dropped or failed, by reason.", "stage", "reason")
FRAMES_DAMAGED = _counter("frames_damaged_total", "Frames used although flagged as damaged.", "stage")
DEADLINE_MISSED = _counter("deadline_missed_total", "Chunks past their budget on arrival.", "stage")
STREAMS = _counter("streams_total", "Streams that ended, by gRPC status code.", "stage", "code")

ACTIVE_STREAMS = _gauge("active_streams", "Streams that hold a slot.", "stage")
STREAM_SLOTS = _gauge("stream_slots", "Streams that this process takes at once.", "stage")
CREDIT_FRAMES = _gauge("credit_frames", "Frames that the next hop will still take, all streams.", "stage")
INFLIGHT_FRAMES = _gauge("inflight_frames", "Frames inside the stage, all streams.", "stage")
QUEUE_DEPTH = _gauge("queue_depth_frames", "Frames that wait for work, all streams.", "stage")
UNACKED_FRAMES = _gauge("unacked_frames", "Chunks that the tail has not acknowledged, all streams.", "stage")
RECOVERIES = _counter("recoveries_total", "Streams taken to another address, by outcome.", "stage", "outcome")

ENGINE_RUN = _histogram("engine_run_seconds", "One inference.", "model", "backend", "precision")
ENGINE_BATCH = Histogram(
    "reelwire_engine_batch_size",
    "Frames in one inference.",
    ("model",),
    buckets=(1, 2, 4, 8, 16, 32),
    registry=REGISTRY,
)
ENGINE_MAX_BATCH = _gauge(
    "engine_max_batch", "Most runs of several streams in one inference; 1: none.", "model", "backend"
)
ENGINE_INFO = _gauge("engine_info", "Loaded engines.", "model", "backend", "device", "precision", "threads")
PLAN_BUILD = Histogram(
    "reelwire_plan_build_seconds",
    "Building one plan.",
    ("backend", "model"),
    buckets=(1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800),
    registry=REGISTRY,
)
PLAN_BUILD_PROGRESS = _gauge(
    "plan_build_progress", "How far a plan is built, 0 to 1; only while it is.", "model"
)
MODEL_INFO = _gauge("model_info", "Loaded models.", "model", "version", "sha")
MODEL_VERSIONS = _counter(
    "model_versions_total", "New versions met while serving: offered to new streams, or refused.",
    "model", "outcome",
)  # fmt: skip
EFFECT_FRAMES = _counter("effect_frames_total", "Frames that an effect worked on.", "effect")
EFFECT_FAILED_FRAMES = _counter(
    "effect_failed_frames_total", "Frames that an effect covered whole because its model failed.", "effect"
)

AV_OFFSET = _gauge("av_offset_seconds", "Sound's pts minus the picture's, as last encoded.", "stage")
ENCODER_BITRATE = _gauge("encoder_bitrate_bps", "Bits per second of the last stream's picture.", "codec")
SLOT_FALLBACKS = _counter("slot_fallbacks_total", "Chunks sent in messages for want of a slot.", "stage")
TRANSPORT_INFO = _gauge("transport_info", "Streams by where pixels lie on the hop in.", "stage", "transport")
INSECURE_BIND = _gauge("insecure_bind", "1 when serving beyond loopback without TLS.", "stage")
BUILD_INFO = Info("reelwire_build", "Versions.", registry=REGISTRY)
