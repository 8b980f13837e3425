"""
What the mail faces share: framing, connections, TLS switch, SASL, PROXY (floor 4).

Nothing here knows mail or the database.
"""
