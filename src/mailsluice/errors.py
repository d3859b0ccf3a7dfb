"""Everything that can go wrong, as errors that an administrator can read.

Owns the kinds of errors, and what each kind carries beside its words. What an error means is a row of the
table in `outcome`: each kind names its row. A kind without a row of its own never leaves the session that
raised it. Any other exception is a bug. `session.triage` may change a disposition by what the server said,
as `diagnosis.symptoms` knows it; nothing else decides what an error means.
"""

from __future__ import annotations

import errno
from copy import copy
from enum import Enum
from typing import ClassVar, Self

from mailsluice.outcome import ExitCode, Outcome


class Phase(Enum):
    """Where in a poll something happened: the word that errors, logs and `status` use.

    SINK is before there is a session: the sink is taken, and what an earlier poll left half done is finished.
    """

    SINK = "sink"
    TOKEN = "token"  # noqa: S105  a phase's name
    CONNECT = "connect"
    TLS = "tls"
    GREETING = "greeting"
    CAPABILITIES = "capabilities"
    AUTH = "auth"
    LISTING = "listing"
    RETRIEVE = "retrieve"
    DELETE = "delete"
    QUIT = "quit"


class Obstacle(Enum):
    """What stood between this machine and a server: the mail server, or the identity provider.

    It is for programs, which must not read the words of an error. The errors that have one say None if none
    of these is the reason.
    """

    NAME = "name"  # the name has no address
    RESOLVER = "resolver"  # no name server answered, so nobody knows
    NO_ROUTE = "no-route"  # this machine or a router says that there is no way, or forbids it
    REFUSED = "refused"  # the address answered that nobody listens there
    DROPPED = "dropped"  # the address did not answer at all
    PROXY = "proxy"
    SILENT = "silent"  # TCP was accepted, and then nothing came in time
    HANDSHAKE = "handshake"  # the TLS handshake was broken off
    OLD_TLS = "old-tls"
    NO_TLS = "no-tls"
    UNTRUSTED = "untrusted"  # the certificate is by nobody whom this machine trusts
    EXPIRED = "expired"
    NOT_YET_VALID = "not-yet-valid"
    OTHER_NAME = "other-name"
    WEAK = "weak"  # the certificate's key or signature is


class MailsluiceError(Exception):
    """An error an administrator can read: what happened, and in `remedy` what to do.

    `outcome` is what it means. `denied`: the user that runs the program lacks a right. This has an exit code
    of its own, whatever the kind of the error.
    """

    outcome: ClassVar[Outcome]
    remedy = ""

    def __init__(self, message: str, *, remedy: str = "", denied: bool = False) -> None:
        super().__init__(message)
        if remedy:
            self.remedy = remedy
        self.denied = denied

    @property
    def exit_code(self) -> ExitCode:
        """What the program ends with when this was the worst of a run."""
        return ExitCode.REFUSED if self.denied else self.outcome.exit_code


class ConfigurationError(MailsluiceError):
    """The configuration is wrong. `mistakes` has one line each: file, key path, what would be right."""

    outcome = Outcome.CONFIGURATION_ERROR

    def __init__(self, mistakes: list[str], *, remedy: str = "", denied: bool = False) -> None:
        super().__init__("\n".join(mistakes), remedy=remedy, denied=denied)
        self.mistakes = tuple(mistakes)


class SecretError(MailsluiceError):
    """A secret, a certificate or an assertion cannot be used, or the keyring cannot be opened."""

    outcome = Outcome.SECRET_ERROR


class ProxyRefused(MailsluiceError):
    """A proxy does not let us through, until somebody changes something."""

    outcome = Outcome.PROXY_REFUSED


class TokenError(MailsluiceError):
    """No access token was given.

    `said` has the provider's words: on one line, and without secrets; empty if there were none. `obstacle` is
    what stood in the way to it.
    """

    def __init__(
        self,
        message: str,
        *,
        remedy: str = "",
        denied: bool = False,
        said: str = "",
        obstacle: Obstacle | None = None,
    ) -> None:
        super().__init__(message, remedy=remedy, denied=denied)
        self.said = said
        self.obstacle = obstacle

    def worded(self, message: str) -> Self:
        """The same error with this text. It has no traceback: the frames in that may contain the secret."""
        same = copy(self)
        same.args = (message,)
        return same


class TokenRefused(TokenError):
    """The identity provider, or a token command, refused a token.

    `clock_ahead`: the seconds by which this machine's clock is ahead of the provider's; None if the provider
    did not say what time it is.
    """

    outcome = Outcome.TOKEN_REFUSED

    def __init__(
        self,
        message: str,
        *,
        remedy: str = "",
        denied: bool = False,
        said: str = "",
        clock_ahead: float | None = None,
    ) -> None:
        super().__init__(message, remedy=remedy, denied=denied, said=said)
        self.clock_ahead = clock_ahead


class TokenUnavailable(TokenError):
    """The identity provider, or a token command, could not be asked.

    `retry_after`: the seconds for which the provider wants no other request; 0 if it did not say.
    """

    outcome = Outcome.TOKEN_UNAVAILABLE

    def __init__(
        self,
        message: str,
        *,
        remedy: str = "",
        retry_after: float = 0.0,
        said: str = "",
        obstacle: Obstacle | None = None,
    ) -> None:
        super().__init__(message, remedy=remedy, said=said, obstacle=obstacle)
        self.retry_after = retry_after


class TokenBarred(ProxyRefused, TokenError):
    """A proxy does not let us ask the identity provider."""


