# SPDX-License-Identifier: Apache-2.0
"""How io_versus and http_versus make their subjects: each is built once, and left out where its tools are missing."""
import subprocess
import sys
from pathlib import Path

here = Path(__file__).resolve().parent
root = here.parent
cargo = "/usr/bin/cargo"
python = "/usr/bin/python3"
compile_cpp = ["g++", "-std=c++20", "-O3", "-DNDEBUG", "-pthread", "-o"]


def with_library(library, *modules):
    """What follows a source that uses the library, with modules, of the build in `library`."""
    folders = [library / "lib", *(library / "lib" / m for m in modules)]
    return [f"-I{root / 'include'}", *(f"-L{f}" for f in folders), *(f"-laya_{m}" for m in modules), "-laya", "-Wl,-rpath," + ":".join(map(str, folders))]


def made(build, target, command, **more):
    """The path of `target`; None where it cannot be built."""
    build.mkdir(parents=True, exist_ok=True)
    if not (build / target).exists():
        try:
            done = subprocess.run(command, capture_output=True, text=True, **more)
            failure = (done.stderr or done.stdout).strip() if done.returncode != 0 else None
        except FileNotFoundError as missing:
            failure = str(missing)
        if failure is not None:
            print(f"{target}: left out: {failure.splitlines()[-1:]}", file=sys.stderr)
            return None
    return str(build / target)


def made_by_cargo(build, crate):
    """A program of bench/CRATE, from Debian's crates."""
    return made(build, f"{crate}/release/{crate}", [cargo, "build", "--release", "--target-dir", build / crate], cwd=here / crate)


def python_has(module):
    return subprocess.run([python, "-c", f"import {module}"], capture_output=True).returncode == 0
