"""The HTTP API (floor 5)."""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime

from wildduck.accounts import Accounts
from wildduck.accounts.tokens import AccessTokens
from wildduck.api.addresses.addresses import AddressesApi
from wildduck.api.addresses.forwarded import ForwardedApi
from wildduck.api.authentication import AuthenticationApi
from wildduck.api.frame.access import Access
from wildduck.api.frame.application import Application
from wildduck.api.frame.openapi import OpenApi
from wildduck.api.health import HealthApi
from wildduck.api.legacy import LegacyApi
from wildduck.api.mailboxes import MailboxesApi
from wildduck.api.messages.changing import ChangingApi
from wildduck.api.messages.detail import DetailApi
from wildduck.api.messages.listing import ListingApi
from wildduck.api.messages.source import SourceApi
from wildduck.api.messages.upload import UploadApi
from wildduck.api.updates import UpdatesApi
from wildduck.api.users.upkeep import UserUpkeepApi
from wildduck.api.users.users import UsersApi
from wildduck.config import ApiSettings
from wildduck.database import Databases, Redis
from wildduck.mailstore import MailStore
from wildduck.network.registry import Registry

__all__ = ["Application", "make_application"]


def make_application(
    accounts: Accounts,
    store: MailStore,
    databases: Databases,
    redis: Redis,
    clock: IReactorTime,
    settings: ApiSettings | None = None,
) -> Application:
    """
    The API with all its resources.

    @param settings: section C{[api]}; C{None} for its defaults: only this machine may call.
    """
    settings = settings or ApiSettings()
    tokens = AccessTokens.from_settings(redis, databases.users, clock, settings)
    application = Application(
        Access(settings.token, tokens, required=settings.access_control),
        clock=clock,
        compat_status=settings.compat_status,
        cors=settings.cors,
        registry=Registry(settings.connections, settings.connections_per_ip),
    )
    OpenApi(application).register()
    AuthenticationApi(accounts, tokens).register(application)
    UsersApi(accounts, databases, tokens).register(application)
    UserUpkeepApi(accounts, store, databases, clock).register(application)
    LegacyApi(accounts, store, redis).register(application)
    AddressesApi(accounts, databases).register(application)
    ForwardedApi(accounts, databases, redis).register(application)
    MailboxesApi(accounts, store).register(application)
    ChangingApi(store).register(application)
    UploadApi(accounts, store, clock).register(application)
    HealthApi(databases, redis, clock).register(application)
    ListingApi(store).register(application)
    DetailApi(store).register(application)
    SourceApi(store).register(application)
    UpdatesApi(store, databases).register(application)
    return application
