"""Coral's `X-Coral-Signature`: `sha256=` and an HMAC of the raw body, one for each secret that Coral still has."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable

HEADER = "X-Coral-Signature"
MOST = 16  # signatures of one request that are looked at; Coral sends one for each secret


def sign(body: bytes, secrets: Iterable[str]) -> str:
    """The header's value for a body, a signature for each secret. The key is the whole secret, prefix and all."""
    return ",".join(f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}" for secret in secrets)


def verified(body: bytes, header: str, secrets: Iterable[str]) -> bool:
    """Whether any signature in the header is by any of the secrets: while secrets change, both sides may have two.

    Every pair is compared, in constant time each, so that the time taken does not tell which one fits.
    """
    given = [part.strip().encode() for part in header.split(",")[:MOST]]
    found = False
    for secret in secrets:
        expected = sign(body, [secret]).encode()
        for signature in given:
            found |= hmac.compare_digest(expected, signature)
    return found
