"""What a caller names as output: checked, and the stream's config made to fit it, before any work."""

from __future__ import annotations

from pathlib import Path

from reelwire.choices import choose_from
from reelwire.complete import check_target
from reelwire.errors import BadParameter
from reelwire.mux import CONTAINERS, ContainerKind, check_container, codec_of, container_for
from reelwire.v1.config_pb2 import StreamConfig

STDOUT = "-"
PIPE_CONTAINER = "matroska"


def prepare_target(target: Path | None, config: StreamConfig, *, overwrite: bool) -> None:
    """Checks a target (None: standard output) and fills what it decides into ``config``: the container of a
    pipe, and codecs where its container does not take the usual ones.

    BadParameter: the file exists, its ending, folder, container and codecs do not fit, or nothing encodes.
    PermissionDenied: its folder cannot be written.
    """
    if "encoder" not in config.route:
        raise BadParameter(
            f"an output file needs the encoder; the route is {' → '.join(config.route) or 'empty'}",
            field="route",
        )
    if target is None:
        config.encoder.container = config.encoder.container or PIPE_CONTAINER
    else:
        check_target(target, overwrite=overwrite)
    kind = _kind_of(target, config.encoder.container)
    video, sound = config.encoder.video, config.encoder.sound
    video.codec = video.codec or kind.picture_codec
    sound.codec = sound.codec or kind.sound_codec
    check_container(kind, [codec for codec in map(codec_of, (video.codec, sound.codec)) if codec])


def _kind_of(target: Path | None, container: str) -> ContainerKind:
    """By the container that was asked for, else by the ending."""
    if not container:
        assert target is not None
        return container_for(target)
    if container not in CONTAINERS:
        raise BadParameter(choose_from("container", container, CONTAINERS), field="encoder.container")
    kind = CONTAINERS[container]
    endings = {ending for each in CONTAINERS.values() for ending in each.endings}
    if target is not None and target.suffix.lower() in endings - set(kind.endings):
        raise BadParameter(
            f"{target.name} and container {container} do not fit; expected one of {' '.join(kind.endings)}, "
            "or no container",
            field="target",
        )
    return kind
