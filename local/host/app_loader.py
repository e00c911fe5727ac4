"""Imports the app's function_app.py in this process, the app's own modules first, and reads its functions.

Nothing of the project that this host lies in may shadow what the app imports: its folder leaves the import path, and
where the app has a top-level module of its own called `local`, the name is given up to it once the host is imported.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

from local.host.functions import FunctionDefinitionError, Registry, describe
from local.host.settings import is_disabled

PROJECT = Path(__file__).resolve().parents[2]


class AppLoadError(Exception):
    """The app cannot be loaded; the message shows the file and line."""


def prepare_import_path(app: Path) -> None:
    """Put the app's folder first on the import path, and this project's folder off it."""
    sys.path[:] = [str(app)] + [
        entry for entry in sys.path if Path(entry or Path.cwd()).resolve() not in (PROJECT, app)
    ]
    if _has_own(app, "local") and app != PROJECT:
        _give_up_name("local")


def _has_own(app: Path, name: str) -> bool:
    return (app / f"{name}.py").exists() or (app / name).is_dir()


def _give_up_name(name: str) -> None:
    """Import all of the host first: afterwards its modules can no longer be found by name."""
    import_whole_host()
    for module in [m for m in sys.modules if m == name or m.startswith(f"{name}.")]:
        del sys.modules[module]


def import_whole_host() -> None:
    package = sys.modules["local.host"]
    for module in pkgutil.iter_modules(package.__path__):
        if module.name != "__main__":
            importlib.import_module(f"local.host.{module.name}")


def load(app: Path) -> Registry:
    """The functions of the app in `app`. Raises AppLoadError."""
    path = app / "function_app.py"
    if not path.exists():
        raise AppLoadError(
            f"no function_app.py in {app}. This host runs apps of the Python v2 programming model; give the folder "
            f"that holds function_app.py with --app."
        )
    module = _import(path)
    return functions_of(module, path)


def functions_of(module: ModuleType, path: Path) -> Registry:
    from azure.functions import FunctionRegister  # noqa: PLC0415 - slow to import, and only after the path is set

    registers = [value for value in vars(module).values() if isinstance(value, FunctionRegister)]
    unique = {id(value): value for value in registers}
    if len(unique) != 1:
        raise AppLoadError(
            f"{path} must hold exactly one FunctionApp or DFApp, and holds {len(unique)}. "
            + ("Create one: app = df.DFApp()." if not unique else "Make the others blueprints.")
        )
    (app,) = unique.values()
    try:
        functions = [describe(source, str(path.parent)) for source in app.get_functions()]
    except FunctionDefinitionError as error:
        raise AppLoadError(str(error)) from error
    except Exception as error:
        raise AppLoadError(f"{path}: {error}") from error
    return Registry.of([function for function in functions if not is_disabled(function.name)])


def _import(path: Path) -> ModuleType:
    importlib.invalidate_caches()
    sys.modules.pop("function_app", None)
    try:
        return importlib.import_module("function_app")
    except SyntaxError as error:
        where = f"{error.filename}:{error.lineno}"
        raise AppLoadError(f"{where}: {type(error).__name__}: {error.msg}\n    {(error.text or '').strip()}") from error
    except (Exception, SystemExit) as error:
        raise AppLoadError(_told(path, error)) from error


def _told(path: Path, error: BaseException) -> str:
    """The innermost line of the app's own code, then the traceback from function_app.py on."""
    frames = traceback.extract_tb(error.__traceback__)
    first = next((i for i, frame in enumerate(frames) if frame.filename == str(path)), 0)
    own = [
        frame
        for frame in frames
        if frame.filename.startswith(str(path.parent)) and "site-packages" not in frame.filename
    ]
    at = own[-1] if own else frames[-1]
    story = "".join(traceback.format_list(frames[first:]))
    return f"{at.filename}:{at.lineno}: {type(error).__name__}: {error}\n{story.rstrip()}"


def is_app_module(module: Any, app: Path) -> bool:
    """Does a loaded module come from the app's folder (and not from a virtual environment inside it)?"""
    file = getattr(module, "__file__", None)
    if not file:
        return False
    path = Path(file)
    return path.is_relative_to(app) and not {"site-packages", ".venv", "venv"} & set(path.parts)
