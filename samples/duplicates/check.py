#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks the tool against a second opinion: check.py PROGRAM [OPTION...] -- DIRECTORY...

Runs PROGRAM --json on the directories and compares its groups with those found here, by size and SHA-256.
Understands the options --min-size BYTES and --hard-links; others are passed on.
Exit status 1 if there is a difference.
"""
import hashlib
import json
import os
import stat
import subprocess
import sys


def open_path(path, flags=0):
    """os.open(), also for paths that are too long for one system call."""
    directory = None
    while len(path) >= 4000:
        split = path.index(b"/", 2000)
        deeper = os.open(path[:split], os.O_PATH | os.O_DIRECTORY, dir_fd=directory)
        if directory is not None:
            os.close(directory)
        directory, path = deeper, path[split + 1:]
    try:
        return os.open(path, os.O_RDONLY | flags, dir_fd=directory)
    finally:
        if directory is not None:
            os.close(directory)


def regular_files(top, seen_directories):
    """Yields (path, status) of the files below top. Follows no symbolic link, walks no directory twice."""
    pending = [top]
    while pending:
        path = pending.pop()
        try:
            descriptor = open_path(path, os.O_NONBLOCK)
        except OSError:
            continue
        try:
            status = os.fstat(descriptor)
            if stat.S_ISREG(status.st_mode):
                yield path, status
            if not stat.S_ISDIR(status.st_mode) or (status.st_dev, status.st_ino) in seen_directories:
                continue
            seen_directories.add((status.st_dev, status.st_ino))
            for name in map(os.fsencode, os.listdir(descriptor)):
                below = path.rstrip(b"/") + b"/" + name
                status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                if stat.S_ISDIR(status.st_mode):
                    pending.append(below)
                elif stat.S_ISREG(status.st_mode):
                    yield below, status
        except OSError:
            continue
        finally:
            os.close(descriptor)


def digest(path):
    with open(open_path(path), "rb", buffering=0) as file:
        hashed = hashlib.sha256()
        while chunk := file.read(1 << 20):
            hashed.update(chunk)
        return hashed.digest()


def expected_groups(tops, min_size, hard_links):
    inodes = {}
    seen_directories = set()
    for top in tops:
        top = top.rstrip(b"/") or b"/"
        for path, status in regular_files(top, seen_directories):
            if status.st_size >= min_size:
                size, names = inodes.setdefault((status.st_dev, status.st_ino), (status.st_size, set()))
                names.add(path)
    sizes = {}
    for size, names in inodes.values():
        names = sorted(names)
        sizes.setdefault(size, []).append(names if hard_links else names[:1])
    groups = []
    for size, files in sizes.items():
        if len(files) == 1:
            groups.append((size, files[0]))
            continue
        contents = {}
        for names in files:
            try:
                contents.setdefault(digest(names[0]), []).extend(names)
            except OSError:
                pass
        groups += [(size, names) for names in contents.values()]
    return sorted(((size, sorted(names)) for size, names in groups if len(names) > 1),
                  key=lambda group: (-group[0], group[1][0]))


def actual_groups(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    if done.returncode not in (0, 1):
        sys.exit(f"check: {command[0]!r} ended with status {done.returncode}")
    groups = []
    for line in done.stdout.splitlines():
        group = json.loads(line)
        groups.append((group["size"], [os.fsencode(path) for path in group["paths"]]))
    return groups


def main():
    if "--" not in sys.argv:
        sys.exit(__doc__)
    split = sys.argv.index("--")
    program, options, tops = sys.argv[1], sys.argv[2:split], sys.argv[split + 1:]
    min_size = int(options[options.index("--min-size") + 1]) if "--min-size" in options else 1
    actual = actual_groups([program, "--json", *options, "--", *tops])
    expected = expected_groups([os.fsencode(top) for top in tops], min_size, "--hard-links" in options)
    if actual == expected:
        print(f"check: {len(actual)} groups, all as expected")
        return 0
    for group in [group for group in expected if group not in actual][:10]:
        print("check: missing:", str(group)[:300])
    for group in [group for group in actual if group not in expected][:10]:
        print("check: unexpected:", str(group)[:300])
    print(f"check: {len(expected)} groups expected, {len(actual)} found, or in another order")
    return 1


if __name__ == "__main__":
    sys.exit(main())
