"""Writes docs/setup-tenant.md, and the tables of causes in docs/operations.md. Run by `make generated`."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

# Commands are spelled as for a machine where the program is on the PATH.
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

from mailsluice.diagnosis.table import tables
from mailsluice.diagnosis.tenant.manual import setup_page

DOCS = Path(__file__).parent
OPERATIONS = DOCS / "operations.md"

(DOCS / "setup-tenant.md").write_text(setup_page(), encoding="utf-8")

new = tables()
first = re.escape(new.partition("\n")[0])
text = OPERATIONS.read_text(encoding="utf-8")
text = re.sub(rf"^{first}$.*?(?=^## )", lambda _: new + "\n", text, count=1, flags=re.DOTALL | re.MULTILINE)
OPERATIONS.write_text(text, encoding="utf-8")
