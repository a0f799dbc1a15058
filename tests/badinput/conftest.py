"""The table of cases lies beside its tests, for the benchmark to count with."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
