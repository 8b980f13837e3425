"""
What is said of an account, checked and brought into the form of the document.

All that is wrong is collected, for an answer names every failed field.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import UNSET

from wildduck.accounts import keys, normalise, passwords
from wildduck.accounts.documents import LIMITS, stored_number
from wildduck.accounts.fields import NewUser, UserChange, UserFields
from wildduck.accounts.stored import meta_text, tag_fields
from wildduck.accounts.targets import RELAY, Target
from wildduck.errors import BadInput

#: Failed fields: dotless path, its parts joined by commas as WildDuck does, and what is wrong.
Failures = dict[str, str]

#: A number beyond it is not exact in JavaScript (spec/differences.md G).
MOST = 2**53 - 1
SCOPES = ("imap", "pop3", "smtp")
CIPHERS = ("AES-CBC", "AES-GCM")
KEY_TRANSPORTS = ("PKCS#1 v1.5", "OAEP")
FEATURES = ("indexing",)
#: Characters; items of one list; bytes of metaData.
NAME_LENGTH = 256
LANGUAGE_LENGTH = 20
LABEL_LENGTH = 128
MOST_ITEMS = 1000
META_BYTES = 1024 * 1024

#: Stored as they are given.
_PLAIN = (
    "require2fa_enabled",
    "upload_sent_messages",
    "encrypt_messages",
    "encrypt_forwarded",
)


def raise_for(failures: Failures) -> None:
    """@raise BadInput: naming all failed fields, if there are any."""
    if failures:
        raise BadInput(". ".join(failures.values()), failures)


def document_fields(fields: UserFields, failures: Failures) -> dict[str, Any]:
    """
    What was said, in the names and forms of the document.

    C{mtaRelay} is C{None} where it is to go.  Keys are looked at only roughly:
    see L{check_keys}.
    """
    given = {
        name: value for name in UserFields.__struct_fields__ if (value := getattr(fields, name)) is not UNSET
    }
    names = dict(zip(UserFields.__struct_fields__, UserFields.__struct_encode_fields__, strict=True))
    document = {names[name]: given[name] for name in _PLAIN if name in given}
    for name, value in given.items():
        check = _CHECKS.get(name)
        if check is not None:
            try:
                document.update(check(names[name], value))
            except _Wrong as wrong:
                failures.update(wrong.failures)
    _exclusive_keys(document, failures)
    return document


class _Wrong(Exception):
    def __init__(self, failures: Failures) -> None:
        self.failures = failures


def _fail(field: str, text: str) -> _Wrong:
    return _Wrong({field: f"{field} {text}"})


def _text(longest: int) -> Callable[[str, str], dict[str, Any]]:
    def check(name: str, value: str) -> dict[str, Any]:
        if len(value) > longest:
            raise _fail(name, f"length must be less than or equal to {longest} characters long")
        return {name: value}

    return check


def _language(name: str, value: str) -> dict[str, Any]:
    return _text(LANGUAGE_LENGTH)(name, value) if value else {}


def _number(name: str, value: int) -> dict[str, Any]:
    if not 0 <= value <= MOST:
        raise _fail(name, f"must be a number from 0 to {MOST}")
    return {name: stored_number(value)}


def _spam_level(name: str, value: int | float) -> dict[str, Any]:
    if not 0 <= value <= 100:
        raise _fail(name, "must be a number from 0 to 100")
    return {name: value}


def _each(name: str, values: list[str], parse: Callable[[str], Any]) -> list[Any]:
    """Every item parsed; each that fails is named by its place."""
    if len(values) > MOST_ITEMS:
        raise _fail(name, f"must contain less than or equal to {MOST_ITEMS} items")
    parsed, failures = [], {}
    for index, value in enumerate(values):
        try:
            parsed.append(parse(value))
        except ValueError as error:
            failures[f"{name},{index}"] = f"{name}[{index}] {error}"
    if failures:
        raise _Wrong(failures)
    return parsed


def _targets(name: str, values: list[str]) -> dict[str, Any]:
    return {name: [target.document() for target in _each(name, values, Target.new)]}


def _relay(name: str, value: str) -> dict[str, Any]:
    if not value:
        return {name: None}
    try:
        target = Target.new(value)
    except ValueError:
        raise _fail(name, "must be an smtp(s) URL") from None
    if target.kind != RELAY:
        raise _fail(name, "must be an smtp(s) URL")
    return {name: target.document()}


def _label(value: str) -> str:
    value = value.strip()
    if len(value) > LABEL_LENGTH:
        raise ValueError(f"length must be less than or equal to {LABEL_LENGTH} characters long")
    return value


def _tags(name: str, values: list[str]) -> dict[str, Any]:
    return tag_fields(_each(name, values, _label))


def _sender(value: str) -> str:
    sender = normalise.address(_label(value))
    if not sender.strip("*") or "*" in sender[1:-1]:
        raise ValueError("must be an address, or a part of one with * first or last")
    return sender


def _senders(name: str, values: list[str]) -> dict[str, Any]:
    return {name: list(dict.fromkeys(_each(name, values, _sender)))}


def _scopes(name: str, values: list[str]) -> dict[str, Any]:
    def parse(value: str) -> str:
        if value not in SCOPES:
            raise ValueError(f"must be one of [{', '.join(SCOPES)}]")
        return value

    return {name: sorted(set(_each(name, values, parse)))}


def _choice(*words: str) -> Callable[[str, str], dict[str, Any]]:
    def check(name: str, value: str) -> dict[str, Any]:
        if value not in words:
            raise _fail(name, f"must be one of [{', '.join(words)}]")
        return {name: value}

    return check


def _meta(name: str, value: Mapping[str, Any]) -> dict[str, Any]:
    text = meta_text(value)
    if len(text.encode("utf-8", "surrogatepass")) > META_BYTES:
        raise _fail(name, f"must have at most {META_BYTES} bytes")
    return {name: text}


def _key(name: str, value: str) -> dict[str, Any]:
    return {name: value.strip()}


def _certificates(name: str, values: list[str]) -> dict[str, Any]:
    if len(values) > keys.MOST_CERTIFICATES:
        raise _fail(name, f"must contain less than or equal to {keys.MOST_CERTIFICATES} items")
    return {name: [value.strip() for value in values]}


def _features(name: str, values: dict[str, bool]) -> dict[str, Any]:
    unknown = {f"{name},{key}": f"{name}.{key} is not allowed" for key in values if key not in FEATURES}
    if unknown:
        raise _Wrong(unknown)
    return {name: dict(values)}


_LIMIT_NAMES = dict(zip(UserFields.__struct_encode_fields__, UserFields.__struct_fields__, strict=True))
_CHECKS: dict[str, Callable[[str, Any], dict[str, Any]]] = {
    **{_LIMIT_NAMES[name]: _number for name in (*LIMITS, "retention")},
    "name": _text(NAME_LENGTH),
    "language": _language,
    "targets": _targets,
    "mta_relay": _relay,
    "spam_level": _spam_level,
    "from_whitelist": _senders,
    "tags": _tags,
    "disabled_scopes": _scopes,
    "meta_data": _meta,
    "internal_data": _meta,
    "pub_key": _key,
    "smime_certs": _certificates,
    "smime_cipher": _choice(*CIPHERS),
    "smime_key_transport": _choice(*KEY_TRANSPORTS),
    "feature_flags": _features,
}


def _exclusive_keys(document: dict[str, Any], failures: Failures) -> None:
    """An account has keys of one kind; a new one of either kind takes the place of the other's."""
    if document.get("pubKey") and document.get("smimeCerts"):
        text = "pubKey and smimeCerts exclude each other"
        failures.update(pubKey=text, smimeCerts=text)
    elif document.get("pubKey"):
        document.update(smimeCerts=[], smimeCipher=CIPHERS[0], smimeKeyTransport=KEY_TRANSPORTS[0])
    elif document.get("smimeCerts"):
        document["pubKey"] = ""


