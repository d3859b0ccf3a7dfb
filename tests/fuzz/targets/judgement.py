"""A token and the words of a server: read for diagnosis, judged, and put into sentences and lines for PowerShell."""

from __future__ import annotations

from dataclasses import fields, replace

from fuzz.feed import Feed
from mailsluice.config.credentials import HOSTS, Way
from mailsluice.diagnosis.causes import Cause
from mailsluice.diagnosis.claims import Claims, claims_in
from mailsluice.diagnosis.commands import connect_line, way_of
from mailsluice.diagnosis.facts import Door, Facts
from mailsluice.diagnosis.judgement import Judgement, judge, judge_token
from mailsluice.diagnosis.known import known
from mailsluice.diagnosis.symptoms import OBSTACLES, REFUSALS, symptom_of
from mailsluice.errors import LoginRefused, MailsluiceError, Phase, ServerUnreachable, TokenRefused
from support.judging import ACCESS, FULL_FACTS, token_of
from support.powershell import bones, texts

_CLAIMS = b'{"aud":"https://outlook.office365.com","roles":["POP.AccessAsApp"],"tid":"1","appid":"2","oid":"3","exp":9}'
SEEDS = (
    b"\x00\x00\x00\x00\x00" + _CLAIMS + b"\0o'brien@acme.example",
    b'\x01\x01\x05\x01\x07{"aud":["https://graph.microsoft.com/"],"scp":"a b","upn":"x#EXT#@y"}\0{mailbox}',
    b'\x02\x02\x06\x02\x10{"roles":{"a":1},"exp":1e999,"iat":true,"azp":[2]}\0\xe2\x80\x99; Remove-Mailbox x',
    b"\x03\x03\x03\x03\x20[]\0\n# x\n$(y)`n",
    b'\x00\x00\x00\x02\x00{"exp":"NaN"}\0\x1b]0;x\x07invalid_grant AADSTS700027 key used is expired',
    b"\x00\x00\x04\x03\x00{}\0Authentication failure: unknown user name or bad password.",
)
WORDS = (
    b'"roles":["',
    b'"scp":"',
    b'"oid":"',
    b'"upn":"',
    b'"exp":',
    b"1e999",
    b"[[[[",
    b"\\ud800",
    b"'",
    b"''",
    b"\xe2\x80\x98",
    b"\xe2\x80\x9b",
    b"\xe2\x80\xa8",
    b"`$(",
    b"# ",
    b"{0}",
    b"AADSTS",
    b"\0",
)
_WAYS = (*Way, None)
_WITH_LINES = [cause for cause in Cause if (way := way_of(cause, FULL_FACTS)).look or way.mend]
_EVERYTHING = Judgement(tuple(Cause), is_certain=False)


def check(data: bytes) -> None:
    feed = Feed(data)
    way, door, cloud = feed.one_of(_WAYS), feed.one_of(tuple(Door)), feed.one_of(tuple(HOSTS))
    kind, number = feed.octet(), feed.octet()
    document, _, octets = feed.rest().partition(b"\0")
    word = octets.decode("utf-8", "replace")
    claims = claims_in(token_of(document))
    _check_claims(claims)
    facts = replace(
        FULL_FACTS,
        access=replace(ACCESS, way=way, cloud=cloud, tenant=word, client=word, credential=word),
        claims=claims,
        door=door,
        mailbox=word,
        section=word,
        host=word,
        issuer=word,
    )
    _check_judgement(_error(kind, number, word), facts)
    _check_lines(facts, replace(FULL_FACTS, access=replace(ACCESS, way=way, cloud=cloud), door=door), word)


def _check_claims(claims: Claims | None) -> None:
    for value in (getattr(claims, field.name) for field in fields(Claims)) if claims else ():
        for text in value if isinstance(value, tuple) else (value,):
            assert not isinstance(text, str) or (text.isprintable() and len(text) <= 2000)


def _error(kind: int, number: int, word: str) -> MailsluiceError:
    if kind % 4 == 0:
        return LoginRefused("-", phase=Phase.AUTH, reply=word)
    if kind % 4 == 1:
        return ServerUnreachable("-", phase=Phase.CONNECT, obstacle=list(OBSTACLES)[number % len(OBSTACLES)])
    if kind % 4 == 2:
        return TokenRefused("-", said=word)
    return TokenRefused("-", said=f"AADSTS{list(REFUSALS)[number % len(REFUSALS)]}: {word}")


def _check_judgement(error: MailsluiceError, facts: Facts) -> None:
    judged, symptom = judge(error, facts), symptom_of(error)
    possible = symptom.possible(is_person=facts.is_person) if symptom else ()
    assert bool(judged.causes) == bool(possible)
    assert set(judged.causes) <= set(possible)
    assert len(set(judged.causes)) == len(judged.causes)
    assert not judged.is_certain or len(judged.causes) == 1
    for told in (judged.sentence(facts), _EVERYTHING.sentence(facts), *known(facts)):
        assert told.isprintable()
    judge_token(facts)


def _lines(facts: Facts) -> list[str]:
    ways = [way_of(cause, facts) for cause in _WITH_LINES]
    return [connect_line(facts), *(line for way in ways for line in (*way.look, *way.mend))]


def _check_lines(facts: Facts, plain: Facts, word: str) -> None:
    lines = _lines(facts)
    assert all(line.isprintable() for line in lines)
    assert [bones(line) for line in lines] == [bones(line) for line in _lines(plain)]
    if word and word.isprintable():
        assert all(word in texts(line) for line in lines if line.startswith("Set-CASMailbox"))
