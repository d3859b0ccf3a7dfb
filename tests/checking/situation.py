"""A situation in which an administrator gets stuck, and the tenant that is in it."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from checking import breaking
from mailsluice.checking.clouds import Searched
from mailsluice.checking.steps import Step
from mailsluice.config.credentials import Cloud
from mailsluice.diagnosis.causes import Cause
from mailsluice_sandbox import Sandbox
from support.firewall import firewall
from support.tenant import Tenant, shorten

_OUTSIDE = Path("/proc/thread-self/ns/net").readlink()


@dataclass(frozen=True)
class Situation:
    """Something that is wrong, and what `check` has to say about it.

    `arrange` breaks it. `causes` are those that are named, in order. `step`, `code`: where, and the exit code.
    `told` are words that the conclusion must contain: the remedy, with this tenant's values. They may name
    values in braces; see `values`. `sandbox` makes the sandbox. `found_in`
    is the cloud where the tenant is, if it is looked for.
    """

    name: str
    arrange: Callable[[Tenant], None]
    causes: tuple[Cause, ...]
    step: Step
    code: int
    told: tuple[str, ...] = ()
    sandbox: Callable[[], Sandbox] = Sandbox
    is_behind_a_firewall: bool = False
    found_in: Cloud | None = None


@contextmanager
def broken(situation: Situation, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tenant]:
    """The tenant in this situation."""
    # Nobody on the Internet is asked for a tenant of a test.
    monkeypatch.setattr(
        "mailsluice.checking.explanations.found_in", lambda *_, **__: Searched(situation.found_in)
    )
    shorten(monkeypatch, connect=0.4)
    monkeypatch.setattr("socket.getaddrinfo", partial(_found, socket.getaddrinfo))
    with ExitStack() as stack:
        if situation.is_behind_a_firewall:
            stack.enter_context(firewall())
        tenant = Tenant(folder, stack.enter_context(situation.sandbox()))
        situation.arrange(tenant)
        yield tenant


def _found(look_up: Any, host: Any, *more: Any, **named: Any) -> Any:
    """The addresses of a host. Microsoft's are here, but behind a firewall nobody can be asked."""
    is_here = (
        host in {breaking.LOGIN_HOST, breaking.MAIL_HOST}
        and Path("/proc/thread-self/ns/net").readlink() == _OUTSIDE
    )
    return look_up("127.0.0.1" if is_here else host, *more, **named)


def values(tenant: Tenant) -> dict[str, str]:
    """What a remedy may have to name of this tenant."""
    sandbox = tenant.sandbox
    return {
        "tenant": tenant.credential["tenant_id"],
        "client": tenant.credential["client_id"],
        "object": sandbox.app.object_id,
        "address": tenant.addresses["invoices"],
        "scans": tenant.addresses["scans"],
        "login": sandbox.authority.split("/")[2],
        "mail": f"localhost:{sandbox.pop3_port}",
        "config": str(tenant.config),
        "folder": str(tenant.folder),
    }
