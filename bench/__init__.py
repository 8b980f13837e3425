"""
Benchmarks: this server, npm's WildDuck and Debian's Dovecot under the same load, one after the other.

C{python -m bench}; see L{bench.__main__}.
"""
