"""The programs of this folder run on their own; pytest must not import them for their doctests."""

from pathlib import Path

collect_ignore = [path.name for path in Path(__file__).parent.glob("*.py") if not path.stem.startswith("test_")]
