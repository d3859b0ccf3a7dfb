from __future__ import annotations

from mailsluice_sandbox import Relist, Sandbox, SandboxMailbox
from sandbox.raw_client import ADDRESS, RawClient


def mailbox_of(count: int) -> SandboxMailbox:
    mailbox = SandboxMailbox(ADDRESS)
    for number in range(count):
        mailbox.deliver(b"x" * 1000 + b"%d\r\n" % number)
    return mailbox


def test_uidls_are_increasing_integers_that_are_never_used_twice() -> None:
    mailbox = mailbox_of(2)
    entries, _ = mailbox.open()
    mailbox.remove([entries[1].message])
    assert int(mailbox.deliver(b"later")) > int(entries[1].uidl) > int(entries[0].uidl)


def test_a_message_can_be_delivered_under_a_uidl_of_choice() -> None:
    mailbox = SandboxMailbox(ADDRESS)
    assert mailbox.deliver(b"x", b"../../x") == b"../../x"
    assert mailbox.remaining() == (b"../../x",)


def test_listed_sizes_are_wrong_by_a_fifth_at_most_and_always_the_same() -> None:
    sizes = [[entry.size for entry in mailbox_of(200).open()[0]] for _ in range(2)]
    assert sizes[0] == sizes[1]
    assert min(sizes[0]) < 850
    assert max(sizes[0]) > 1150
    assert all(800 <= size <= 1_205 for size in sizes[0])


def test_renumbering_gives_every_message_a_new_uidl_and_keeps_the_rest() -> None:
    mailbox = mailbox_of(2)
    before = mailbox.messages
    mailbox.renumber()
    assert set(mailbox.messages).isdisjoint(before)
    assert list(mailbox.messages.values()) == list(before.values())


def test_a_session_deletes_what_it_marked_although_it_was_renumbered_meanwhile() -> None:
    mailbox = mailbox_of(2)
    entries, _ = mailbox.open()
    mailbox.renumber()
    mailbox.remove([entries[0].message])
    assert mailbox.deleted == (b"6501",)


def test_a_listing_can_be_empty_shrunk_renumbered_or_have_a_uidl_twice() -> None:
    mailbox = mailbox_of(4)

    def shown(relist: Relist | None) -> list[bytes]:
        return [entry.uidl for entry in mailbox.open(relist)[0]]

    true = shown(None)
    assert shown(Relist.EMPTY) == []
    assert shown(Relist.SHRUNK) == true[:2]
    assert shown(Relist.DUPLICATED) == [true[0], true[0], *true[2:]]
    assert set(shown(Relist.RENUMBERED)).isdisjoint(true)
    assert shown(None) == true


def test_records_what_a_session_did(sandbox: Sandbox, client: RawClient) -> None:
    mailbox = sandbox.mailbox(ADDRESS)
    uidl = mailbox.deliver(b"a\r\n")
    client.log_in(ADDRESS)
    client.ask_many(b"RETR 1")
    client.ask(b"DELE 1")
    client.ask(b"QUIT")
    (record,) = mailbox.sessions
    assert record.commands == ["RETR 1", "DELE 1", "QUIT"]
    assert record.retrieved == [uidl]
    assert record.deleted == [uidl]
    assert record.finished


def test_counts_over_all_sessions_how_often_a_message_was_retrieved(sandbox: Sandbox) -> None:
    mailbox = sandbox.mailbox(ADDRESS)
    uidl = mailbox.deliver(b"a\r\n")
    for _ in range(2):
        with RawClient(sandbox) as client:
            client.log_in(ADDRESS)
            client.ask_many(b"RETR 1")
    assert mailbox.retrieved == {uidl: 2}
    assert not any(record.finished for record in mailbox.sessions)
