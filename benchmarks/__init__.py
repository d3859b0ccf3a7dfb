"""What mailsluice costs, compared with other programs: figures and ratios, never tests.

The servers are those of the tests, and are imported from there.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent

DISK = "/var/tmp"
"""Where state and sinks are. Not in /tmp, which may be in memory: there, syncing costs nothing."""

if (_tests := str(ROOT / "tests")) not in sys.path:
    sys.path.append(_tests)
