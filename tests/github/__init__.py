"""GitHub, by real HTTP on loopback."""
