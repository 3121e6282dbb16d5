"""A machine, an engine and an image that are as a test says: stand-ins below the true pipeline, payload and verdict."""
