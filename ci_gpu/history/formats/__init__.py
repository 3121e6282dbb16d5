"""What other tools write and read. A format is a module of this folder.

It has ``read(data: bytes, source: str, salt: str) -> Iterator[Record]`` and `fits`, or
``write(series) -> str``, or both.
"""
