"""Runs in a guest what the host asks for over a virtio port, several commands at a time.

From the host, a line of JSON each:
    {"id": 1, "argv": [...], "cwd": "/", "env": {...}, "output": "/lab/…", "timeout_s": 30}
    {"id": 1, "signal": 9}
To the host: {"ready": true} once, then {"id": 1, "status": N, "timed_out": false} as each command ends.
It also starts commands for the other guest, as ssh would: `enter-guest` sends a shell line over TCP.
"""

import glob
import json
import os
import resource
import signal
import socket
import subprocess
import threading

PORT = next(glob.iglob("/dev/vport*p1"))
ENTER_PORT = 514


class Agent:
    def __init__(self):
        self.port = os.open(PORT, os.O_RDWR)
        self.lock = threading.Lock()
        self.running = {}

    def tell(self, message):
        with self.lock:
            os.write(self.port, json.dumps(message).encode() + b"\n")

    def serve(self):
        self.tell({"ready": True})
        pending = b""
        while True:
            more = os.read(self.port, 65536)
            if not more:
                continue
            *lines, pending = (pending + more).split(b"\n")
            for line in lines:
                self.obey(json.loads(line))

    def obey(self, request):
        if "signal" in request:
            process = self.running.get(request["id"])
            if process and process.poll() is None:
                os.killpg(process.pid, request["signal"])
            return
        threading.Thread(target=self.run, args=(request,), daemon=True).start()

    def run(self, request):
        number = request["id"]
        try:
            with open(request["output"], "wb") as sink:
                process = subprocess.Popen(
                    request["argv"], cwd=request["cwd"], env=request["env"], stdin=subprocess.DEVNULL, stdout=sink,
                    stderr=subprocess.STDOUT, start_new_session=True,
                )
        except OSError as error:
            with open(request["output"], "w", encoding="utf-8") as sink:
                sink.write(f"{request['argv'][0]}: {error}\n")
            self.tell({"id": number, "status": 127, "timed_out": False})
            return
        self.running[number] = process
        timed_out = False
        try:
            process.wait(request["timeout_s"])
        except subprocess.TimeoutExpired:
            timed_out = True
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(3)
            except subprocess.TimeoutExpired:
                pass
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        status = process.wait()
        self.tell({"id": number, "status": status, "timed_out": timed_out})

    @staticmethod
    def admit():
        """Lets the other guest start commands: a connection is a shell's input and output."""
        with socket.create_server(("", ENTER_PORT)) as server:
            while True:
                connection, _ = server.accept()
                handle = connection.fileno()
                subprocess.Popen(
                    ["/bin/sh"], cwd="/", stdin=handle, stdout=handle, stderr=handle, start_new_session=True
                )
                connection.close()


def main():
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_NOFILE, (65536, 65536))
    agent = Agent()
    threading.Thread(target=agent.admit, daemon=True).start()
    agent.serve()


main()
