#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the samples of the HTTP client against servers that watch them: test/samples/http_samples.py FOLDER_OF_PROGRAMS

The last line is "N passed, N failed". What a sample claims is checked on the server's side where that can be seen there.
"""

import asyncio
import collections
import contextlib
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

programs = pathlib.Path(sys.argv[1])
environment = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}


class Server:
    """An HTTP server of one function: `answer(server, method, path, body)` gives (status, body) or writes by itself and gives None."""

    def __init__(self, answer):
        self.answer = answer
        self.under_way = 0
        self.peak = 0
        self.requests = []

    async def __aenter__(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0, backlog=1000)
        self.url = "http://127.0.0.1:%d" % self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self.server.close()

    async def serve(self, reader, writer):
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                method, path, _ = head.split(" ", 2)
                length = re.search(r"(?i)\r\ncontent-length: *(\d+)", head)
                body = await reader.readexactly(int(length[1])) if length else b""
                self.requests.append((time.monotonic(), method, path, head, body))
                self.under_way += 1
                self.peak = max(self.peak, self.under_way)
                try:
                    said = await self.answer(self, method, path, body, writer)
                finally:
                    self.under_way -= 1
                if said is None:
                    break
                status, text = said
                writer.write(b"HTTP/1.1 %d Some\r\nContent-Length: %d\r\n\r\n%s" % (status, len(text), text))
                await writer.drain()
        writer.close()


async def run(name, *arguments, limit=60):
    process = await asyncio.create_subprocess_exec(
        programs / f"sample_{name}", *arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment)
    try:
        said, _ = await asyncio.wait_for(process.communicate(), limit)
    except asyncio.TimeoutError:
        process.kill()
        raise AssertionError(f"{name} took more than {limit} s") from None
    said = said.decode()
    assert process.returncode == 0, f"{name} ended with {process.returncode}: {said}"
    return said


def expect(condition, what):
    if not condition:
        raise AssertionError(what)


async def fetch_100():
    async def delayed(server, method, path, body, writer):
        await asyncio.sleep(1)
        return 200, b"{}"

    async with Server(delayed) as server:
        said = await run("fetch_100", server.url + "/delay/1")
        expect(len(server.requests) == 100, f"{len(server.requests)} requests came")
        expect(server.peak >= 90, f"only {server.peak} requests were under way at once")
        took = float(re.search(r"100 requests: ([\d.]+) s", said)[1])
        expect(1 <= took < 10, f"it took {took} s: {said}")
        expect(int(re.search(r"after the other: (\d+) s", said)[1]) >= 100, said)


async def rate_limited_client():
    async def short(server, method, path, body, writer):
        await asyncio.sleep(0.02)
        return 200, b"{}"

    async with Server(short) as server:
        said = await run("rate_limited_client", server.url + "/get")
        expect("fetched: 50, of which 50 with status 200" in said, said)
        expect(server.peak <= 5, f"{server.peak} requests were under way at once")
        expect(server.peak == 5, f"only {server.peak} requests were ever under way at once")
        expect({r[2] for r in server.requests} == {f"/get?id={i}" for i in range(50)}, "not every URL was asked for once")
        expect(len(server.requests) == 50, f"{len(server.requests)} requests came")


async def ai_api_client():
    attempts = collections.Counter()

    async def model(server, method, path, body, writer):
        expect((method, path) == ("POST", "/v1/chat/completions"), f"{method} {path}")
        asked = json.loads(body)
        prompt = asked["messages"][0]["content"]
        attempts[asked["model"], prompt] += 1
        attempt = attempts[asked["model"], prompt]
        if asked["model"] == "busy" and attempt <= 2:
            return (429, 503)[attempt - 1], b"{}"
        if asked["model"] == "slow" and attempt == 1:
            server.under_way -= 1  # the client gives it up, which is not seen here
            await asyncio.sleep(30)
        if asked["model"] == "wrong":
            return 400, b"{}"
        if asked["stream"]:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n: a comment\n\n")
            for piece in ("one", "two", "three"):
                event = "data: " + json.dumps({"choices": [{"delta": {"content": piece}}]}) + "\n\n"
                writer.write(event[:20].encode())  # an event comes in two pieces
                await writer.drain()
                await asyncio.sleep(0.01)
                writer.write(event[20:].encode())
            writer.write(b"data: [DONE]\n\n")
            await writer.drain()
            return None
        await asyncio.sleep(0.02)
        reply = {"choices": [{"message": {"content": f"re: {prompt}"}}], "usage": {"total_tokens": 7}}
        return 200, json.dumps(reply).encode()

    async with Server(model) as server:
        environment["API_KEY"] = "k"
        said = await run("ai_api_client", server.url)
        for name in ("gpt-4o", "claude", "busy", "slow"):
            expect(re.search(rf'{name}: "re: Hello\?" \(7 tokens, \d+ ms\)', said), f"no answer of {name}: {said}")
        expect("failed:" in said and "status 400" in said, said)
        expect(attempts["busy", "Hello?"] == 3, f"the busy model was asked {attempts['busy', 'Hello?']} times")
        expect(attempts["slow", "Hello?"] == 2, f"the slow model was asked {attempts['slow', 'Hello?']} times")
        expect(attempts["wrong", "Hello?"] == 1, "a request that cannot succeed was tried again")
        expect("25 prompts, 175 tokens" in said, said)
        expect("one|two|three|" in said, said)
        expect(server.peak == 5, f"{server.peak} requests were under way at once")
        expect(all("\r\nAuthorization: Bearer k\r\n" in r[3] for r in server.requests), "a request without the key")
        batch = [(t, int(m[1])) for t, _, _, _, b in server.requests if (m := re.search(rb"prompt (\d+)", b))]
        last_of_first = max(t for t, i in batch if i < 10)
        first_of_second = min(t for t, i in batch if 10 <= i < 20)
        expect(first_of_second - last_of_first >= 0.1, "no pause between batches")


@contextlib.contextmanager
def nginx(site, slow_port):
    """A static site with a redirect, and a page that never comes."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    folder = site.parent
    temporary = "".join(f"  {kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (folder / "nginx.conf").write_text(f"""daemon off;
error_log {folder}/error.log;
pid {folder}/pid;
events {{}}
http {{
  types {{ text/html html; }}
  log_format watched '$connection $uri $status $msec';
  access_log {folder}/access.log watched;
{temporary}  server {{
    listen 127.0.0.1:{port} backlog=500;
    root {site};
    index index.html;
    location = /old.html {{ return 301 /page-1.html; }}
    location = /slow.html {{ proxy_pass http://127.0.0.1:{slow_port}; }}
  }}
}}
""")
    command = shutil.which("nginx", path="/usr/sbin:/usr/bin:" + os.environ.get("PATH", ""))
    expect(command, "nginx is not installed")
    process = subprocess.Popen([command, "-c", folder / "nginx.conf"], stderr=subprocess.DEVNULL)
    try:
        for _ in range(1000):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            expect(process.poll() is None, "nginx has ended")
            time.sleep(0.01)
        yield f"http://127.0.0.1:{port}", folder / "access.log"
    finally:
        process.terminate()
        process.wait()


async def scraper():
    async def never(server, method, path, body, writer):
        await asyncio.sleep(60)

    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # nginx may have workers of another user
        site = pathlib.Path(folder) / "site"
        site.mkdir()
        pages = 40
        links = "".join(f'<a href="/page-{i}.html">{i}</a>\n' for i in range(1, pages))
        (site / "index.html").write_text(links + '<a href="/missing.html"><a href="/old.html"><a href="/slow.html">')
        for i in range(1, pages + 1):
            (site / f"page-{i}.html").write_text(f'<a href="/">up</a> <a href="/page-{i % pages + 1}.html">next</a>')
        async with Server(never) as slow:
            with nginx(site, int(slow.url.rsplit(":", 1)[1])) as (url, log):
                said = await run("scraper", url + "/")
                # The index, 40 pages (the last by a link of the 39th), and the redirect; a page that is not there, and one that is too slow.
                expect("total 44, success 42, failed 2" in said, said)
                expect(re.search(r"/missing.html 404", said), said)
                expect(re.search(r"/slow.html 0 0 bytes Timeout", said), said)
                expect(re.search(r"/old.html 200 ", said), said)
                seen = [line.split() for line in log.read_text().splitlines()]
    visited = {line[1] for line in seen}
    expect({f"/page-{i}.html" for i in range(1, pages + 1)} <= visited, "a page was not visited")
    connections = {line[0] for line in seen}
    expect(len(connections) <= 11, f"{len(connections)} connections")  # 10, and one in place of the one that was given up
    times = sorted(float(line[3]) for line in seen if line[1] != "/slow.html")
    expect(times[-1] - times[0] >= 0.2, f"no pause between pages: all within {times[-1] - times[0]:.3f} s")


def main():
    failed = 0
    samples = (fetch_100, rate_limited_client, ai_api_client, scraper)
    for sample in samples:
        try:
            asyncio.run(sample())
            print(f"{sample.__name__}: ok")
        except Exception as e:
            failed += 1
            print(f"{sample.__name__}: {type(e).__name__}: {e}")
    print(f"{len(samples) - failed} passed, {failed} failed")
    return failed != 0


sys.exit(main())
