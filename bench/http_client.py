#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""HTTP requests per second against nginx on this machine: aya, curl's own loop, and aiohttp (asyncio, and uvloop where it is installed).

    bench/http_client.py BUILD_FOLDER [REQUESTS [CONCURRENCY]]

The client and the server share the cores, so the figures are those of both. Subjects take turns; each figure is the median of five.
"""

import asyncio
import contextlib
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile
import time


async def with_aiohttp(url, requests, concurrency):
    import aiohttp

    connector = aiohttp.TCPConnector(limit=concurrency)
    async with aiohttp.ClientSession(connector=connector) as session:
        for n in (concurrency * 2, requests):
            left = iter(range(n))

            async def one_after_the_other():
                for _ in left:
                    async with session.get(url) as response:
                        await response.read()
                        response.raise_for_status()

            start = time.perf_counter()
            await asyncio.gather(*(one_after_the_other() for _ in range(concurrency)))
            seconds = time.perf_counter() - start
    return requests / seconds


@contextlib.contextmanager
def nginx():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        temporary = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        path = pathlib.Path(folder) / "nginx.conf"
        path.write_text(f"""daemon off; master_process off; error_log {folder}/error.log; pid {folder}/pid;
events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_requests 1000000000; {temporary}
server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ return 200 "hello, world\\n"; }} }} }}
""")
        process = subprocess.Popen(["/usr/sbin/nginx", "-c", path], stderr=subprocess.DEVNULL)
        try:
            while True:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                    break
                time.sleep(0.01)
            yield f"http://127.0.0.1:{port}/"
        finally:
            process.terminate()
            process.wait()


def main():
    program = pathlib.Path(sys.argv[1]) / "bench" / "http_client"
    requests = sys.argv[2] if len(sys.argv) > 2 else "20000"
    concurrency = sys.argv[3] if len(sys.argv) > 3 else "64"

    def ours(subject):
        return lambda url: float(subprocess.run([program, subject, url, requests, concurrency], check=True, capture_output=True).stdout)

    subjects = {"curl's own loop": ours("curl"), "aya, event loop": ours("loop"), "aya, 2 workers": ours("aya")}
    with contextlib.suppress(ImportError):
        import aiohttp  # noqa: F401

        subjects["aiohttp, asyncio"] = lambda url: asyncio.run(with_aiohttp(url, int(requests) // 4, int(concurrency)))
        with contextlib.suppress(ImportError):
            import uvloop

            def on_uvloop(url):
                uvloop.install()
                try:
                    return asyncio.run(with_aiohttp(url, int(requests) // 4, int(concurrency)))
                finally:
                    asyncio.set_event_loop_policy(None)

            subjects["aiohttp, uvloop"] = on_uvloop
    rates = {name: [] for name in subjects}
    with nginx() as url:
        for _ in range(5):
            for name, run in subjects.items():
                rates[name].append(run(url))
    for name, each in rates.items():
        print(f"{name:20} {statistics.median(each):8.0f} requests/s   ({min(each):.0f} to {max(each):.0f})")


main()
