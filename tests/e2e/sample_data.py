"""A CSV of many rows, with its statistics counted the plain way."""

from __future__ import annotations

import random
from collections import Counter
from decimal import ROUND_HALF_EVEN, Decimal


class SampleCsv:
    def __init__(self, rows: int, seed: int = 7) -> None:
        draw = random.Random(seed)
        self.rows = rows
        regions = draw.choices(["north", "south", "east", "west", ""], [40, 30, 20, 8, 2], k=rows)
        amounts = [Decimal(draw.randrange(0, 1_000_000)) / 100 for _ in range(rows)]
        lines = ["id,region,amount,day"]
        lines += [
            f"{number},{region},{amount},2026-{1 + number % 12:02}-{1 + number % 28:02}"
            for number, (region, amount) in enumerate(zip(regions, amounts, strict=True), 1)
        ]
        self.content = ("\n".join(lines) + "\n").encode()
        self.missing_regions = regions.count("")
        self.top_region, self.top_count = Counter(region for region in regions if region).most_common(1)[0]
        self.mean = str((sum(amounts) / rows).quantize(Decimal("0.01"), ROUND_HALF_EVEN))
        self.id_mean = str((Decimal(rows + 1) / 2).quantize(Decimal("0.01")))
        self.smallest, self.largest = min(amounts), max(amounts)
