"""Bodies that come compressed, as Google's clients for Java and .NET send every request."""

from __future__ import annotations

import zlib

from serving.errors import ApiError

IDENTITY = ("", "identity")
GZIP = ("gzip", "x-gzip")
WITH_HEADER = 16 + zlib.MAX_WBITS  # zlib's way to say gzip


class Plain:
    """A body as it came."""

    def decode(self, piece: bytes, *, last: bool) -> bytes:
        """The piece itself."""
        return piece


class Unzipped(Plain):
    """A gzip'd body, decoded piece by piece to at most one byte over `most`: whoever counts then sees that it is
    too large, whatever it would have grown to.
    """

    def __init__(self, most: int) -> None:
        self._left = most + 1
        self._stream = zlib.decompressobj(WITH_HEADER)
        self._begun = False

    def decode(self, piece: bytes, *, last: bool) -> bytes:
        """The next piece, decoded. Raises ApiError if the body is not one whole gzip stream."""
        self._begun = self._begun or bool(piece)
        if not self._left:
            return b""
        try:
            found = self._stream.decompress(piece, self._left)
        except zlib.error:
            raise _broken() from None
        self._left -= len(found)
        ended = self._stream.eof and not self._stream.unused_data
        if self._stream.unused_data or (last and self._begun and self._left and not ended):
            raise _broken()
        return found


def body(encoding: bytes, most: int) -> Plain:
    """What decodes a body of this Content-Encoding. Raises ApiError for one that is not known."""
    name = encoding.decode("latin-1").strip().lower()
    if name in IDENTITY:
        return Plain()
    if name in GZIP:
        return Unzipped(most)
    text = "Content-Encoding: expected gzip, or none."
    raise ApiError(415, "unsupported_encoding", text, headers={"Accept-Encoding": "gzip"})


def _broken() -> ApiError:
    return ApiError(400, "invalid_encoding", "The body is not what its Content-Encoding says: gzip.")
