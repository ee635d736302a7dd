"""The status socket: a running gateway tells its own user what it does.

The gateway has the server, the commands have the client. Begin at :mod:`.messages`.
"""
