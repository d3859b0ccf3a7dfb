"""WIRE: one POP3 session, greeting to QUIT.

A sans-IO core (`commands`, `events`, `lines`, `listing`, `excerpt`, `protocol`) knows neither sockets, clocks
nor threads. A thin blocking shell (`exchange`, `pipeline`, `client`) works on a connection of `net`, within
the times in `deadlines`. The rest of the program knows `client.connect` alone.
"""