def check_keys(document: Mapping[str, Any]) -> Failures:
    """Try the keys of checked fields; in a thread, for it takes milliseconds of CPU each."""
    failures: Failures = {}
    try:
        if document.get("pubKey"):
            keys.check_key(document["pubKey"])
    except ValueError as error:
        failures["pubKey"] = f"pubKey {error}"
    for index, certificate in enumerate(document.get("smimeCerts") or ()):
        try:
            keys.check_certificate(certificate)
        except ValueError as error:
            failures[f"smimeCerts,{index}"] = f"smimeCerts[{index}] {error}"
    return failures


def check_look_up(wanted: NewUser | UserChange, possible: bool, failures: Failures) -> None:
    """
    Whether a password that must not be known from a breach can be looked up.

    @param possible: there is a service to ask.
    """
    if wanted.password and not (wanted.hashed_password or wanted.allow_unsafe or possible):
        failures["allowUnsafe"] = (
            "allowUnsafe can not be false: no service is set (security.pwned_passwords_url)"
        )


def check_password(password: str, hashed: bool, failures: Failures) -> None:
    """
    Whether a password, or its hash, can be stored; C{""} is none and can.

    @param hashed: it is a hash.
    """
    if not password:
        return
    if hashed:
        fault = passwords.fault(password)
        if fault:
            failures["password"] = f"password {fault}"
    elif not passwords.is_possible(password):
        failures["password"] = (
            f"password must have 1 to {passwords.PASSWORD_LENGTH} characters, none of them NUL"
        )
