"""The action as a runner runs it."""
