"""Attacks on runs, sweeps and their records, by kind: how many were tried, and after how many everything held as docs/ promise.

python benchmarks/hostile.py [KIND …] [--json [FILE]]
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import results_file
from attacks import locks, outsiders

KINDS = {
    1: "one lock, one store, one owner",
    2: "debts of an earlier attempt",
    3: "copies",
    4: "credentials and addresses",
    5: "secrets in records",
    6: "no head-of-line blocking",
    7: "a way out of every guess",
    8: "terminals and disks",
    9: "processes",
    10: "files from elsewhere",
}
MODULES = (locks, outsiders)


def main() -> int:
    """Make every attack in a folder of its own, and count; name those that did not hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", nargs="*", type=int, choices=[[], *KINDS], help="only attacks of these kinds")
    parser.add_argument("-k", metavar="NAME", default="", help="only attacks whose name has this in it")
    results_file.add_option(parser, __file__)
    options = parser.parse_args()
    rows = []
    for kind, title in KINDS.items():
        attacks = [a for m in MODULES for a in m.ATTACKS.get(kind, ()) if options.k in a.__name__]
        if not attacks or (options.kind and kind not in options.kind):
            continue
        held = 0
        for attack in attacks:
            began = time.monotonic()
            with tempfile.TemporaryDirectory(prefix="hostile-", ignore_cleanup_errors=True) as folder:
                try:
                    attack(Path(folder))
                    held += 1
                    word = "held"
                except Exception:
                    word = "FELL\n" + traceback.format_exc()
            print(f"{kind:2}  {attack.__doc__}: {word}  ({time.monotonic() - began:.0f} s)", flush=True)
        rows.append([f"{kind}. {title}", len(attacks), held])
    tried, held = (sum(row[i] for row in rows) for i in (1, 2))
    print(f"tried {tried}, held {held}")
    goal = results_file.goal(f"attacks that held, of {tried}", held, tried, at_least=True)
    table = results_file.table(("kind", "tried", "held"), rows)
    results_file.write(options.json, "python benchmarks/hostile.py", [table], [goal])
    return int(held < tried)


if __name__ == "__main__":
    sys.exit(main())
