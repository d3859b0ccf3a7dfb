"""The outcomes: how a session or a command may end, and what follows from each.

Owns one table. Errors name their row of it, and exit codes, pacing, reports, the log's levels and the manual
read it: no other module says what an outcome means. Must never read a server's words: `session.triage` does,
and may then choose another disposition than the table's.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum, IntEnum, StrEnum, auto
from typing import Self


class ExitCode(IntEnum):
    """What the program ends with (sysexits.h), in the order of how much it needs somebody."""

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
    """mailsluice is wrong (EX_SOFTWARE)."""


_BY_SEVERITY = tuple(ExitCode)


def worst(exit_codes: Iterable[ExitCode]) -> ExitCode:
    """The exit code for several mailboxes: the one that needs somebody most; `WELL` for none."""
    return max(exit_codes, key=_BY_SEVERITY.index, default=ExitCode.WELL)


class Disposition(Enum):
    """When a mailbox is polled again.

    `words` say it in the manual. `doublings` is how often the delay after a first failure is doubled; None:
    there is no delay. `exit_code` is for errors whose disposition the server's words decide.
    """

    RETRY = "at its usual time", None, ExitCode.LATER
    """The next poll, at its usual time, may well succeed."""
    BACK_OFF = "later and later", 1, ExitCode.LATER
    """Ask again later and later, at least every 15 minutes."""
    OPERATOR = "slowly", 2, ExitCode.REFUSED
    """Somebody must change something; ask again slowly meanwhile, for some of these heal by themselves."""
    BUG = "slowly", 2, ExitCode.BUG
    """mailsluice is wrong; ask again slowly."""

    def __init__(self, words: str, doublings: int | None, exit_code: ExitCode) -> None:
        self.words = words
        self.doublings = doublings
        self.exit_code = exit_code

    @property
    def passes(self) -> bool:
        """Whether it passes by itself: nobody has to change anything."""
        return self in {Disposition.RETRY, Disposition.BACK_OFF}


class Answer(Enum):
    """Whether a server answered in a poll, be it with a refusal."""

    GIVEN = "given"
    MISSED = "missed"
    """It was unreachable, or silent for as long as we wait."""
    NOT_AWAITED = "not awaited"
    """It was silent, and the session ended early for others that waited."""


class Standing(Enum):
    """What a session counts as in the report of its mailbox. Failures are warnings in the log."""

    SUCCESS = "success"
    FAILURE = "failure"
    NEITHER = "neither"
    """It came to nothing, and nothing was wrong: others came first."""


class Trait(Enum):
    """What is true of a few outcomes."""

    COMPLETE = auto()
    """The session came to all that it was to do, though single messages may not have been to be had."""
    OF_CREDENTIAL = auto()
    """It may concern the whole credential, if it comes at the login or while a token is got.

    A server that throttles a tenant refuses any login of that tenant, or leaves it waiting.
    """
    OF_MESSAGE = auto()
    """It may be the fault of one message, if it comes while that message arrives."""


class Outcome(StrEnum):
    """How a session or a command ended. Its value is a stable word: logs, `status` and the ledger have it.

    `means` says it to people. `exit_code` is what the program ends with when this was the worst. `standing`
    is what the session counts as, and `answer` whether the server answered. `is_complete`, `of_credential`
    and `of_message` are the traits.
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
        "the server does not hand out messages that it lists, or their headers; the others were stored",
        Disposition.RETRY, ExitCode.LATER, Trait.COMPLETE,
    )
    MESSAGES_REMOVED = (
        "messages-removed",
        "another program removed messages from staging; they come again, the others were stored",
        Disposition.RETRY, ExitCode.LATER, Trait.COMPLETE,
    )
    STILL_LISTED = (
        "still-listed",
        "messages are still listed that two sessions asked to delete: the server undoes it, or is slow",
        Disposition.RETRY, ExitCode.LATER, Trait.COMPLETE,
    )
    MESSAGE_TOO_LARGE = (
        "message-too-large",
        "a message passed `max_message` on the way; it stays on the server, and is reported once",
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
        "the server sent what POP3 does not allow",
        Disposition.BACK_OFF, ExitCode.LATER, Trait.OF_MESSAGE,
    )
    GAVE_WAY = (  # it tells nothing of the credential, nor of a message: others were served meanwhile
        "gave-way",
        "the server was silent for some seconds while others waited for the session",
        Disposition.BACK_OFF, ExitCode.LATER, Answer.NOT_AWAITED,
    )
    SERVER_UNREACHABLE = (
        "server-unreachable",
        "the name, the route, TCP or TLS failed",
        Disposition.BACK_OFF, ExitCode.UNREACHABLE, Answer.MISSED,
    )
    SERVER_UNTRUSTED = (
        "server-untrusted",
        "the server's certificate was not accepted",
        Disposition.OPERATOR, ExitCode.UNREACHABLE,
    )
    LOGIN_REFUSED = (
        "login-refused",
        "the server did not accept the credential: the detail has its words, and what to check",
        Disposition.OPERATOR, ExitCode.REFUSED, Trait.OF_CREDENTIAL,
    )
    TOKEN_REFUSED = (
        "token-refused",
        "the identity provider or the token command said no: the detail has its words",
        Disposition.OPERATOR, ExitCode.REFUSED, Trait.OF_CREDENTIAL,
    )
    TOKEN_UNAVAILABLE = (
        "token-unavailable",
        "the identity provider or the token command could not be asked",
        Disposition.BACK_OFF, ExitCode.LATER, Trait.OF_CREDENTIAL,
    )
    SECRET_ERROR = (
        "secret-error",
        "a secret cannot be had: it is missing or not private, or its keyring does not open",
        Disposition.OPERATOR, ExitCode.CONFIGURATION,
    )
    SINK_ERROR = (
        "sink-error",
        "the spool or the Maildir cannot be written, or not be made durable",
        Disposition.BACK_OFF, ExitCode.UNUSABLE,
    )
    SINK_REFUSED = (
        "sink-refused",
        "the sink is not the one that it was, or another ledger feeds it",
        Disposition.OPERATOR, ExitCode.UNUSABLE,
    )
    STAGING_LOST = (
        "staging-lost",
        "another process took the staging directory during the poll; what was not stored comes again",
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
        "SIGTERM came in between, or a reload that changed or removed the mailbox",
        Disposition.RETRY, ExitCode.WELL, Standing.NEITHER,
    )
    CONFIGURATION_ERROR = (
        "configuration-error",
        "the configuration is wrong",
        Disposition.OPERATOR, ExitCode.CONFIGURATION,
    )
    BACKUP_ERROR = (
        "backup-error",
        "no copy of the state can be made in the directory that was named",
        Disposition.OPERATOR, ExitCode.UNUSABLE,
    )
    ALREADY_RUNNING = (
        "already-running",
        "another daemon serves the state directory",
        Disposition.RETRY, ExitCode.LATER,
    )
    BUG = (
        "bug",
        "mailsluice is wrong: please report it with the traceback from the log",
        Disposition.BUG, ExitCode.BUG,
    )
    UNKNOWN = (
        "unknown",
        "the ledger has a word that this version does not know, such as one of a newer version",
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
        """Make a row. `more` says what is seldom so: else it is a failure, and the server answered."""
        row = str.__new__(cls, word)
        row._value_ = word
        row.means = means
        row.disposition = disposition
        row.exit_code = exit_code
        row.standing = next((each for each in more if isinstance(each, Standing)), Standing.FAILURE)
        row.answer = next((each for each in more if isinstance(each, Answer)), Answer.GIVEN)
        row.is_complete = Trait.COMPLETE in more
        row.of_credential = Trait.OF_CREDENTIAL in more
        row.of_message = Trait.OF_MESSAGE in more
        return row

    @classmethod
    def read(cls, word: str) -> Outcome:
        """The outcome with this word, as a ledger has it; `UNKNOWN` for any other word."""
        return next((outcome for outcome in cls if outcome.value == word), cls.UNKNOWN)
