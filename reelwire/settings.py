"""Environment → one frozen object, read once at start. A wrong or unknown ``REELWIRE_…`` name is an error."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from reelwire.choices import choose_from
from reelwire.errors import BadParameter

PREFIX = "REELWIRE_"
MESSAGE_OVERHEAD_BYTES = 64 * 1024
"""Room for a message's header beside its payload."""
DEFAULT_MESSAGE_BYTES = (32 << 20) - MESSAGE_OVERHEAD_BYTES
"""With its header below 32 MiB, above which glibc returns every buffer to the system."""

SHARED_FOLDER = Path("/dev/shm")  # noqa: S108 - Linux's memory, not a folder for temporary files


class Settings(BaseSettings):
    """Everything that a service process can be told. Each default stands beside its field."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, env_ignore_empty=True)

    host: str = Field("127.0.0.1", description="Address to listen on; others than loopback need INSECURE=1.")
    port: int = Field(0, ge=0, le=65535, description="gRPC port; 0: a free one.")
    metrics_port: int = Field(0, ge=0, le=65535, description="Port of /metrics; 0: a free one.")
    insecure: bool = Field(False, description="Allow an address other than loopback without TLS.")
    preprocess_addr: str = Field("", description="Address of preprocess; several with commas.")
    generator_addr: str = Field("", description="Address of the generator; several with commas.")
    editor_addr: str = Field("", description="Address of the editor; several with commas.")
    encoder_addr: str = Field("", description="Address of the encoder; several with commas.")
    stream_slots: int = Field(8, ge=1, le=1024, description="Streams at once; one more is refused.")
    max_message_bytes: int = Field(
        DEFAULT_MESSAGE_BYTES, ge=1 << 20, le=512 << 20, description="Largest payload."
    )
    max_frame_pixels: int = Field(7680 * 4320, ge=1, description="Width x height of a frame.")
    max_duration_s: float = Field(6 * 3600, gt=0, description="Longest input; live feeds have none.")
    max_upload_bytes: int = Field(4 << 30, ge=1, description="Largest uploaded file.")
    start_timeout_s: float = Field(30, gt=0, le=600, description="Wait for the next hop to accept.")
    stall_timeout_s: float = Field(60, gt=0, description="Wait for a peer that neither sends nor takes.")
    idle_timeout_s: float = Field(600, gt=0, description="Wait for a caller that sends nothing.")
    drain_s: float = Field(30, ge=0, description="Time for streams to end after SIGTERM.")
    stop_with_stdin: bool = Field(False, description="Drain and exit when standard input, a pipe, ends.")
    input_root: Path | None = Field(None, description="Folder for server-side paths; unset: none.")
    input_urls: str = Field("", description='Allowed URL prefixes: "rtmp://10.0.0.5,udp://0.0.0.0".')
    input_devices: str = Field("", description='Allowed camera devices, with commas: "/dev/video0".')
    pixels: Literal["auto", "in_process", "shared_memory", "inline"] = Field(
        "auto", description="Where pixels lie on every hop that carries frames; auto: the best there is."
    )
    shm_dir: Path = Field(SHARED_FOLDER, description="Folder, shared with the neighbours, for pixels.")
    ring_bytes: int = Field(256 << 20, ge=1 << 20, description="Most shared memory that one stream takes.")
    spool_dir: Path = Field(Path(tempfile.gettempdir()), description="Folder for uploads.")
    model_path: str = Field("", description="Model folders, with colons; the shipped ones last.")
    cache_dir: Path | None = Field(
        None, description="Built plans, measured choices; unset: the user's cache."
    )
    model_poll_s: float = Field(
        2, ge=0, le=3600, description="Look for new model versions this often; 0: never."
    )
    asset_root: Path | None = Field(None, description="Pictures, LUTs, fonts for effects.")
    backend: str = Field("auto", description="Inference backend of streams that name none.")
    precision: Literal["", "fp32", "bf16", "fp16", "int8"] = Field(
        "", description="Precision of streams that name none; empty: fastest within the quality floor."
    )
    engine_threads: int = Field(1, ge=0, le=256, description="Threads of one inference; 0: all usable cores.")
    batch: Literal["auto", "off", "on"] = Field(
        "auto", description="Runs of several streams as one inference; auto: where exact and faster."
    )
    batch_max: int = Field(8, ge=1, le=64, description="Most runs of several streams in one inference.")
    batch_delay_ms: float = Field(
        2, ge=0, le=1000, description="Most that a run waits for others while others are at work."
    )
    batch_tolerance: float = Field(
        0, ge=0, description="With BATCH=on: largest difference from a run alone; 0: bit for bit."
    )
    codec_threads: int = Field(
        2, ge=1, le=64, description="Threads of one video encoder; its bytes vary by it."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level logged.")
    log_format: Literal["text", "json"] = Field("text", description="Form of a log line.")

    def addresses(self, stage: str) -> tuple[str, ...]:
        """Addresses of a stage; empty when not configured."""
        value = str(getattr(self, f"{stage}_addr"))
        return tuple(part.strip() for part in value.split(",") if part.strip())


def load_settings() -> Settings:
    """Reads the environment of a service. BadParameter names the variable."""
    settings = read_settings()
    if settings.host not in ("127.0.0.1", "::1", "localhost") and not settings.insecure:
        raise BadParameter(
            f"REELWIRE_HOST={settings.host} is not loopback and there is no TLS; "
            "set REELWIRE_INSECURE=1 to serve anyone who can reach it",
            field="REELWIRE_HOST",
        )
    return settings


def read_settings() -> Settings:
    """Reads the environment, also of a process that serves nothing. BadParameter names the variable."""
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    for name in os.environ:
        if name.startswith(PREFIX) and name not in known:
            raise BadParameter(choose_from("environment variable", name, known), field=name)
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = PREFIX + str(first["loc"][0]).upper()
        raise BadParameter(f"{name}={first.get('input')!r}: {first['msg']}", field=name) from None
