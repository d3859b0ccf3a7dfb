"""What mailsluice costs, measured beside others: figures and ratios, and never a test.

The servers are those of the tests: their parts are imported from there.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent

DISK = "/var/tmp"
"""Where state and sinks are: not /tmp, which may be in memory, where syncing costs nothing."""

if (_tests := str(ROOT / "tests")) not in sys.path:
    sys.path.append(_tests)