class ServerError(MailsluiceError):
    """A POP3 session failed in `phase`. `reply` has the server's words; it is empty if there were none.

    `obstacle` is what stood in the way to the server, if there is no session because of that.
    """

    def __init__(
        self,
        message: str,
        *,
        phase: Phase,
        reply: str = "",
        remedy: str = "",
        obstacle: Obstacle | None = None,
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.phase = phase
        self.reply = reply
        self.obstacle = obstacle


class ServerUnreachable(ServerError):
    """The name, the route, TCP or the TLS handshake failed."""

    outcome = Outcome.SERVER_UNREACHABLE


class ServerBarred(ProxyRefused, ServerError):
    """A proxy does not let us connect to the server."""


class ServerUntrusted(ServerError):
    """The server's certificate was not accepted."""

    outcome = Outcome.SERVER_UNTRUSTED


class ConnectionLost(ServerError):
    """The server closed or reset the connection in the middle of a session."""

    outcome = Outcome.CONNECTION_LOST


class DeadlineExceeded(ServerError):
    """The server was silent, or too slow, for longer than its phase or the session allows."""

    outcome = Outcome.DEADLINE_EXCEEDED


class GaveWay(DeadlineExceeded):
    """The server was silent for some seconds, and the session ended early because other mailboxes waited."""

    outcome = Outcome.GAVE_WAY

    remedy = "it is tried again with its full deadlines; if this happens often, raise service.max_sessions"


class ProtocolViolation(ServerError):
    """The server sent something that POP3 does not allow; the session is over."""

    outcome = Outcome.PROTOCOL_VIOLATION


class CommandRefused(ServerError):
    """The server answered `-ERR`; the session goes on."""

    outcome = Outcome.COMMAND_REFUSED


class Substituted(CommandRefused):
    """The server sent a notice, `text`, in the place of a message that it cannot render."""

    def __init__(self, message: str, *, text: bytes) -> None:
        super().__init__(message, phase=Phase.RETRIEVE)
        self.text = text


class Unrecognised(CommandRefused):
    """A message may be a stored one under another UIDL, and nothing shows whether it is.

    It is held, and not stored.
    """


class LoginRefused(ServerError):
    """The server did not accept the credential."""

    outcome = Outcome.LOGIN_REFUSED


class MessageTooLarge(ServerError):
    """A message was larger than `max_message`. `octets` of it had come when the transfer was stopped."""

    outcome = Outcome.MESSAGE_TOO_LARGE

    def __init__(self, message: str, *, octets: int) -> None:
        super().__init__(message, phase=Phase.RETRIEVE)
        self.octets = octets


class SinkError(MailsluiceError):
    """The spool directory or the Maildir cannot be written, or cannot be made durable."""

    outcome = Outcome.SINK_ERROR


class SinkRefused(SinkError):
    """The sink is not the same as before, or another ledger feeds it. An administrator has to decide."""

    outcome = Outcome.SINK_REFUSED


class StagingGone(SinkError):
    """The staging directory was removed while a batch was received: its messages have to come again."""


class StagingLost(MailsluiceError):
    """Another process took the staging directory of this mailbox during the poll."""

    outcome = Outcome.STAGING_LOST


class LedgerError(MailsluiceError):
    """The state directory or the ledger in it cannot be used."""

    outcome = Outcome.LEDGER_ERROR


class LedgerReplaced(LedgerError):
    """A file of the open ledger was removed or replaced: the ledger has to be opened again."""

    outcome = Outcome.LEDGER_REPLACED


class BackupError(MailsluiceError):
    """A copy of the state cannot be made in the directory that was named."""

    outcome = Outcome.BACKUP_ERROR


class MailboxLocked(MailsluiceError):
    """Another process is polling this mailbox."""

    outcome = Outcome.MAILBOX_LOCKED


class AlreadyRunning(MailsluiceError):
    """Another daemon serves this state directory."""

    outcome = Outcome.ALREADY_RUNNING


class NoThread(MailsluiceError):
    """The system starts no more threads for this program."""

    outcome = Outcome.NO_THREAD

    remedy = (
        "raise the limit of threads (TasksMax= and LimitNPROC= under systemd, else ulimit -u), "
        "free memory, or lower service.max_sessions"
    )


class Stopped(MailsluiceError):
    """The program, or this session alone, was asked to end while the work went on."""

    outcome = Outcome.STOPPED


class Bug(MailsluiceError):
    """mailsluice itself has an error; the traceback is in the log."""

    outcome = Outcome.BUG

    remedy = "please report this with the traceback from the log"


_SYSTEM_REMEDIES = {
    errno.ENOSPC: "free space or inodes on that file system (df, df -i)",
    errno.EDQUOT: "raise the disk quota of the user that runs mailsluice, or free space",
    errno.EROFS: "mount the file system writable; under systemd, name the path in ReadWritePaths=",
    errno.EMFILE: "raise the limit of open files (LimitNOFILE= under systemd, else ulimit -n)",
    errno.ENFILE: "raise the system's limit of open files (sysctl fs.file-max)",
    errno.EIO: "look for disk errors (dmesg, smartctl) before polling again",
    errno.EFBIG: "raise the limit on file sizes (LimitFSIZE= under systemd, else ulimit -f)",
    errno.ESTALE: "mount the network file system again",
}


def system_remedy(error: BaseException, otherwise: str = "") -> str:
    """What to do about an error of the operating system; `otherwise` if this list does not have it."""
    return _SYSTEM_REMEDIES.get(getattr(error, "errno", None) or 0, otherwise)
