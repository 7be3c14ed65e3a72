"""The loop that trains, the pass that evaluates, and what they need."""
