"""
Private databases: a mongod and a redis-server of the server's own.

Started together as child processes in the data folder when no C{mongo.uri} is
set, bound to loopback, restarted when they crash, stopped last, and never left
behind.  The code that talks to them is the same as for any other database.
"""
