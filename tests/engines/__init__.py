"""The engines, as argv."""
