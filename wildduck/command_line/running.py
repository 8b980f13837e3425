"""What a command must know of the server that runs on a data folder."""

from __future__ import annotations

import os
from typing import Any

import click
import msgspec

from wildduck.config import Settings
from wildduck.private.folder import DataFolder, lock_file


def running_server(settings: Settings) -> dict[str, Any]:
    """
    The content of the C{run.json} of the running server.

    @raise click.ClickException: none runs there.
    """
    folder = DataFolder(settings.data)
    path = folder.file("run.json")
    try:
        with open(path, "rb") as file:
            run = msgspec.json.decode(file.read(), type=dict)
    except FileNotFoundError:
        raise click.ClickException(f"no server runs on data folder {folder.path}") from None
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror}") from None
    except msgspec.DecodeError:
        raise click.ClickException(f"{path}: damaged") from None
    if _is_left_over(folder):
        raise click.ClickException(
            f"no server runs on data folder {folder.path} (run.json is left over from one that was killed)"
        )
    return run


def with_running_databases(settings: Settings) -> Settings:
    """
    The settings with database addresses: their own, or those of the running server.

    @raise click.ClickException: they name none, and no server runs.
    """
    if not settings.private:
        return settings
    run = running_server(settings)
    handles = {name: uri for name, uri in run["mongo"].items() if name != "uri"}
    return settings.with_databases(run["mongo"]["uri"], run["redis"]["uri"], **handles)


def _is_left_over(folder: DataFolder) -> bool:
    """Whether nobody holds the folder's lock."""
    try:
        descriptor = lock_file(folder.file("server.lock"))
    except OSError:
        return False
    if descriptor is None:
        return False
    os.close(descriptor)
    return True
