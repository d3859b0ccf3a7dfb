"""Everything that can go wrong, and what it means for a mailbox.

    MailsluiceError
    ├── ConfigurationError      the file is wrong                     operator   78
    ├── SecretError             a secret cannot be had                operator   78
    ├── TokenError
    │   ├── TokenRefused        the identity provider said no         operator   77
    │   └── TokenUnavailable    it could not be asked                 back off   75
    ├── ServerError             where: the phase of the session
    │   ├── ServerUnreachable   name, route, TCP or TLS failed        back off   69
    │   ├── ServerUntrusted     its certificate was not accepted      operator   69
    │   ├── ConnectionLost      it closed or reset the connection     back off   75
    │   ├── DeadlineExceeded    it was silent or too slow             back off   75
    │   │   └── GaveWay         others waited for its session         back off   75
    │   ├── ProtocolViolation   it broke the protocol                 back off   75
    │   ├── CommandRefused      -ERR; the session lives on            retry      75
    │   │   ├── Substituted     a notice came instead of a message    retry      75
    │   │   └── Unrecognised    it may be stored under another UIDL   retry      75
    │   ├── LoginRefused        -ERR to the credential                operator   77
    │   └── MessageTooLarge     more octets than max_message          retry      0
    ├── SinkError               the spool or Maildir is unwritable    back off   73
    │   ├── SinkRefused         it is not the one it was              operator   73
    │   └── StagingGone         staging was removed under a batch     retry      73
    ├── StagingLost             another process took its staging      retry      75
    ├── LedgerError             the state directory cannot be used    back off   73
    │   └── LedgerReplaced      its files changed under our hands     back off   73
    ├── BackupError             a copy of the state cannot be made    operator   73
    ├── MailboxLocked           another process polls this mailbox    retry      75
    ├── AlreadyRunning          another daemon serves the directory   retry      75
    ├── NoThread                the system starts no more threads     retry      75
    ├── Stopped                 the program is asked to end           retry      0
    └── Bug                     mailsluice itself is wrong            bug        70

Whatever kind it is, an error that is `denied`, for want of a right of this user, has the exit code 77. Any
exception from elsewhere is a bug too (exit code 70). `session.triage` may sharpen a disposition by
what the server said; nothing else decides what an error means.
"""

from __future__ import annotations

import errno
from enum import Enum

DENIED = 77
"""The exit code for what this user has no right to (sysexits: EX_NOPERM)."""


class Disposition(Enum):
    """What an error means for the mailbox it happened to."""

    RETRY = "retry"
    """The next poll, at its usual time, may well succeed."""
    BACK_OFF = "back-off"
    """Ask again later and later, at least every 15 minutes."""
    OPERATOR = "operator"
    """Somebody must change something; ask again slowly meanwhile, for some of these heal by themselves."""
    BUG = "bug"
    """mailsluice is wrong; ask again slowly."""


class Phase(Enum):
    """Where in a session something happened: the word that errors and logs use."""

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


class MailsluiceError(Exception):
    """An error an administrator can read: what happened, and in `remedy` what to do.

    `exit_code` is what the program ends with when this was the worst of a run (sysexits). `denied`: the user
    that this runs as lacks a right, which has an exit code of its own.
    """

    disposition = Disposition.BACK_OFF
    exit_code = 75
    remedy = ""

    def __init__(self, message: str, *, remedy: str = "", denied: bool = False) -> None:
        super().__init__(message)
        if remedy:
            self.remedy = remedy
        if denied:
            self.exit_code = DENIED

    @property
    def code(self) -> str:
        """A stable word for this kind of error, as logs and `status` print it: `login-refused`."""
        name = type(self).__name__
        return "".join(f"-{c.lower()}" if c.isupper() else c for c in name).lstrip("-")


class ConfigurationError(MailsluiceError):
    """The configuration is wrong. `mistakes` has one line each: file, key path, what would be right."""

    disposition = Disposition.OPERATOR
    exit_code = 78

    def __init__(self, mistakes: list[str], *, remedy: str = "", denied: bool = False) -> None:
        super().__init__("\n".join(mistakes), remedy=remedy, denied=denied)
        self.mistakes = tuple(mistakes)


class SecretError(MailsluiceError):
    """A secret cannot be had: it is not there, not private, or its keyring cannot be opened."""

    disposition = Disposition.OPERATOR
    exit_code = 78


class TokenError(MailsluiceError):
    """No access token is to be had."""


class TokenRefused(TokenError):
    """The identity provider, or a token command, answered: no."""

    disposition = Disposition.OPERATOR
    exit_code = 77


class TokenUnavailable(TokenError):
    """The identity provider, or a token command, could not be asked."""


