"""WIRE: one POP3 session, greeting to QUIT.

A sans-IO core (`commands`, `events`, `lines`, `listing`, `xoauth2`, `protocol`) that knows neither sockets,
clocks nor threads, and a thin blocking shell (`deadlines`, `transport`, `exchange`, `retrieval`, `client`).
The rest of the program knows `client.connect` and `transport.Connections` alone.
"""
