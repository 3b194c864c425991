#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The HTTP client of the figures in Python: http_client.py aiohttp|aiohttp-uvloop|httpx URL REQUESTS CONCURRENCY. Prints requests a second."""
import asyncio
import sys
import time


async def measure(get, requests, concurrency):
    for n in (concurrency * 2, requests):  # the first opens the connections
        left = iter(range(n))

        async def one_after_the_other():
            for _ in left:
                await get()

        start = time.perf_counter()
        await asyncio.gather(*(one_after_the_other() for _ in range(concurrency)))
        seconds = time.perf_counter() - start
    return requests / seconds


async def with_aiohttp(url, requests, concurrency):
    import aiohttp

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=concurrency)) as session:

        async def get():
            async with session.get(url) as response:
                await response.read()
                response.raise_for_status()

        return await measure(get, requests, concurrency)


async def with_httpx(url, requests, concurrency):
    import httpx

    limits = httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)
    async with httpx.AsyncClient(limits=limits, trust_env=False) as client:

        async def get():
            (await client.get(url)).raise_for_status()

        return await measure(get, requests, concurrency)


subject, url, requests, concurrency = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
if subject.endswith("uvloop"):
    import uvloop

    uvloop.install()
print(round(asyncio.run((with_httpx if subject == "httpx" else with_aiohttp)(url, requests, concurrency))))
