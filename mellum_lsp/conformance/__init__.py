"""Plays the editor: a client of our own, recordings played again, and checks of servers and of editors.

Nothing here knows more of the server than its protocol: whatever speaks it can be checked.
"""
