"""What became of suggestions: recorded on this machine only, and never with a word of anybody's source."""
