"""WIRE: one POP3 session, greeting to QUIT.

The core does no I/O (`commands`, `events`, `lines`, `listing`, `excerpt`, `protocol`): it knows no sockets,
clocks or threads. A thin blocking shell stands around it (`exchange`, `pipeline`, `client`): it works on a
connection of `net`, within the times in `deadlines`. The rest of the program knows only `client.connect`.
"""
