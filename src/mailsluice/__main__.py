"""`python -m mailsluice`."""

from __future__ import annotations

import sys

from mailsluice.cli.main import main

sys.exit(main())
