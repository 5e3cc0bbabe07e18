"""From sources to a quantised model: corpus → fim → sft → export → evaluate, one module per stage."""
