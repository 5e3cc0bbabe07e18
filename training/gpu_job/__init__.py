"""A training job for a machine with a GPU, PyTorch and transformers, and no network.

Here ``pack`` puts weights, shards, holes and the code that it needs into parts of a size that can be carried;
there ``job`` joins and checks them, trains in the background while further parts arrive, judges the model and
writes results in parts; here ``unpack`` makes a checkpoint of them that `export` goes on from.
"""
