"""The loads of `bench.host`, the same for both sides."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Loads:
    chains: int = 500
    """Orchestrations of three activities, all started at once."""
    fan_out: int = 1000
    """Activities in one fan-out."""
    signals: int = 1000
    """Entity signals, over 1 key and over 100."""
    calls: int = 300
    """call_entity one after the other in one orchestration."""
    latencies: int = 60
    """Orchestrations of three activities, one after the other."""
