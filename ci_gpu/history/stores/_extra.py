"""What a database needs, and most users do not."""

from __future__ import annotations

from importlib.util import find_spec

from ci_gpu.errors import ConfigError


def needed(url: str) -> None:
    """Raises `ConfigError` unless the extra is installed."""
    modules = ("sqlalchemy", "psycopg") if url.startswith("postgresql") else ("sqlalchemy",)
    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"a history in a database needs {' and '.join(missing)}",
            why="they are an extra of ci-gpu, which most users do without",
            remedy="pip install 'ci-gpu[history]', or use --store git:OWNER/REPOSITORY",
            kind="extra-missing",
        )
