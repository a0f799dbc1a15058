"""Files at addresses of fsspec (https://, s3://, gs://): copied once into a local folder, from where they are read."""

from __future__ import annotations

import hashlib
import importlib.util
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from trainrun.data._faults import Fault
from trainrun.errors import first_line
from trainrun.ui import console
from trainrun.util import grants, paths, redaction

FOLDER = Path("outputs/.cache/files")
EXTRA = "an address needs fsspec: pip install 'trainrun[remote]'."
WEB = re.compile(r"https?://", re.IGNORECASE)
MAGIC = re.compile(r"[*?\[]")
PAGE = re.compile(rb"\s*(<!--.*?-->\s*)*<(!doctype\s+html|html|head)\b", re.IGNORECASE | re.DOTALL)
# Seconds until a web server that does not answer counts as down.
CONNECT_S, READ_S = 20, 60
# What file systems call the version of a file.
VERSION_KEYS = (
    "ETag", "etag", "md5Hash", "Content-MD5", "Digest", "CRC", "Last-Modified", "LastModified", "mtime", "last_modified", "updated", "created",
    "size",
)  # fmt: skip


def is_address(path: str) -> bool:
    """Return whether a path is an address, not that of a local file."""
    return paths.ADDRESS.match(path) is not None


def find(address: str, endings: Sequence[str], partitioned: bool = False) -> tuple[list[Path], list[Fault]]:
    """Return local copies of the files of an address, or its faults. A file whose version is known is copied once.

    Only an address that the command line names, or that the user has confirmed, is contacted: a YAML file may come from elsewhere, and
    clients of clouds send the user's credentials.

    Args:
        address: of a file, of a folder, or a pattern with ``*``.
        endings: of the files that are read from a folder.
        partitioned: whether they may be in folders ``column=value`` of it; the copies are in folders of the same names, below `FOLDER`.
    """
    shown = redaction.text(address)
    if not grants.trusted(address):
        message = (
            f"{shown} is named by a config, not by the command line, so it is not contacted. "
            f"To confirm it: trainrun --trust {grants.origin(address) or shown}"
        )
        return [], [("path", message)]
    if importlib.util.find_spec("fsspec") is None:
        return [], [("path", f"{shown}: {EXTRA}")]
    try:
        system, root, files = _listed(address, endings, partitioned)
        if not files:
            return [], [("path", f"no file matches {shown}.")]
        copies = [_copied(system, file, _folders(file, root)) for file in files]
        if pages := [copy for copy in copies if _is_page(copy)]:
            for copy in pages:
                copy.unlink()
            return [], [("path", _page_fault(shown, endings))]
        return copies, []
    except FileNotFoundError as error:
        # A web server that cannot be reached looks like this, too.
        if error.__cause__ is None or getattr(error.__cause__, "status", None) == 404:
            return [], [("path", f"there is no file {shown}.")]
        return [], [("path", _not_fetched(shown, error.__cause__))]
    except ImportError as error:  # a client of a cloud
        return [], [
            ("path", f"{shown}: {first_line(error)}. pip install 'trainrun[remote]' has the clients.")
        ]
    # Each client has errors of its own.
    except Exception as error:
        return [], [("path", _not_fetched(shown, error))]


def _not_fetched(shown: str, error: BaseException) -> str:
    return f"{shown} cannot be fetched: {redaction.text(first_line(error)).rstrip('.')}."


def _is_page(copy: Path) -> bool:
    """Return whether a file is a web page: a listing of a folder, a form to log in."""
    with copy.open("rb") as file:
        return PAGE.match(file.read(1024)) is not None


def _page_fault(shown: str, endings: Sequence[str]) -> str:
    folder = shown.partition("?")[0].rstrip("/")
    if "*" in folder or folder.endswith(tuple(endings)):
        return f"{shown} answers with a web page (HTML), not with a table. Does it ask for a login?"
    return f"{shown} is a web page (HTML), not a table. For all files of a folder: '{folder}/*{endings[0]}'."


def _listed(address: str, endings: Sequence[str], partitioned: bool) -> tuple[Any, str, list[str]]:
    """Return the file system of an address, the folder or the address before a pattern's first ``*``, and the files in it, sorted."""
    import fsspec

    web = WEB.match(address) is not None
    options = {}
    if web:
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=READ_S)
        options["client_kwargs"] = {"timeout": timeout}
    system, where = fsspec.core.url_to_fs(address, **options)
    # A web address may have a ? before its query, and only reading one tells whether it is a folder.
    if "*" in where or (not web and re.search(r"[?\[]", where)):
        return system, MAGIC.split(where)[0].rpartition("/")[0], sorted(system.glob(where))
    if not web and system.isdir(where):
        names = system.ls(where, detail=False)
        files = [name for name in names if name.endswith(tuple(endings))]
        if not files and partitioned and any("=" in name.rstrip("/").rpartition("/")[2] for name in names):
            files = [name for name in system.find(where) if _is_partition(name, where, endings)]
        return system, where, sorted(files)
    return system, where, [where]


def _is_partition(file: str, root: str, endings: Sequence[str]) -> bool:
    """Return whether a file is read that is somewhere below a root: in a folder ``column=value`` of it, and not hidden."""
    parts = file[len(root) :].strip("/").split("/")
    return (
        "=" in parts[0]
        and len(parts) > 1
        and parts[-1].endswith(tuple(endings))
        and not any(part.startswith((".", "_")) for part in parts)
    )


def _folders(file: str, root: str) -> list[str]:
    """Return the names ``column=value`` of the folders between a root and a file; a web server quotes them once more."""
    if not file.startswith(root):
        return []
    folders = file[len(root) :].partition("?")[0].strip("/").split("/")[:-1]
    if WEB.match(file):
        folders = [unquote(name).replace("/", "%2F").replace("\\", "%5C") for name in folders]
    return [name for name in folders if "=" in name]


def _copied(system: Any, file: str, folders: Sequence[str]) -> Path:
    """Return the local copy of a file, in some folders, which is made if its version is another."""
    about = system.info(file)
    version = {key: str(about[key]) for key in VERSION_KEYS if about.get(key) is not None}
    key = hashlib.sha256(repr((type(system).__name__, file, sorted(version.items()))).encode()).hexdigest()
    name = file.partition("?")[0].rstrip("/").rpartition("/")[2] or "file"
    copy = FOLDER.joinpath(key[:16], *folders, name)
    # A size alone does not tell one version from another.
    if set(version) - {"size"} and copy.is_file():
        return copy
    size = about.get("size")
    console.note(
        f"fetching {redaction.text(file)}{'' if size is None else f' ({size / 1e6:,.1f} MB)'} to {copy.parent}"
    )
    copy.parent.mkdir(parents=True, exist_ok=True)
    with paths.whole(copy) as new:
        system.get_file(file, str(new))
        if size is not None and new.stat().st_size != size:
            raise OSError(f"{new.stat().st_size:,} of {size:,} bytes came")
    return copy
