"""Writes configs/schema.json, which gives editors completion for a suite's YAML.

Run it after a component or one of its options has changed: python tools/config_schema.py
"""

from __future__ import annotations

import json
from pathlib import Path

from cnnlib.config import json_schema

SCHEMA = Path(__file__).resolve().parents[1] / "configs" / "schema.json"


def main() -> None:
    SCHEMA.write_text(json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"wrote {SCHEMA}")


if __name__ == "__main__":
    main()
