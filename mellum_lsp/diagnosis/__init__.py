"""What this machine can do: its parts looked at one by one, its speed measured, a model's speed predicted."""
