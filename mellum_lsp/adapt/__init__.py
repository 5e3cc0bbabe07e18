"""Tunes a LoRA of the served model on the code of one workspace, and serves it where it proves better.

`training` does the work in processes of their own, at the lowest priority and only while the machine is idle;
this room decides what is tuned (`plan`), when (`idleness`, `worker`), whether it is better (`judging`) and
what follows from that (`job`). Nothing leaves the machine.
"""
