"""The HTTP API (floor 5)."""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime

from wildduck.accounts import Accounts
from wildduck.api.application import Application
from wildduck.api.health import HealthApi
from wildduck.api.legacy import LegacyApi
from wildduck.database import Databases, Redis
from wildduck.mailstore import MailStore

__all__ = ["Application", "make_application"]


def make_application(
    accounts: Accounts,
    store: MailStore,
    databases: Databases,
    redis: Redis,
    clock: IReactorTime,
    *,
    token: str = "",
) -> Application:
    """
    The API with all its resources.

    @param token: the access token; C{""} lets only this machine call.
    """
    application = Application(token)
    LegacyApi(accounts, store, redis).register(application)
    HealthApi(databases, redis, clock).register(application)
    return application
