"""One start of QEMU, from its command line to its end; what the guest says on its console is taken apart here."""

import base64
import gzip
import json
import os
import signal
import socket
import subprocess
import threading
import time

GRACE = 5  # seconds between asking QEMU to end and ending it


class Line:
    """A line "SLUICE STEP key=value ..." of the guest."""

    def __init__(self, text):
        self.step, *words = text.split(" ")
        self.values = dict(word.split("=", 1) for word in words if "=" in word)

    def __getitem__(self, key):
        return self.values.get(key, "")

    def data(self):
        try:
            return gzip.decompress(base64.b64decode(self["data"]))
        except (OSError, ValueError, EOFError):
            return b""


class Boot:
    def __init__(self, name, folder, command, seconds, on_pause=None):
        self.name, self.folder, self.command, self.limit, self.on_pause = name, folder, command, seconds, on_pause
        self.lines, self.status, self.seconds, self.ended, self.now = [], None, 0.0, False, "starting"
        self.socket = None  # of qtest, if it is used
        self.fault = None  # why the run is not what it should be
        self._process = None
        self._lock = threading.Lock()
        self._stopped = False

    def path(self, name):
        return os.path.join(self.folder, name)

    def run(self):
        """Until QEMU has ended."""
        start = time.monotonic()
        with open(self.path("command"), "w", encoding="utf-8") as file:
            file.write(" \\\n  ".join(self.command) + "\n")
        # timeout(1) keeps the bound even if this script is killed.
        command = ["timeout", "-k", str(GRACE), str(self.limit), *self.command]
        with open(self.path("stderr.log"), "wb") as errors, open(self.path("console.log"), "wb") as console:
            with self._lock:
                if self._stopped:
                    return
                self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
                                                 start_new_session=True)
            for raw in self._process.stdout:
                console.write(raw)
                console.flush()
                self._hear(raw.decode("utf-8", "replace"))
            self.status = self._process.wait()
        self.seconds = time.monotonic() - start
        if self.status == 124 or self.status == 128 + signal.SIGKILL:
            self.fault = f"not done after {self.limit} s, at '{self.now}'"

    def stop(self):
        with self._lock:
            self._stopped = True
            if self._process and self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGTERM)
                try:
                    self._process.wait(GRACE)
                except subprocess.TimeoutExpired:
                    os.killpg(self._process.pid, signal.SIGKILL)

    def _hear(self, text):
        at = text.find("SLUICE ")
        if at < 0:
            if "UEFI firmware" in text:
                self.now = "UEFI"
            return
        line = Line(text[at + len("SLUICE "):].strip())
        self.lines.append(line)
        if line.step == "step":
            self.now = line["name"]
        elif line.step == "end":
            self.ended, self.now = True, "end"
        elif line.step == "pause" and not line.values:
            self._pause()

    def _pause(self):
        try:
            self.on_pause(self)
        except (OSError, ValueError, IndexError) as error:
            self.fault = f"the test hook failed: {error}"
        self._process.stdin.write(b"go\n")
        self._process.stdin.flush()

    # What is there afterwards

    def of(self, step):
        return [line for line in self.lines if line.step == step]

    def stderr(self):
        with open(self.path("stderr.log"), encoding="utf-8", errors="replace") as file:
            return file.read()

    def account(self):
        try:
            with open(self.path("report.json"), encoding="utf-8") as file:
                return json.load(file)
        except (OSError, ValueError):
            return None

    def calls(self):
        """What --record has written so far."""
        with open(self.path("calls.jsonl"), encoding="utf-8") as file:
            return [json.loads(line) for line in file if line.endswith("\n")]


class Qtest:
    """A guest's memory, through QEMU's own test socket."""

    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(GRACE)
        self._socket.connect(path)
        self._answers = self._socket.makefile("r", encoding="ascii")

    def _ask(self, text):
        self._socket.sendall(text.encode() + b"\n")
        answer = self._answers.readline().split()
        if not answer or answer[0] != "OK":
            raise ValueError(f"qtest answers '{' '.join(answer)}' to '{text}'")
        return answer[1:]

    def read64(self, address):
        return int(self._ask(f"readq {address:#x}")[0], 16)

    def clear(self, address, size):
        self._ask(f"memset {address:#x} {size:#x} 0x00")


def empty_stage1_table(boot):
    """Clears the first table of the guest's stage 1, which the STE of its latest nested HWPT leads to."""
    stes = [call["data"] for call in boot.calls() if call.get("call") == "HWPT_ALLOC" and len(call.get("data", ())) == 2]
    context = int(stes[-1][0], 16) & 0xfffffffffffc0  # STE.S1ContextPtr, one CD
    guest = Qtest(boot.socket)
    table = guest.read64(context + 8) & 0xffffffffffff0  # CD.TTB0
    guest.clear(table, 4096)
