"""One request for a token, however many polls need it: the real program, in several processes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from e2e.conftest import Site
from mailsluice_sandbox import Answer, Fault, Sandbox
from mailsluice_sandbox.faults import SERVER_UNAVAILABLE
from support.program import PATIENCE, Daemon, Ended, run_program, surroundings
from support.waiting import wait_until

POLL_OFTEN = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from mailsluice.app import Service
from mailsluice.config.load import load
with Service(load(Path(sys.argv[1]))) as service:
    mailbox = service.config.mailboxes["a"]
    print("ready", flush=True)
    sys.stdin.readline()
    with ThreadPoolExecutor(10) as pool:
        tokens = {one.result() for one in [pool.submit(service._tokens.login, mailbox) for _ in range(10)]}
    print(len(tokens))
"""


def poll(site: Site) -> Ended:
    return run_program("-c", site.config, "poll")


def outcomes(log: Path) -> list[str]:
    lines = [json.loads(line) for line in log.read_text().splitlines(keepends=True) if line.endswith("\n")]
    return [line["outcome"] for line in lines if line["event"] == "session"]


def test_ten_threads_in_each_of_three_processes_make_one_request(site: Site, sandbox: Sandbox) -> None:
    sandbox.mailbox("a@acme.example")
    site.configure("a")
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", POLL_OFTEN, site.config],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=surroundings(),
        )
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdout is not None
        assert any(line == "ready\n" for line in process.stdout)
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=PATIENCE)[0].split()[-1] for process in processes]

    assert said == ["1", "1", "1"]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert sandbox.entra.token_requests == 1


def test_polls_by_cron_make_one_request(site: Site, sandbox: Sandbox) -> None:
    box = sandbox.mailbox("a@acme.example")
    site.configure("a")

    assert [poll(site).code for _ in range(3)] == [0, 0, 0]

    assert len(box.sessions) == 3
    assert sandbox.entra.token_requests == 1


def test_a_daemon_that_is_started_again_asks_for_none(site: Site, sandbox: Sandbox) -> None:
    box = sandbox.mailbox("a@acme.example")
    site.configure("a")
    for start in (1, 2):
        with Daemon(site.config, log=site.log) as daemon:
            wait_until(lambda polls=start: len(outcomes(site.log)) >= polls, "a poll")  # type: ignore[misc]
            assert daemon.stop() == 0
    assert set(outcomes(site.log)) == {"ok"}
    assert len(box.sessions) >= 2
    assert sandbox.entra.token_requests == 1


def test_no_octet_in_the_state_directory_is_a_token_or_a_secret(site: Site, sandbox: Sandbox) -> None:
    sandbox.mailbox("a@acme.example")
    site.configure("a")
    site.config.write_text(site.config.read_text().replace(f"file:{site.folder}/secret", "keyring:acme"))
    assert run_program("-c", site.config, "secret", "set", "acme", stdin=sandbox.client_secret).code == 0
    assert poll(site).code == 0

    (token,) = sandbox.entra.issued
    written = [path for path in (site.folder / "state").rglob("*") if path.is_file()]
    assert [path for path in written if path.suffix == ".token"]
    for path in written:
        octets = path.read_bytes()
        for secret in (sandbox.client_secret, token, *token.split(".")):
            assert secret.encode() not in octets, path
            assert secret.encode("utf-16-le") not in octets, path


def test_a_backup_has_no_tokens(site: Site, sandbox: Sandbox) -> None:
    sandbox.mailbox("a@acme.example")
    site.configure("a")
    assert poll(site).code == 0
    assert run_program("-c", site.config, "backup", site.folder / "copy").code == 0
    copied = {path.name for path in (site.folder / "copy").iterdir()}
    assert not {name for name in copied if "token" in name}


def test_a_damaged_token_costs_a_warning_and_a_request_and_no_poll(site: Site, sandbox: Sandbox) -> None:
    sandbox.mailbox("a@acme.example")
    site.configure("a")
    assert poll(site).code == 0
    (path,) = (site.folder / "state" / "tokens").glob("*.token")
    path.write_bytes(b"nonsense")

    ended = poll(site)

    assert ended.code == 0
    assert f"{path} is damaged" in ended.stdout + ended.stderr
    assert sandbox.entra.token_requests == 2
    assert "token not kept" not in poll(site).stderr
    assert sandbox.entra.token_requests == 2


def test_a_directory_that_cannot_be_used_is_warned_about_once_and_fails_no_poll(
    site: Site, sandbox: Sandbox
) -> None:
    sandbox.mailbox("a@acme.example")
    site.configure("a")
    assert poll(site).code == 0
    shutil.rmtree(site.folder / "state" / "tokens")
    (site.folder / "state" / "tokens").write_text("")

    ended = [poll(site) for _ in range(3)]

    assert [one.code for one in ended] == [0, 0, 0]
    assert ["token not kept" in one.stdout + one.stderr for one in ended] == [True, False, False]
    assert sandbox.entra.token_requests == 4


def test_of_many_mailboxes_one_without_access_costs_no_request(site: Site, sandbox: Sandbox) -> None:
    for name in ("a", "b", "c"):
        sandbox.mailbox(f"{name}@acme.example").full_access = name != "a"
    site.configure("a", "b", "c")
    assert [poll(site).code for _ in range(3)] == [77, 77, 77]
    assert sandbox.entra.token_requests == 1


def test_a_throttled_login_costs_no_request(site: Site, sandbox: Sandbox) -> None:
    sandbox.mailbox("a@acme.example")
    site.configure("a")
    sandbox.faults.add(Fault("LOGIN", SERVER_UNAVAILABLE, times=2))
    assert [poll(site).code for _ in range(3)] == [75, 75, 0]
    assert sandbox.entra.token_requests == 1


def test_no_poll_asks_before_the_provider_wants_it(site: Site, sandbox: Sandbox) -> None:
    box = sandbox.mailbox("a@acme.example")
    site.configure("a")
    body = json.dumps({"error": "x", "error_description": "AADSTS90055: The tenant is throttled."}).encode()
    sandbox.faults.add(Fault("TOKEN", Answer(429, body=body, headers={"Retry-After": "600"})))

    ended = [poll(site) for _ in range(3)]

    assert [one.code for one in ended] == [75, 75, 75]
    assert all("throttles requests" in one.stdout + one.stderr for one in ended)
    assert all("AADSTS90055: The tenant is throttled." in one.stdout + one.stderr for one in ended)
    assert sandbox.entra.token_requests == 1
    assert not box.sessions
