"""Where things lie: the repository, and the weights that it ships."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = ROOT / "models" / "miniature"
