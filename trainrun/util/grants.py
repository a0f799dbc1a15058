"""What only the user may allow, and no YAML, run or sweep from elsewhere: who gets credentials, what configs read of the environment.

The command line allows it for this process and its children, by two variables of the environment that are ours; `--trust URI` is
remembered for the user, in a file. docs/security.md has the rules.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from trainrun.errors import Problem, UserError
from trainrun.util import paths, redaction

ADDRESSES, NAMES = "TRAINRUN_TRUSTED", "TRAINRUN_READABLE"  # separated by blanks
# Where alerts go, by the key of the config that asks for them: no file names it.
ALERTS = {"webhook": "TRAINRUN_ALERT_WEBHOOK", "command": "TRAINRUN_ALERT_COMMAND"}
RAY, RAY_ADDRESS = "ray", "RAY_ADDRESS"  # scheme of a Ray cluster's address, and the variable that names one
# Variables that a config may read, besides those that begin with TRAINRUN_: what a run on another machine differs in.
READABLE = frozenset(
    {
        "HOME", "USER", "LOGNAME", "HOSTNAME", "PWD", "TMPDIR", "TEMP", "TMP", "SCRATCH", "DATA", "DATA_DIR", "DATA_PATH", "DATA_ROOT",
        "DATASETS", "DATASET_DIR", "OUTPUT_DIR", "RANK", "LOCAL_RANK", "WORLD_SIZE", "CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS",
        "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "PYTHONHASHSEED", "PBS_JOBID", "LSB_JOBID", "SLURM_ARRAY_JOB_ID",
        "SLURM_ARRAY_TASK_ID", "SLURM_CPUS_PER_TASK", "SLURM_JOB_ID", "SLURM_JOB_NAME", "SLURM_LOCALID", "SLURM_NNODES", "SLURM_NODEID",
        "SLURM_NTASKS", "SLURM_PROCID", "SLURM_SUBMIT_DIR", "SLURM_TMPDIR",
    }
)  # fmt: skip
# Variables that credentials are read from, besides those whose name is a secret's: of a tracker (<TRACKER>_TRACKING_…), a database
# server, a cloud.
_SERVER = re.compile(r"\w+_TRACKING_(?!URI$|INSECURE_TLS$)|PG|MYSQL_")
_CLOUDS = ("AWS_", "AZURE_", "GOOGLE_", "DATABRICKS_")
_FILE = re.compile(r"sqlite(\+\w+)?|file", re.IGNORECASE)
# Looked for at the beginning of a word only: in a word of 100,000 letters each letter would begin a scheme.
_ADDRESS = re.compile(r"(?<![\w+.-])[A-Za-z][\w+.-]*://[^\s'\"]+")
_HOST = re.compile(r"[\w.-]+(:\d+)?|\[[\da-fA-F:.]+\](:\d+)?")
_HOST_AND_PORT = re.compile(r"=['\"]?((?:[\w.-]+|\[[\da-fA-F:.]+\]):\d+)['\"]?$")  # as Ray's addresses are
_ALERT = re.compile(
    r"(\+{0,2}alert\.(webhook|command))=(?!(?:true|false|null)?$)(.+)", re.DOTALL | re.IGNORECASE
)
_INTERPOLATION = re.compile(r"\$\{\s*oc\.env\s*:\s*['\"]?(\w+)")


@contextmanager
def of_command_line(argv: Sequence[str]) -> Iterator[tuple[list[str], list[str]]]:
    """Inside the `with`, allow what a command line allows: the addresses and variables in it, `--env NAME` and `--trust URI`.

    Args:
        argv: the words after `trainrun`.

    Yields:
        The words without these flags and without addresses or commands of alerts, and the addresses that were confirmed by `--trust`, which are remembered.

    Raises:
        UserError: a flag lacks its value, or it is no address or name.
    """
    rest, confirmed, names, words = [], [], [], iter(argv)
    alerts: dict[str, str] = {}
    for word in words:
        if match := _ALERT.fullmatch(word):  # the config only says that there is one
            alerts[ALERTS[match[2]]] = match[3].strip("'\"")
            rest.append(f"{match[1]}=true")
            continue
        flag, equals, value = word.partition("=")
        if flag not in ("--trust", "--env"):
            rest.append(word)
            continue
        value = value if equals else next(words, "")
        if flag == "--env":
            names += [name for name in value.split(",") if name]
            if not re.fullmatch(r"\w+(,\w+)*", value):
                raise UserError(
                    Problem(
                        "--env", f"expected names of variables, as in --env DATA_DIR,SITE, got {value!r}."
                    )
                )
        elif (place := origin(value)) is None:
            raise UserError(
                Problem(
                    "--trust",
                    f"expected an address, as in --trust https://mlflow.example.org, got {value!r}.",
                )
            )
        else:
            confirmed.append(place)
    addresses = [address for word in rest for address in _ADDRESS.findall(word)]
    addresses += [of_ray(match[1]) for word in rest if (match := _HOST_AND_PORT.search(word))]
    typed = [place for address in addresses if (place := origin(address))]
    names += [name for word in rest for name in _INTERPOLATION.findall(word)]
    for place in confirmed:
        _remember(place)
    before = {variable: os.environ.get(variable) for variable in (ADDRESSES, NAMES, *alerts)}
    os.environ.update(alerts)
    for variable, values in ((ADDRESSES, [*confirmed, *typed]), (NAMES, names)):
        if values:
            os.environ[variable] = " ".join([*(before[variable] or "").split(), *values])
    try:
        yield rest, confirmed
    finally:
        for variable, value in before.items():
            if value is not None:
                os.environ[variable] = value
            else:
                os.environ.pop(variable, None)


def readable(name: str) -> bool:
    """Return whether a config may read a variable of the environment; one that sounds like a secret never."""
    allowed = (
        name in READABLE
        or (name.startswith("TRAINRUN_") and name not in ALERTS.values())
        or name in os.environ.get(NAMES, "").split()
    )
    return allowed and not redaction.is_secret(name)


def origin(uri: str) -> str | None:
    """Return the identity of an address: scheme, host and port of a web address, all but user and password of another.

    None: it is no address, or programs may read it in different ways.

    Example:
        >>> origin("https://me:pw@Host:5000/x"), origin("postgresql://u:p/w@db/x?host=y")
        ('https://host:5000', 'postgresql://db/x?host=y')
    """
    scheme, separator, rest = uri.partition("://")
    if (
        not separator
        or not rest
        or not re.fullmatch(r"[A-Za-z][\w+.-]*", scheme)
        or re.search(r"[\s\\\x00-\x1f]", uri)
    ):
        return None
    if scheme.lower() not in ("http", "https", RAY):
        # As SQLAlchemy reads it, and with its query, which may name another host.
        return f"{scheme.lower()}://" + re.sub(r"^[^:/]*(:[^@]*)?@", "", rest)
    try:
        place = urlsplit(uri).netloc.rpartition("@")[2].lower()
    except ValueError:
        return None
    return f"{scheme.lower()}://{place}" if _HOST.fullmatch(place) else None


def of_ray(address: str) -> str:
    """Return the address of a Ray cluster with its scheme: Ray itself takes ``host:6379`` and ``ray://host:10001``."""
    return address if "://" in address else f"{RAY}://{address}"


