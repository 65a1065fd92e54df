"""Pictures from the asset folder: looked at before they are decoded."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import ImageFile, JpegImagePlugin, PngImagePlugin

from reelwire.errors import BadParameter, TooLarge
from services.editor.assets import Assets

MAX_FILE_BYTES = 32 << 20
MAX_PIXELS = 32_000_000
KINDS: dict[bytes, type[ImageFile.ImageFile]] = {
    b"\x89PNG": PngImagePlugin.PngImageFile,
    b"\xff\xd8\xff": JpegImagePlugin.JpegImageFile,
}


@contextmanager
def open_picture(assets: Assets, name: str) -> Iterator[ImageFile.ImageFile]:
    """A PNG or JPEG, not decoded yet; what fails inside the block since the file is damaged is told as such.

    BadParameter: another kind, or damaged. TooLarge: more than MAX_PIXELS. Raises as ``Assets.read``.
    """
    data = assets.read(name, "picture", MAX_FILE_BYTES)
    try:
        with _kind_of(data)(io.BytesIO(data)) as image:
            if image.width * image.height > MAX_PIXELS:
                raise TooLarge(
                    f'picture "{name}" is {image.width}x{image.height}, more than {MAX_PIXELS} pixels',
                    field="picture",
                )
            yield image
    except (OSError, ValueError, SyntaxError) as error:
        raise BadParameter(
            f'picture "{name}" cannot be read ({error}); expected a PNG or JPEG', field="picture"
        ) from None


def _kind_of(data: bytes) -> type[ImageFile.ImageFile]:
    for start, kind in KINDS.items():
        if data.startswith(start):
            return kind
    raise ValueError("neither of the two by its first bytes")
