"""Certificates: the configured pair or a self-signed one, and what TLS is spoken with it."""

from wildduck.tls.certificate import ensure_self_signed
from wildduck.tls.context import ServerTls

__all__ = ["ServerTls", "ensure_self_signed"]
