"""A sign-in on a small disk that really is full, of a provider that takes back what is used twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from crash.small_disk import SmallDisk, small_disk
from mailsluice.auth.signing.sign_ins import SignIn, SignIns
from mailsluice.auth.sources.delegated import DelegatedSource
from mailsluice.clock import SystemClock
from mailsluice.config.credentials import EntraCredential
from mailsluice.errors import SecretError
from mailsluice.net.https import ProviderHttp
from mailsluice_sandbox import Sandbox


@pytest.fixture(params=["ext4", "tmpfs"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path, request.param) as disk:
        yield disk


def test_a_full_disk_costs_no_sign_in(disk: SmallDisk) -> None:
    with Sandbox() as sandbox:
        sandbox.sign_ins.strict = True
        section = EntraCredential.model_validate(
            {
                "flow": "device-code",
                "tenant_id": sandbox.tenant_id,
                "client_id": sandbox.client_id,
                "authority": sandbox.authority,
                "ca_file": str(sandbox.ca_file),
            }
        )
        clock, sign_ins = SystemClock(), SignIns(disk.path / "state")
        token = sandbox.sign_ins.sign_in("ann@acme.example")
        sign_ins.put("ann", SignIn.to(section, "ann@acme.example", token, clock.now()))
        source = DelegatedSource(
            "ann",
            section,
            sign_ins,
            lambda: ProviderHttp(section.ca_file, clock),
            clock,
            note_end=lambda _ends: None,
        )
        assert source.ask().value
        disk.fill(leave=0)
        for _ in range(2):
            with pytest.raises(
                SecretError, match=r"the sign-in of credentials\.ann: .*No space left"
            ) as caught:
                source.ask()
            assert "(df, df -i)" in caught.value.remedy
        disk.relieve()
        assert source.ask().value
        assert source.ask().value
        assert sandbox.sign_ins.revoked == 0
