#!/usr/bin/env python3
"""Starts stock QEMU with a stock Linux guest on Sluice machines: what `./run guest` runs. Prints a table of what had to hold and
what was seen; the exit status is 1 if something did not hold, and 77 if there is no guest to start."""

import argparse
import concurrent.futures
import dataclasses
import fcntl
import functools
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

import boot as boots
import checks
import initramfs
import model_runs as runs

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
AT_A_TIME = 2
NO_GUEST = 77


def default_cache():
    return pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "sluice"


def fill(cache):
    """QEMU, UEFI, kernel and busybox, once; one at a time."""
    if (cache / "complete").exists():
        return
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = subprocess.run([HERE / "fetch.sh", cache], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) \
            if not sys.stderr.isatty() else subprocess.run([HERE / "fetch.sh", cache], stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        why = (done.stderr or "").strip().splitlines()
        print(why[-1] if why else "guest: see above", file=sys.stderr)
        sys.exit(NO_GUEST)


def prepare(run, options):
    """The folder of a run with all that its command line names, as a Boot."""
    folder = options.work / run.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    initramfs.initramfs(options.cache, HERE / "init", folder / "initrd", run.modules, run.programs(folder))
    if run.description:
        (folder / "machine.json").write_text(json.dumps(run.description, indent=2) + "\n", encoding="utf-8")
    boot = boots.Boot(run.name, str(folder), [], run.seconds, run.on_pause)
    if run.qtest:
        boot.socket = os.path.join(tempfile.mkdtemp(prefix="sluice-"), "qtest")  # such a path may not be long
    words = run.command(options.sluice, options.cache, folder, boot.socket)
    if run.disk:
        initramfs.root_disk(options.cache, HERE / "init", folder / "disk")
    append = f"console=ttyAMA0 quiet rdinit=/init sluice.steps={','.join(run.steps)} sluice.bytes={run.bytes} sluice.patience={run.patience}"
    words += ["-kernel", options.cache / "kernel", "-initrd", folder / "initrd", "-append", append + run.append]
    places = {"DISK": folder / "disk", "QTEST": boot.socket}
    boot.command = [functools.reduce(lambda word, p: word.replace(p[0], str(p[1])), places.items(), str(word)) for word in words]
    return boot


def judge(run, boot):
    seen = checks.Seen(run, boot)
    results = []
    for name, check in run.checks:
        try:
            holds, words = check(seen)
        except (KeyError, IndexError, ValueError, OSError) as error:
            holds, words = False, f"{type(error).__name__}: {error}"
        results.append({"name": name, "ok": bool(holds), "seen": words})
    if run.caught_by:
        failed = {r["name"]: r["seen"] for r in results if not r["ok"]}
        named = [name for name in run.caught_by if name in failed]
        words = f"by {', '.join(failed) or 'nothing'}" + "".join(f"; {name}: {failed[name]}" for name in named[:1])
        results = [{"name": "caught", "ok": len(named) == len(run.caught_by), "seen": words}]
    return {"run": run.name, "about": run.about, "seconds": round(boot.seconds, 1), "log": boot.folder, "checks": results}


class Progress:
    """One line that says what each guest is at, for somebody who watches."""

    def __init__(self, active, total):
        self._boots, self._done, self._total = active, 0, total
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._paint, daemon=True) if sys.stderr.isatty() else None

    def __enter__(self):
        if self._thread:
            self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        if self._thread:
            self._thread.join()
            sys.stderr.write("\r\033[K")

    def one_done(self):
        self._done += 1

    def _paint(self):
        while not self._over.wait(0.2):
            text = ", ".join(f"{b.name}: {b.now}" for b in list(self._boots))
            width = shutil.get_terminal_size().columns - 1
            sys.stderr.write("\r\033[K" + f"{self._done} of {self._total} runs done; {text}"[:width])
            sys.stderr.flush()


