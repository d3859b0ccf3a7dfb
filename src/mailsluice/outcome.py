"""The outcomes: how a session or a command may end, and what follows from each.

Owns one table. Each error names its row, and exit codes, pacing, reports, the log's levels and the manual
read the table. No other module says what an outcome means. Must never read a server's words:
`diagnosis.symptoms` knows them, and `session.triage` may then choose another disposition than the table's.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum, IntEnum, StrEnum, auto
from typing import Self


class ExitCode(IntEnum):
    """What the program ends with (sysexits.h). The order matters: each needs a person more than the last."""

    WELL = 0
    LATER = 75
    """Try again later (EX_TEMPFAIL)."""
    UNREACHABLE = 69
    """The server cannot be reached, or not be trusted (EX_UNAVAILABLE)."""
    REFUSED = 77
    """A credential or a right is missing (EX_NOPERM)."""
    UNUSABLE = 73
    """The sink or the ledger cannot be used (EX_CANTCREAT)."""
    CONFIGURATION = 78
    """The configuration or a secret is wrong (EX_CONFIG)."""
    BUG = 70
    """mailsluice has an error (EX_SOFTWARE)."""


_BY_SEVERITY = tuple(ExitCode)


def worst(exit_codes: Iterable[ExitCode]) -> ExitCode:
    """The exit code for several mailboxes: the one that needs a person most; `WELL` for no mailbox."""
    return max(exit_codes, key=_BY_SEVERITY.index, default=ExitCode.WELL)


class Disposition(Enum):
    """When a mailbox is polled again.

    `words` say it in the manual. `doublings` is how many times the usual interval is doubled after a first
    failure; None: there is no delay. `exit_code` is used if the server's words decided the disposition.
    """

    RETRY = "at its usual time", None, ExitCode.LATER
    """The next poll, at its usual time, may succeed."""
    BACK_OFF = "later and later", 1, ExitCode.LATER
    """It is tried again after longer and longer delays, but at least every 15 minutes."""
    OPERATOR = "slowly", 2, ExitCode.REFUSED
    """Somebody must change something. Until then it is tried slowly, because some of these errors pass."""
    BUG = "slowly", 2, ExitCode.BUG
    """mailsluice has an error. It is tried again slowly."""

    def __init__(self, words: str, doublings: int | None, exit_code: ExitCode) -> None:
        self.words = words
        self.doublings = doublings
        self.exit_code = exit_code

    @property
    def passes(self) -> bool:
        """Whether the error passes by itself, so that nobody has to change anything."""
        return self in {Disposition.RETRY, Disposition.BACK_OFF}


class Answer(Enum):
    """Whether a server answered in a poll. A refusal is an answer, too."""

    GIVEN = "given"
    MISSED = "missed"
    """The server was unreachable, or silent until a deadline."""
    NOT_AWAITED = "not awaited"
    """The server was silent, and the session ended early because other mailboxes waited."""


class Standing(Enum):
    """What a session counts as in the report of its mailbox. The log has failures as warnings."""

    SUCCESS = "success"
    FAILURE = "failure"
    NEITHER = "neither"
    """The session did nothing, and nothing was wrong: something else came first."""


class Trait(Enum):
    """What is true of a few outcomes only."""

    COMPLETE = auto()
    """The session did everything that it was to do, though single messages may have failed."""
    OF_CREDENTIAL = auto()
    """It may concern the whole credential, if it happens at the login or while a token is fetched.

    A server that throttles a tenant refuses any login of that tenant, or does not answer it.
    """
    OF_MESSAGE = auto()
    """One message may be the cause, if it happens while that message arrives."""


class Outcome(StrEnum):
    """How a session or a command ended. Its value is a stable word: logs, `status` and the ledger use it.

    `means` explains it to people. `exit_code` is what the program ends with if this was the worst outcome.
    `standing` is what the session counts as, and `answer` is whether the server answered. `is_complete`,
    `of_credential` and `of_message` are the traits.
    """

    means: str
    disposition: Disposition
    exit_code: ExitCode
    standing: Standing
    answer: Answer
    is_complete: bool
    of_credential: bool
    of_message: bool

    # fmt: off
    OK = (
        "ok",
        "nothing went wrong",
        Disposition.RETRY, ExitCode.WELL, Standing.SUCCESS, Trait.COMPLETE,
    )
    MESSAGES_REFUSED = (
        "messages-refused",
        "the server refuses some messages that it lists, or their headers; the others were stored",
        Disposition.RETRY, ExitCode.LATER, Trait.COMPLETE,
    )
    MESSAGES_REMOVED = (
        "messages-removed",
        "another program removed messages from staging; they come again, the others were stored",
        Disposition.RETRY, ExitCode.LATER, Trait.COMPLETE,
    )
    STILL_LISTED = (
        "still-listed",
        "the server still lists messages that two sessions asked it to delete: it undoes this, or is slow",
        Disposition.RETRY, ExitCode.LATER, Trait.COMPLETE,
    )
    MESSAGE_TOO_LARGE = (
        "message-too-large",
        "a message was larger than `max_message`; it stays on the server, and is reported once",
        Disposition.RETRY, ExitCode.WELL,
    )
    COMMAND_REFUSED = (
        "command-refused",
        "the server refused a command, but not the login",
        Disposition.RETRY, ExitCode.LATER, Trait.OF_MESSAGE,
    )
    CONNECTION_LOST = (
        "connection-lost",
        "the server closed or reset the connection in the middle of a session",
        Disposition.BACK_OFF, ExitCode.LATER, Trait.OF_CREDENTIAL, Trait.OF_MESSAGE,
    )
    DEADLINE_EXCEEDED = (
        "deadline-exceeded",
        "the server was silent for too long, or too slow",
        Disposition.BACK_OFF, ExitCode.LATER, Answer.MISSED, Trait.OF_CREDENTIAL, Trait.OF_MESSAGE,
    )
    PROTOCOL_VIOLATION = (
        "protocol-violation",
        "the server sent something that POP3 does not allow",
        Disposition.BACK_OFF, ExitCode.LATER, Trait.OF_MESSAGE,
    )
    GAVE_WAY = (  # no trait: others were served meanwhile, so neither credential nor message is to blame
        "gave-way",
        "the server was silent for some seconds while other mailboxes waited for a session",
        Disposition.BACK_OFF, ExitCode.LATER, Answer.NOT_AWAITED,
    )
    SERVER_UNREACHABLE = (
        "server-unreachable",
        "the name, the route, TCP or TLS failed",
        Disposition.BACK_OFF, ExitCode.UNREACHABLE, Answer.MISSED,
    )
    PROXY_REFUSED = (  # no trait: neither the credential nor a message is to blame
        "proxy-refused",
        "the proxy does not let mailsluice through: the detail says what it wants",
        Disposition.OPERATOR, ExitCode.REFUSED,
    )
    SERVER_UNTRUSTED = (
        "server-untrusted",
        "the server's certificate was not accepted",
        Disposition.OPERATOR, ExitCode.UNREACHABLE,
    )
    LOGIN_REFUSED = (
        "login-refused",
        "the server did not accept the credential: the detail has the server's words, and what to check",
        Disposition.OPERATOR, ExitCode.REFUSED, Trait.OF_CREDENTIAL,
    )
    TOKEN_REFUSED = (
        "token-refused",
        "the identity provider or the token command refused a token: the detail has its words",
        Disposition.OPERATOR, ExitCode.REFUSED, Trait.OF_CREDENTIAL,
    )
    TOKEN_UNAVAILABLE = (
        "token-unavailable",
        "the identity provider or the token command could not be asked",
        Disposition.BACK_OFF, ExitCode.LATER, Trait.OF_CREDENTIAL,
    )
    SECRET_ERROR = (
        "secret-error",
        "a secret, certificate or assertion cannot be used, or the keyring cannot be opened",
        Disposition.OPERATOR, ExitCode.CONFIGURATION,
    )
    SINK_ERROR = (
        "sink-error",
        "the spool or the Maildir cannot be written, or cannot be made durable",
        Disposition.BACK_OFF, ExitCode.UNUSABLE,
    )
    SINK_REFUSED = (
        "sink-refused",
        "the sink is not the same as before, or another ledger feeds it",
        Disposition.OPERATOR, ExitCode.UNUSABLE,
    )
    STAGING_LOST = (
        "staging-lost",
        "another process took the staging directory during the poll; messages not yet stored come again",
        Disposition.RETRY, ExitCode.LATER,
    )
    LEDGER_ERROR = (
        "ledger-error",
        "the state directory or the ledger in it cannot be used",
        Disposition.BACK_OFF, ExitCode.UNUSABLE,
    )
    LEDGER_REPLACED = (
        "ledger-replaced",
        "the ledger's files were changed while mailsluice had them open",
        Disposition.BACK_OFF, ExitCode.UNUSABLE,
    )
    MAILBOX_LOCKED = (
        "mailbox-locked",
        "another process polls this mailbox",
        Disposition.RETRY, ExitCode.LATER, Standing.NEITHER,
    )
    NO_THREAD = (
        "no-thread",
        "the system started no thread for the poll (`TasksMax=`, `ulimit -u`), and no other poll ran",
        Disposition.RETRY, ExitCode.LATER,
    )
    STOPPED = (
        "stopped",
        "SIGTERM ended the session, or a reload that changed or removed the mailbox",
        Disposition.RETRY, ExitCode.WELL, Standing.NEITHER,
    )
    CONFIGURATION_ERROR = (
        "configuration-error",
        "the configuration is wrong",
        Disposition.OPERATOR, ExitCode.CONFIGURATION,
    )
    BACKUP_ERROR = (
        "backup-error",
        "a copy of the state cannot be made in the given directory",
        Disposition.OPERATOR, ExitCode.UNUSABLE,
    )
    ALREADY_RUNNING = (
        "already-running",
        "another daemon serves the state directory",
        Disposition.RETRY, ExitCode.LATER,
    )
    BUG = (
        "bug",
        "mailsluice itself has an error: please report it with the traceback from the log",
        Disposition.BUG, ExitCode.BUG,
    )
    UNKNOWN = (
        "unknown",
        "the ledger has a word that this version does not know, perhaps from a newer version",
        Disposition.RETRY, ExitCode.LATER,
    )
    # fmt: on

    def __new__(
        cls,
        word: str,
        means: str,
        disposition: Disposition,
        exit_code: ExitCode,
        *more: Standing | Answer | Trait,
    ) -> Self:
        """Make a row. `more` has what is unusual; otherwise it is a failure, and the server answered."""
        row = str.__new__(cls, word)
        row._value_ = word  # the enum would take the whole tuple for its value
        row.means = means
        row.disposition = disposition
        row.exit_code = exit_code
        row.standing = next((one for one in more if isinstance(one, Standing)), Standing.FAILURE)
        row.answer = next((one for one in more if isinstance(one, Answer)), Answer.GIVEN)
        row.is_complete = Trait.COMPLETE in more
        row.of_credential = Trait.OF_CREDENTIAL in more
        row.of_message = Trait.OF_MESSAGE in more
        return row

    @classmethod
    def read(cls, word: str) -> Outcome:
        """The outcome with this word, which a ledger has; `UNKNOWN` for any other word."""
        return next((outcome for outcome in cls if outcome.value == word), cls.UNKNOWN)
