"""Hide secrets in everything that is written or printed; the one list of names that mark a secret.

`tree` is for values whose keys are known, `word` for one `key=value` of a command line, `text` for prose, logs and diffs. All of
them may be applied twice.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

HIDDEN = "***"
# A number under the name `token` is a secret if it has more digits.
ID_DIGITS = 5

# What a secret is called, as the last part of a name: `db_password`, `dbPassword`, `DB-PASSWORD`.
_WORDS = (
    r"passwords?|passwd|passphrases?|passcode|pass|pwd|pw|secrets?|secret[_-]?(?:id|value)|tokens?|credentials?|creds?|"
    r"(?:api|access|secret|private|auth|account|encryption|signing|master|ssh|shared[_-]?access|client|service)[_-]?keys?|"
    r"client[_-]?secrets?|auth|authorization|bearer|jwt|pat|cookies?|dsn|webhooks?(?:[_-]?ur[li])?|"
    r"connection[_-]?string|conn[_-]?str|sas|otp|signature"
)
# The same without a separator before them, as environments have it: SECRETKEY, PGPASSWORD, SSHPASS, AUTHTOKEN, SLACKWEBHOOK.
_ENDED = r"(?:password|passwd|passphrase|secret|token|apikey|secretkey|accesskey|privatekey|credentials?|sshpass|webhook)"
_NAME = rf"(?:[\w.@/-]*[_.@/-])?(?:{_WORDS})|\w*{_ENDED}"
_SECRET_NAME = re.compile(rf"^(?:{_NAME})$", re.IGNORECASE)
# Tokens of a vocabulary, and words that end like a secret's.
_HARMLESS_NAME = re.compile(
    r"(?:^|.*[_.-])(?:(?:pad|mask|oov|unk|unknown|bos|eos|sos|sep|cls|start|end|stop|special|num|max|min|per|n)_?tokens?"
    r"|(?:forward|backward|first|second|single|low|high|band|all)_?pass|(?:model|input|output)_?signature)$",
    re.IGNORECASE,
)
# Such a name and what may follow it: a text without any need not be searched closely.
_HINT = re.compile(
    rf"(?:{_WORDS}|{_ENDED})(?:-*[\"']?(?:\]?\s*[:=]|\s*,?\s*[+-]?\s*[\"']?value)|\s)|-----BEGIN",
    re.IGNORECASE,
)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

# The value behind `name=` in a text: quoted, in brackets, or up to a blank; a separator of a list, of a query or of a
# connection string ends it only where something follows that looks like the next entry.
_QUOTED = r"\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'"
_BRACKETS = r"\[[^\[\]\n]*(?:\[[^\[\]\n]*\][^\[\]\n]*)*\]|\{[^{}\n]*(?:\{[^{}\n]*\}[^{}\n]*)*\}"
_BARE = r"(?:(?![&;,]\s*[\w.-]+\s*[=:]|[)\]};,:\"']+(?:[\s,;)\]}]|$))\S)+"
_VALUE = rf"(?:{_QUOTED}|{_BRACKETS}|{_BARE})"
# What no secret is: what data.tokens takes, among others.
_KEPT = re.compile(
    r"^(?:\*\*\*|null|none|true|false|str|int|bytes|whitespace|character|\?\?\?|\"\"|''|\[\]|\{\})$|^\$\{[^}]*\}$",
    re.IGNORECASE,
)
_ASSIGNED = rf"(?i)(?<![\w.@/-])(?P<name>[+~]{{0,2}}(?:{_NAME}))(?P<sep>[\"']?\]?(?::\s*[\w.]+)?\s*(?::=|=>|=(?!=))\s*)[rbfu]?(?P<value>{_VALUE})"
# YAML's, JSON's and a header's colon: of a quoted name, before a quoted value, or at the beginning of a line.
_COLON = (
    rf"(?im)(?:(?P<quote>[\"'])(?P<name>{_NAME})(?P=quote)\s*:\s*(?P<value>{_VALUE}|-?\d[\w.]*)"
    rf"|(?<![\w.@/-])(?P<name2>{_NAME})\s*:\s*(?P<value2>{_QUOTED})"
    rf"|[{{,]\s*(?P<name4>{_NAME})[ \t]*:[ \t]+(?P<value4>{_VALUE})"
    r"|^(?P<name3>[ +-]?[ \t]*(?:-[ \t]+)?[\w-]+)[ \t]*:[ \t]+(?P<value3>\S.*)$)"
)
_FLAG = rf"(?i)(?<!\S)(?P<flag>--?(?:{_WORDS}|[\w-]*-(?:{_WORDS})))(?P<sep>\s+)(?!-)(?P<value>{_VALUE})"
# A list, a block, or the next lines below a secret's name in YAML; a Kubernetes `name:` with its `value:`.
_BLOCK = rf"(?i)^(?P<mark>[ +-]?)(?P<indent>\s*)(?:-\s+)?[\"']?(?P<name>{_NAME})[\"']?\s*[:=]\s*(?:[|>][-+\d]*|\[|\{{|\(|\"\"\"|''')?\s*$"
_NAME_VALUE = rf"(?i)(?P<start>\bname[\"']?\s*[:=]\s*[\"']?(?P<name>{_NAME})[\"']?\s*,?\s*[+-]?\s*[\"']?value[\"']?\s*[:=]\s*)(?P<value>[^\s}}].*)"
# `scheme://user:password@`: a web address ends its authority at / ? and #; SQLAlchemy takes them, and @, in a password.
_USERINFO = re.compile(
    r"(?<=://)(?:[^\s/?#]*(?=@)|[^\s/?#:@]*:(?!\d+(?:[/?#]|$))(?:(?!://)\S)*(?=@)|(?<!http://)(?<!https://)[^\s/:@?#]*:(?:(?!://)\S)*(?=@))@",
    re.IGNORECASE,
)
_ONE_ADDRESS = re.compile(r"^([a-z][\w+.-]*://)[^/:@]*:(?!\d+(?:[/?#]|$)).*@", re.IGNORECASE)
_QUERY = re.compile(r"([?&](?:sig|key|code|x-amz-[\w-]+)=)[^&\s\"']+", re.IGNORECASE)
_SHAPES = re.compile(
    r"(?P<scheme>\bbearer\s+)(?!tokens?\b)[\w.~+/-]{6,}=*|(?P<basic>(?-i:\bBasic )\s*)(?-i:(?=\w*[A-Z])(?=\w*[a-z])(?=[\w+/]*[\d=])[\w+/]{8,}=*)"
    r"|\b(?:gh[pousr]_\w{16,}|github_pat_\w{20,}|glpat-[\w-]{16,}|hf_[A-Za-z0-9]{20,}|sk-[\w-]{20,}|xox[abposr]-[\w-]{10,}"
    r"|(?:AKIA|ASIA)[A-Z0-9]{16}|dapi[0-9a-f]{32}|AIza[\w-]{35}|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*)"
    r"|(?P<hook>https://(?:hooks\.slack\.com|(?:\w+\.)?discord(?:app)?\.com/api/webhooks|[\w.]+\.webhook\.office\.com)/)[^\s\"']+"
    r"|(?P<netrc>\blogin\s+\S+\s+password\s+)\S+",
    re.IGNORECASE,
)
_PEM = re.compile(r"(-----BEGIN [A-Z ]*PRIVATE KEY-----).*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)
# Compiled when a text first needs them: they take 10 ms, a tenth of `--help`.
_compiled = functools.cache(re.compile)


@functools.lru_cache(maxsize=4096)
def is_secret(name: str) -> bool:
    """Return whether a key, an argument or a variable of this name holds a secret.

    Example:
        >>> is_secret("db.apiKey"), is_secret("SSHPASS"), is_secret("num_tokens"), is_secret("mask_token")
        (True, True, False, False)
    """
    name = name.lstrip("+~")
    parted = _CAMEL.sub("_", name)
    harmless = name in ("PWD", "OLDPWD") or _HARMLESS_NAME.match(parted)
    return not harmless and any(_SECRET_NAME.match(n) for n in (name, parted))


def text(value: str) -> str:
    """Return a text without the passwords of addresses, values under a secret's name, bearer headers, and known forms of keys.

    Secrets of the environment, variables of at least eight characters under a secret's name, are hidden wherever they stand.

    Example:
        >>> text("https://me:pw@host/path?token=abc")
        'https://***@host/path?token=***'
    """
    if not value:
        return value
    value = _ONE_ADDRESS.sub(rf"\g<1>{HIDDEN}@", value) if "\n" not in value else value
    if "@" in value:
        value = _USERINFO.sub(f"{HIDDEN}@", value)
    if "=" in value:
        value = _QUERY.sub(rf"\g<1>{HIDDEN}", value)
    if _HINT.search(value):
        for pattern, hidden in (
            (_ASSIGNED, _assigned), (_COLON, _colon), (_NAME_VALUE, _name_value), (_FLAG, _flag)
        ):  # fmt: skip
            value = _compiled(pattern).sub(hidden, value)
        value = _PEM.sub(rf"\g<1> {HIDDEN} \g<2>", value)
        value = _blocks(value) if "\n" in value else value
    value = _SHAPES.sub(_shape, value)
    for secret in _of_environment():
        value = value.replace(secret, HIDDEN)
    return value


def word(value: str) -> str:
    """Return one `key=value` as a command line or a list of overrides has it: of a secret's name, the whole value is hidden.

    Example:
        >>> word("+my.password=a b,c")
        '+my.password=***'
    """
    name, equals, rest = value.partition("=")
    if equals and rest and is_secret(name) and not _KEPT.match(rest):
        return f"{name}={HIDDEN}"
    if (
        equals
        and "://" in rest
        and (hidden := _ONE_ADDRESS.sub(rf"\g<1>{HIDDEN}@", rest.strip("'\""))) != rest.strip("'\"")
    ):
        return f"{name}={text(hidden)}"
    return text(value)


def words(values: Sequence[str]) -> list[str]:
    """Return each of the words of a command line as `word` does; the value after a flag such as `--token` is hidden, too."""
    hidden = [word(value) for value in values]
    for i, value in enumerate(values[:-1]):
        if value.startswith("-") and "=" not in value and is_secret(value.lstrip("-")):
            hidden[i + 1] = HIDDEN
    return hidden


def tree(value: Any) -> Any:
    """Return nested dicts and lists with every text redacted, and what stands under a secret's name hidden.

    A number, a list and a dict are hidden like a text; null, true, false and what is empty are no secrets.
    """
    if isinstance(value, Mapping):
        return {k: under(str(k), v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [word(v) if isinstance(v, str) else tree(v) for v in value]
    return text(value) if isinstance(value, str) else value


def under(key: str, value: Any) -> Any:
    """Return a value as `tree` returns it where it stands under a key.

    Args:
        key: its last name, without those of the nodes around it.
        value: of any kind.
    """
    empty = value is None or isinstance(value, bool) or (not isinstance(value, int | float) and not value)
    if empty or not is_secret(key):
        return tree(value)
    if isinstance(value, int | float) and _counts_tokens(key, str(value)):
        return value
    return value if isinstance(value, str) and _KEPT.match(value) else HIDDEN


def _counts_tokens(name: str, value: str) -> bool:
    """Return whether a value is a number of tokens, or the id of one in a vocabulary, as `augment.token_dropout.token`."""
    name, is_number = name.lower(), value.lstrip("-").replace(".", "", 1).isdigit()
    return is_number and (name.endswith("tokens") or (name.endswith("token") and len(value) <= ID_DIGITS))


def _hidden(value: str) -> str:
    """Return the replacement of a value, in the quotes that it had."""
    if _KEPT.match(value):
        return value
    return f"{value[0]}{HIDDEN}{value[0]}" if value[0] in "\"'" and value[-1] == value[0] else HIDDEN


def _assigned(match: re.Match[str]) -> str:
    if not is_secret(match["name"]) or match["name"].lower().endswith("tokens"):
        return match[0]
    return f"{match['name']}{match['sep']}{_hidden(match['value'])}"


def _colon(match: re.Match[str]) -> str:
    name = match["name"] or match["name2"] or match["name4"] or match["name3"].strip(" +-\t")
    value = match["value"] or match["value2"] or match["value4"] or match["value3"]
    bare = re.sub(r"\s+#.*", "", value).strip().rstrip(",")
    if not is_secret(name) or _KEPT.match(bare.strip("\"'")) or bare in ("|", ">", "|-", ">-", "[", "{", "("):
        return match[0]
    if _counts_tokens(name, bare):
        return match[0]
    return match[0][: len(match[0]) - len(value)] + _hidden(value)


def _flag(match: re.Match[str]) -> str:
    return (
        f"{match['flag']}{match['sep']}{_hidden(match['value'])}"
        if is_secret(match["flag"].lstrip("-"))
        else match[0]
    )


def _name_value(match: re.Match[str]) -> str:
    return f"{match['start']}{_hidden(match['value'])}" if is_secret(match["name"]) else match[0]


def _shape(match: re.Match[str]) -> str:
    kept = match["scheme"] or match["basic"] or match["hook"] or match["netrc"] or ""
    return f"{kept}{HIDDEN}"


def _blocks(value: str) -> str:
    """Hide the lines below a secret's name that are indented further: YAML's lists and blocks, brackets over lines."""
    lines, deeper = value.split("\n"), None
    for i, line in enumerate(lines):
        if deeper is not None:
            mark, body = (line[:1], line[1:]) if deeper[0] else ("", line)
            depth = len(body) - len(body.lstrip())
            same_list = depth == deeper[1] and body.lstrip().startswith("- ")
            if (
                body.strip()
                and (depth > deeper[1] or same_list)
                and not body.strip().strip("\"'),]}").endswith(HIDDEN)
            ):
                lines[i] = f"{mark}{body[:depth]}{HIDDEN}"
            if not body.strip() or depth > deeper[1] or same_list:
                continue
            deeper = None
        if (match := _compiled(_BLOCK).match(line)) is not None and is_secret(match["name"]):
            deeper = (match["mark"].strip(), len(match["indent"]) + (match["mark"] == " "))
    return "\n".join(lines)


def _of_environment() -> list[str]:
    # No paths (PWD, a credentials file's place), and nothing so plain that it is a word of the messages themselves.
    values = {
        os.environ.get(k, "") for k in os.environ if is_secret(k)
    }  # reading all values takes as long again
    return sorted(
        (v for v in values if len(v) >= 8 and v[0] not in "/~." and not v.isalpha()), key=len, reverse=True
    )