def start(chosen, options):
    """All runs, two at a time; results in the order in which they were asked for."""
    active, results = [], {}

    def stop(*_):
        for boot in list(active):
            boot.stop()
        os._exit(130)

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)

    def one(run):
        boot = prepare(run, options)
        active.append(boot)
        try:
            boot.run()
        finally:
            boot.stop()
            active.remove(boot)
            if boot.socket:
                shutil.rmtree(os.path.dirname(boot.socket), ignore_errors=True)
        return judge(run, boot)

    with Progress(active, len(chosen)) as progress, concurrent.futures.ThreadPoolExecutor(AT_A_TIME) as pool:
        waiting = {pool.submit(one, run): run for run in chosen}
        for done in concurrent.futures.as_completed(waiting):
            run = waiting[done]
            progress.one_done()
            try:
                results[run.name] = done.result()
            except (OSError, subprocess.SubprocessError) as error:
                results[run.name] = {"run": run.name, "about": run.about, "seconds": 0, "log": "",
                                     "checks": [{"name": "start", "ok": False, "seen": str(error)}]}
    return [results[run.name] for run in chosen]


def table(results, planted):
    width = 118
    for result in results:
        print(f"{result['run']}: {result['about']}  ({result['seconds']} s)")
        for check in result["checks"]:
            words = check["seen"] if len(check["seen"]) <= width or not check["ok"] else check["seen"][:width - 3] + "..."
            print(f"  {'ok    ' if check['ok'] else 'FAILED'}  {check['name']:14}  {words}")
        if not all(check["ok"] for check in result["checks"]):
            print(f"          logs are in {os.path.relpath(result['log'])}")
    failed = [f"{r['run']}: {c['name']}" for r in results for c in r["checks"] if not c["ok"]]
    if planted:
        print(f"the planted fault '{planted}' was " + (f"caught by: {', '.join(failed)}" if failed else "not caught"))
    elif failed:
        print(f"{len(failed)} of {sum(len(r['checks']) for r in results)} checks failed: {', '.join(failed)}")
    else:
        print("all checks hold")


def arguments():
    parser = argparse.ArgumentParser(prog="run guest", description=__doc__,
                                     epilog="runs: " + "; ".join(f"{run.name}: {run.about}" for run in runs.EVERY))
    parser.add_argument("runs", nargs="+", metavar="RUN", choices=["all", *runs.BY_NAME], help="which: all, or some by name")
    parser.add_argument("--json", action="store_true", help="results as data")
    parser.add_argument("--break", dest="fault", choices=["tlbi", "s1", "s2", "walk", "stale", "cd"],
                        help="plant a fault, which has to be found")
    parser.add_argument("--without", choices=["cache_invalidate"], help="take an operation away from the driver")
    parser.add_argument("--cache", type=pathlib.Path, default=default_cache(), help=argparse.SUPPRESS)
    parser.add_argument("--sluice", type=pathlib.Path, default=ROOT / "build/release/sluice", help=argparse.SUPPRESS)
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / "build/guest", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if (options.fault or options.without) and any(runs.is_spoiled(name) for name in options.runs):
        parser.error("--break and --without go with a run that has no planted fault of its own")
    for run in (runs.BY_NAME[name] for name in options.runs if name != "all"):
        if (options.fault and options.fault not in run.faults) or (options.without and not run.can_do_without):
            parser.error(f"run {run.name} goes with --break {'|'.join(run.faults)}" + (" and --without" if run.can_do_without else ""))
    return options


def main():
    options = arguments()
    chosen = runs.EVERY if "all" in options.runs else [runs.BY_NAME[name] for name in dict.fromkeys(options.runs)]
    planted = tuple(("--break", options.fault) if options.fault else ()) + (("--without", options.without) if options.without else ())
    if planted:
        chosen = [dataclasses.replace(run, exec_options=(*run.exec_options, *planted), patience=5) for run in chosen]
    options.work, options.cache = options.work.absolute(), options.cache.absolute()
    fill(options.cache)
    results = start(chosen, options)
    good = all(check["ok"] for result in results for check in result["checks"])
    if options.json:
        print(json.dumps({"ok": good, "runs": results}, indent=2))
    else:
        table(results, options.fault or options.without)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
