"""Runs that are none, half deleted, of a newer version or somebody else's; wrong words behind the verbs."""

from __future__ import annotations

import json

from badinput_harness import Case, case

RUN = "outputs/runs/2026-02-03_04-05-06_halved"


def journal(*records: dict, format: str = "\n") -> str:
    return "".join(json.dumps({"seq": i, "time": 1.0 + i, **r}) + format for i, r in enumerate(records))


BEGAN = {
    "kind": "start",
    "run_id": "halved",
    "name": "halved",
    "config": {},
    "overrides": [],
    "params": {},
    "command": "trainrun",
    "pid": 999_999_999,
    "host": "elsewhere",
}
KILLED = {"kind": "end", "status": "KILLED", "reason": "x"}
FINISHED = {"kind": "end", "status": "FINISHED", "reason": None}


def run(id: str, line: str, *says: str, **files) -> Case:
    """Return a case about a run that has these files."""
    made = {
        f"{RUN}/{k.replace('__', '/').replace('_yaml', '.yaml').replace('_jsonl', '.jsonl').replace('_json', '.json').replace('_npz', '.npz')}": v
        for k, v in files.items()
    }
    return case(f"runs: {id}", line, *says, files=made, decoy=False)


WHOLE = journal(BEGAN, KILLED)
DONE = journal(BEGAN, FINISHED)
CASES: list[Case] = [
    case("resume: a run that is none", "resume nowhere", "nowhere"),
    case("resume: there is no run", "resume last", "no run", decoy=False),
    case("resume: a folder that is no run", "resume here", "is no run's directory", files={"here/a.txt": "a"}),
    case("resume: a file", "resume a.txt", "a.txt", files={"a.txt": "a"}),
    case("resume: a path upwards", "resume ../../etc", "etc"),
    case("resume: a NUL", ["resume", "a\0b"], "a\\x00b"),
    case("resume: a glob", ["resume", "*[!"], "*[!"),
    case("resume: letters that steer", ["resume", "\x1b[2J"], "\\x1b"),
    case("resume: a very long word", ["resume", "x" * 5000], "characters)"),
    run("an empty journal", f"resume {RUN}", RUN.rpartition("/")[2], journal_jsonl=""),
    run("a journal of bytes", f"resume {RUN}", RUN.rpartition("/")[2], journal_jsonl=bytes(range(256))),
    run("no config", f"resume {RUN}", "config.yaml", journal_jsonl=WHOLE),
    run("an empty config", f"resume {RUN}", "config.yaml", journal_jsonl=WHOLE, config_yaml=""),
    run("a broken config", f"resume {RUN}", "config.yaml", journal_jsonl=WHOLE, config_yaml="a: [\n"),
    run("a config of bytes", f"resume {RUN}", "config.yaml", journal_jsonl=WHOLE, config_yaml=bytes(range(256))),
    run("a config that is a list", f"resume {RUN}", "config.yaml", journal_jsonl=WHOLE, config_yaml="- a\n"),
    run("a config with a Python object", f"resume {RUN}", "config.yaml", journal_jsonl=WHOLE, config_yaml="seed: !!python/object/apply:os.system ['touch stray']\n"),
    run("a config of a newer version", f"resume {RUN}", "quantum", journal_jsonl=WHOLE, config_yaml="seed: 42\nquantum: {name: entangled}\n"),
    run("a config that explodes", f"resume {RUN}", "aliases", journal_jsonl=WHOLE, config_yaml="a0: &a0 [ha, ha]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 60))),
    case("reproduce: nothing", "reproduce", "reproduce --help"),
    case("reproduce: a run that is none", "reproduce nowhere", "nowhere"),
    case("reproduce: digits that are none", "reproduce x --digits many", "--digits"),
    case("reproduce: too many digits", "reproduce x --digits 99", "--digits", "expected 1 to 17"),
    run("reproduce: one that was killed", f"reproduce {RUN}", "no result to compare with", journal_jsonl=WHOLE),
    run("reproduce: without its summary", f"reproduce {RUN}", "summary.json", journal_jsonl=DONE, config_yaml="seed: 1\n"),
    run("reproduce: a summary that is no JSON", f"reproduce {RUN}", "summary.json", journal_jsonl=DONE, summary_json="{"),
    run("reproduce: a summary that is a list", f"reproduce {RUN}", "summary", journal_jsonl=DONE, summary_json="[]"),
    case("verify-resume: no kills", "verify-resume --kills 0", "--kills", "at least 1"),
    case("verify-resume: kills that are none", "verify-resume --kills many", "--kills"),
    case("verify-resume: a bad config", "verify-resume loss=focl", "Did you mean focal?"),
    case("verify-resume: a sweep", "verify-resume -m seed=1,2", "leave -m out"),
    case("verify-resume: a flag that is none", "verify-resume --nonsense", "--nonsense"),
    case("sync: a run that is none", "sync nowhere", "nowhere"),
    case("sync: all and one", "sync --all x", "--all includes every run; do not name single runs with it"),
    case("sync: a flag that is none", "sync --nonsense", "--nonsense"),
    case("sync: a time that is none", "sync --timeout soon", "--timeout"),
    case("runs: a flag that is none", "runs --nonsense", "--nonsense"),
    case("runs: a number that is none", "runs -n many", "--limit"),
    case("doctor: a word too many", "doctor nonsense", "nonsense"),
]  # fmt: skip