class ServerError(MailsluiceError):
    """A POP3 session failed. `phase` is where, `reply` the server's words if it said any."""

    def __init__(self, message: str, *, phase: Phase, reply: str = "", remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.phase = phase
        self.reply = reply


class ServerUnreachable(ServerError):
    """The name, the route, TCP or the TLS handshake failed."""

    exit_code = 69


class ServerUntrusted(ServerError):
    """The server's certificate was not accepted."""

    disposition = Disposition.OPERATOR
    exit_code = 69


class ConnectionLost(ServerError):
    """The server closed or reset the connection in the middle of a session."""


class DeadlineExceeded(ServerError):
    """The server was silent, or too slow, for longer than its phase or the session allows."""


class GaveWay(DeadlineExceeded):
    """The server was silent for some seconds, and the session ended early for others that waited for it."""

    remedy = "it is tried again, with all the time there is; if this comes often, raise service.max_sessions"


class ProtocolViolation(ServerError):
    """The server sent what POP3 does not allow; the session is over."""


class CommandRefused(ServerError):
    """The server answered `-ERR`; the session lives on."""

    disposition = Disposition.RETRY


class Substituted(CommandRefused):
    """The server handed out a notice, `text`, in the place of a message that it cannot render."""

    def __init__(self, message: str, *, text: bytes) -> None:
        super().__init__(message, phase=Phase.RETRIEVE)
        self.text = text


class Unrecognised(CommandRefused):
    """A message may be a stored one under another UIDL, and nothing tells: it is held, and not stored."""


class LoginRefused(ServerError):
    """The server did not accept the credential."""

    disposition = Disposition.OPERATOR
    exit_code = 77


class MessageTooLarge(ServerError):
    """A message turned out larger than `max_message`; `octets` had come when it was given up."""

    disposition = Disposition.RETRY
    exit_code = 0

    def __init__(self, message: str, *, octets: int) -> None:
        super().__init__(message, phase=Phase.RETRIEVE)
        self.octets = octets


class SinkError(MailsluiceError):
    """The spool directory or Maildir cannot be written, or not made durable."""

    exit_code = 73


class SinkRefused(SinkError):
    """The sink is not the one that it was, or another ledger feeds it: nothing is stored there unasked."""

    disposition = Disposition.OPERATOR


class StagingGone(SinkError):
    """The staging directory was removed while a batch was received: what the batch had has to come again."""

    disposition = Disposition.RETRY


class StagingLost(MailsluiceError):
    """Another process took the staging directory of this mailbox while it was polled."""

    disposition = Disposition.RETRY


class LedgerError(MailsluiceError):
    """The state directory or the ledger in it cannot be used."""

    exit_code = 73


class LedgerReplaced(LedgerError):
    """A file of the open ledger was removed, or another lies in its place: it has to be opened anew."""


class BackupError(MailsluiceError):
    """A copy of the state cannot be made in the directory that was named."""

    disposition = Disposition.OPERATOR
    exit_code = 73


class MailboxLocked(MailsluiceError):
    """Another process is polling this mailbox."""

    disposition = Disposition.RETRY


class AlreadyRunning(MailsluiceError):
    """Another daemon serves this state directory."""

    disposition = Disposition.RETRY


class NoThread(MailsluiceError):
    """The system starts no more threads for this program."""

    disposition = Disposition.RETRY
    remedy = (
        "raise the limit of threads (TasksMax= and LimitNPROC= under systemd, else ulimit -u), "
        "free memory, or lower service.max_sessions"
    )


class Stopped(MailsluiceError):
    """The program was asked to end while this was going on."""

    disposition = Disposition.RETRY
    exit_code = 0


class Bug(MailsluiceError):
    """mailsluice itself is wrong; the traceback is in the log."""

    disposition = Disposition.BUG
    exit_code = 70
    remedy = "please report this with the traceback from the log"


_SYSTEM_REMEDIES = {
    errno.ENOSPC: "free space or inodes on that file system (df, df -i)",
    errno.EDQUOT: "raise the disk quota of the user that runs mailsluice, or free space",
    errno.EROFS: "mount the file system writable; under systemd, name the path in ReadWritePaths=",
    errno.EMFILE: "raise the limit of open files (LimitNOFILE= under systemd, else ulimit -n)",
    errno.ENFILE: "raise the system's limit of open files (sysctl fs.file-max)",
    errno.EIO: "look for disk errors in the kernel's log (dmesg, smartctl) before polling again",
    errno.EFBIG: "lift the limit on file sizes (LimitFSIZE= under systemd, else ulimit -f)",
    errno.ESTALE: "mount the network file system again",
}


def system_remedy(error: BaseException, otherwise: str = "") -> str:
    """What helps against the operating system's error; `otherwise` where that is the caller's to know."""
    return _SYSTEM_REMEDIES.get(getattr(error, "errno", None) or 0, otherwise)


_BY_SEVERITY = (0, 75, 69, 77, 73, 78, 70)


def worst(exit_codes: list[int]) -> int:
    """The exit code for several mailboxes: the one that needs somebody most; 0 for none."""
    return max(exit_codes, key=_BY_SEVERITY.index, default=0)
