"""LOGIN, AUTHENTICATE PLAIN (RFC 3501 §6.2, RFC 4616, RFC 4959)."""

from __future__ import annotations

from wildduck.accounts import SignIn
from wildduck.errors import AuthorizationFailed, PrivacyRequired, ProtocolError
from wildduck.imap.grammar.responses import capability_code
from wildduck.imap.grammar.sign_in import Authenticate, Login
from wildduck.imap.session import Done, Session
from wildduck.network import sasl


async def login(session: Session, command: Login) -> Done:
    return await _sign_in(session, command.username, command.password)


async def authenticate(session: Session, command: Authenticate) -> Done:
    if command.mechanism != "PLAIN":
        return Done("Unsupported authentication mechanism", b"CANNOT", "NO")
    if not session.line.secure:
        # Before the client is asked for its password.
        raise PrivacyRequired()
    response = command.initial
    if response is None:
        response = await session.ask()
        if response is None:
            return Done("The response line is too long or broken", status="BAD")
    try:
        credentials = sasl.parse_plain(sasl.decode_response(response))
    except ProtocolError as error:
        return Done(str(error), status="BAD")
    if credentials.authorization not in ("", credentials.username):
        raise AuthorizationFailed("You can not act for another user")
    return await _sign_in(session, credentials.username, credentials.password)


async def _sign_in(session: Session, username: str, password: str) -> Done:
    """
    @raise PrivacyRequired: the connection is not secure.
    @raise AuthenticationFailed: and what else sign-in refuses.
    """
    if not session.line.secure:
        raise PrivacyRequired()
    services = session.services
    account = await services.accounts.sign_in(
        SignIn(username, password, service="imap", ip=session.line.peer_host, session=session.id)
    )
    await session.sign_in(account)
    return Done("Signed in", capability_code(session.capabilities()))
