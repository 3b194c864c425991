#!/usr/bin/env python3
"""Runs a sample and checks what it claims: check.py NAME PROGRAM."""
import re
import signal
import socket
import subprocess
import sys
import time

name, program = sys.argv[1:3]


def output(*arguments):
    begin = time.monotonic()
    run = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, (run.returncode, run.stderr)
    return run.stdout, time.monotonic() - begin


def expect(text, *lines):
    at = 0
    for line in lines:
        found = text.find(line, at)
        assert found >= 0, f"{line!r} is missing behind position {at} of:\n{text}"
        at = found + len(line)


def cancellation():
    text, _ = output()
    expect(text, "worker A: begins\n", "worker A: working\n", "worker A: cancelled (enough), cleans up\n", "worker A: clean\n",
           "the task was cancelled\n")


def timeouts():
    text, seconds = output()
    expect(text, "wait_for: not done within 0.3 s\n", "timeout: not done within 0.3 s\n", "wait: the clock was first\n")
    assert 0.8 <= seconds < 8, seconds  # not the ten seconds of what was waited for


def error_handling():
    text, seconds = min((output() for _ in range(3)), key=lambda run: run[1])
    expect(text, "11 succeeded, 9 failed\n", "gather threw: no connection for item 3\n", "item 1: a value, item 3: an exception\n",
           "the group threw an exception group of 1 or more\n")
    assert seconds < 1.5, seconds  # twenty at once


def retry():
    text, _ = output()
    expect(text, "attempt 1\nattempt 2\nattempt 3\nthe answer\n", "attempt 4\n", "gave up after 4 attempts: connection refused\n")


def run_in_executor():
    text, _ = output("/proc/version")
    expect(text, "sum of squares: ", "/proc/version has ",
           "meanwhile the clock went on: yes\n")
    assert f"sum of squares: {sum(x * x for x in range(10_000_000)) % 2**64}\n" in text, text


class server:
    def __enter__(self):
        self.process = subprocess.Popen([program], stdout=subprocess.PIPE, text=True)
        self.port = int(re.search(r":(\d+)$", self.process.stdout.readline().strip())[1])
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        rest = self.process.stdout.read()
        assert self.process.wait(30) == 0
        return rest


def receive_all(s):
    data = b""
    while piece := s.recv(65536):
        data += piece
    return data


def echo_server():
    with server() as s:
        clients = [s.connect() for _ in range(50)]
        for i, c in enumerate(clients):
            c.sendall(b"client %d\n" % i)
        for i, c in enumerate(clients):
            assert c.makefile("rb").readline() == b"client %d\n" % i
        clients[0].sendall(b"last words")
        clients[0].shutdown(socket.SHUT_WR)
        assert receive_all(clients[0]) == b"last words"
        assert "goodbye" in s.end()
        assert receive_all(clients[1]) == b""  # closed in good order


def http_server():
    def ask(path, extra="", version="1.1"):
        return f"GET {path} HTTP/{version}\r\nHost: x\r\n{extra}\r\n".encode()

    with server() as s:
        c = s.connect()
        f = c.makefile("rb")
        for _ in range(3):  # one connection, several requests
            c.sendall(ask("/hello"))
            assert f.readline() == b"HTTP/1.1 200 OK\r\n"
            length = 0
            while (line := f.readline()) != b"\r\n":
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            assert f.read(length) == b"hello from /hello\n"
        missing = s.connect()
        missing.sendall(ask("/nothing", "Connection: close\r\n"))
        assert receive_all(missing).startswith(b"HTTP/1.1 404 ")
        for rubbish in (b"\x00\x01\x02\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20000 + b"\r\n"):
            bad = s.connect()
            try:
                bad.sendall(rubbish)
                receive_all(bad)
            except ConnectionError:
                pass
        cut = s.connect()
        cut.sendall(b"GET /hel")
        cut.close()
        # A request that is under way when the end comes is answered.
        slow = s.connect()
        slow.sendall(ask("/hello"))
        answer = b""
        while not answer.endswith(b"hello from /hello\n"):  # so the connection is served
            piece = slow.recv(65536)
            assert piece, answer
            answer += piece
        slow.sendall(ask("/slow"))
        s.process.send_signal(signal.SIGTERM)
        answer = receive_all(slow)
        assert answer.startswith(b"HTTP/1.1 200 OK") and answer.endswith(b"hello from /slow\n"), answer
        assert b"Connection: close" in answer, answer
        c.close()
        rest = s.process.stdout.read()
        assert s.process.wait(30) == 0 and "goodbye" in rest, rest


globals()[name]()
print("1 passed, 0 failed")
