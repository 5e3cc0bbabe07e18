"""The methods of the protocol, one module for each or for a few that belong together.

A handler takes the session and the parameters and runs on the event loop: it must not block. It may change
the session's state only before it returns; the work inside a `Later` reads what the handler gave it.
"""