def is_local(uri: str) -> bool:
    """Return whether an address is a file or a folder."""
    return "://" not in uri or bool(_FILE.fullmatch(uri.partition("://")[0]))


def trusted(uri: str) -> bool:
    """Return whether credentials may go to an address: the command line or the environment names it, or it was confirmed."""
    # databricks: the user's own profile names the host
    if is_local(uri) or uri.lower().startswith("databricks://"):
        return True
    place, named = origin(uri), os.environ.get(ADDRESSES, "").split()
    variables = [origin(v) for k, v in os.environ.items() if k.endswith("_TRACKING_URI")]
    variables.append(origin(of_ray(os.environ.get(RAY_ADDRESS, ""))))
    return place is not None and place in (*named, *variables, *_remembered())


def without_credentials() -> dict[str, str]:
    """Return this process' environment without the user's credentials.

    Neither with the place of those that libraries read from files of the home folder at each request (a tracker's own,
    `~/.netrc`).
    """
    kept = {name: value for name, value in os.environ.items() if not _is_credential(name)}
    return kept | {"HOME": os.devnull, "NETRC": os.devnull}


@contextmanager
def credentials(uri: str) -> Iterator[Callable[[], None]]:
    """Inside the `with`, withhold the user's credentials from an address that is not `trusted`; for one thread at a time.

    Yields:
        A function that has them withheld to the end of the process: for a request that hangs, and may go on later.
    """
    before, ends = None if trusted(uri) else dict(os.environ), []
    if before is not None:
        _replace_environment(without_credentials())
    try:
        yield lambda: ends.append(True)
    finally:
        if before is not None and not ends:
            _replace_environment(before)


def _replace_environment(variables: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(variables)


def withheld(uri: str, files: Sequence[str] = ()) -> str | None:
    """Return a warning if credentials are not sent to an address, or None if nothing is withheld.

    Args:
        uri: the address.
        files: further files that credentials for it are read from.
    """
    if trusted(uri):
        return None
    names = [name for name in sorted(os.environ) if _SERVER.match(name)]
    names += [name for name in files if os.path.exists(paths.expanded(name))]
    if not names:
        return None
    return (
        f"credentials ({', '.join(names)}) are not sent to {redaction.text(uri)}, which neither the command line nor "
        f"the environment names. To confirm it for good: trainrun --trust {origin(uri)}"
    )


def file() -> Path:
    """Return the user's file of confirmed addresses, one a line."""
    folder = os.environ.get("XDG_CONFIG_HOME") or paths.expanded("~/.config")
    return Path(folder) / "trainrun" / "trusted"


def _is_credential(name: str) -> bool:
    return bool(_SERVER.match(name)) or name.startswith(_CLOUDS) or redaction.is_secret(name)


def _remembered() -> list[str]:
    try:
        return file().read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError):
        return []


def _remember(place: str) -> None:
    path = file()
    if place in _remembered():
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with open(path, "a", encoding="utf-8") as opened:
            opened.write(f"{place}\n")
    except OSError as error:
        raise UserError(Problem("--trust", f"{path} cannot be written: {error.strerror}.")) from None
