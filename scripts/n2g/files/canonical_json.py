"""The one form of a record's JSON, and its digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def digest_of(record: Mapping[str, Any]) -> str:
    """SHA-256 of a record's canonical JSON, its own digest left out."""
    content = {key: value for key, value in record.items() if key != "digest"}
    return hashlib.sha256(dump(content).encode("utf-8")).hexdigest()


def dump(record: Mapping[str, Any]) -> str:
    """A record as canonical JSON: the same record gives the same bytes."""
    return json.dumps(record, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
