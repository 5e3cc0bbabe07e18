"""Which context and how much of the caret's own file a prompt holds, and the prompt that comes of it.

A plan is frozen while the caret stays near its anchor: rendering it again after a typed character changes the
prompt only at its end.
"""
