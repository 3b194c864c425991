# SPDX-License-Identifier: Apache-2.0
"""The subjects of `versus`: which are there, how they are built, and what they are called."""

import dataclasses
import glob
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
PYTHON = "/usr/bin/python3"
CRATES = "/usr/share/cargo/registry"
# What `--install` installs.
PACKAGES = ["cargo", "golang-go", "libboost1.81-dev", "librust-async-channel-dev", "librust-libc-dev", "librust-tokio-dev",
            "libtbb-dev", "python3-uvloop"]


@dataclasses.dataclass(frozen=True)
class Subject:
    title: str
    command: tuple

    @property
    def name(self):
        return self.title.split("/")[0]

    @property
    def workers(self):
        return int(self.title.split("/")[1]) if "/" in self.title else 1

    @property
    def compiled(self):
        return self.name not in ("asyncio", "uvloop")


def output_of(command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def install():
    subprocess.run(["apt-get", "install", "-y", "--no-install-recommends", *PACKAGES], check=True)


def build_with_meson(directory):
    if not (directory / "build.ninja").exists():
        setup = ["meson", "setup", str(directory), "--buildtype=release", "-Dcpp_args=-march=native", "-Dbench=enabled",
                 "-Dtests=disabled", "-Dsamples=disabled"]
        subprocess.run(setup, cwd=ROOT, check=True, stdout=sys.stderr)
    known = json.loads(output_of(["meson", "introspect", "--targets", str(directory)]) or "[]")
    names = [target["name"] for target in known]
    wanted = [t for t in ("versus_aya", "versus_asio", "versus_tbb", "versus_openmp") if t in names]
    if "versus_aya" not in wanted:
        sys.exit(f"{directory} is set up without the benchmarks: meson configure {directory} -Dbench=enabled")
    subprocess.run(["meson", "compile", "-C", str(directory), "-j", "2", *wanted], cwd=ROOT, check=True,
                   stdout=subprocess.DEVNULL)


def build_tokio(directory):
    """Builds with Debian's crates; gives its version, or None and what is missing."""
    crates = glob.glob(f"{CRATES}/tokio-[0-9]*")
    if not crates or not glob.glob(f"{CRATES}/async-channel-*"):
        return None, "librust-tokio-dev or librust-async-channel-dev is not installed"
    if not shutil.which("cargo"):
        return None, "there is no cargo"
    command = ["cargo", "build", "--release", "--quiet", "--target-dir", str(directory / "bench" / "tokio")]
    done = subprocess.run(command, cwd=HERE / "tokio", capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return None, "it does not build: " + done.stderr.strip()[-300:]
    compiler = (output_of(["rustc", "--version"]) or "rustc").split(" (")[0]
    return f"Tokio {crates[0].rsplit('-', 1)[1]} ({compiler})", None


def build_go(directory):
    version = output_of(["go", "version"])
    if not version:
        return None, "there is no go"
    environment = {**os.environ, "GOPROXY": "off", "GOTOOLCHAIN": "local", "GOAMD64": "v3"}
    command = ["go", "build", "-o", str(directory / "bench" / "versus_go"), "."]
    done = subprocess.run(command, cwd=HERE / "go", env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return None, "it does not build: " + done.stderr.strip()[-300:]
    return "Go " + version.split()[2].removeprefix("go"), None


def header_version(header, pattern):
    path = pathlib.Path(header)
    found = re.search(pattern, path.read_text(encoding="utf-8")) if path.exists() else None
    return ".".join(found.groups()).replace("_", ".") if found else "of unknown version"


def commit():
    """The commit of the tree, marked when there are changes to it. Nothing outside a repository."""
    name = output_of(["git", "-C", str(ROOT), "describe", "--always", "--dirty"])
    return f" at {name}" if name else ""


def compiler_of(directory):
    log = (directory / "meson-logs" / "meson-log.txt").read_text(encoding="utf-8", errors="replace")
    found = re.search(r"C\+\+ compiler for the host machine: .*?\((\w+ [\d.]+)", log)
    return found[1] if found else "an unknown C++ compiler"


def find_subjects(directory, tokio=None):
    """Builds all that can be built; `tokio` is a program that is there already. Gives the subjects by title, the versions, and notes on what is skipped."""
    directory = directory.resolve() # cargo and go are run in their own folders
    build_with_meson(directory)
    subjects, notes = {}, []

    def add(title, *command):
        subjects[title] = Subject(title, tuple(str(c) for c in command))

    project = (ROOT / "meson.build").read_text(encoding="utf-8")
    versions = ["aya " + re.search(r"version: '([\d.]+)'", project)[1] + commit(), compiler_of(directory)]
    programs = directory / "bench"
    for n in (2, 1, 4, 8, 16, 32, 64):
        add(f"aya-pool/{n}", programs / "versus_aya", "--scheduler", "pool", "--workers", n)
    add("aya-loop", programs / "versus_aya", "--scheduler", "loop")

    version, missing = (f"Tokio as {tokio}", None) if tokio else build_tokio(directory)
    if version:
        versions.append(version)
        program = tokio or programs / "tokio" / "release" / "versus_tokio"
        for n in (2, 1):
            add(f"tokio/{n}", program, "--scheduler", "pool", "--workers", n)
        add("tokio-ct", program, "--scheduler", "loop")
    else:
        notes.append(f"Tokio skipped: {missing}")
    version, missing = build_go(directory)
    if version:
        versions.append(version)
        for n in (2, 1):
            add(f"go/{n}", programs / "versus_go", "--workers", n)
    else:
        notes.append(f"Go skipped: {missing}")

    python = output_of([PYTHON, "-c", "import platform; print(platform.python_version())"])
    if python:
        versions.append(f"Python {python}")
        add("asyncio", PYTHON, HERE / "versus_asyncio.py", "--loop", "asyncio")
        uvloop = output_of([PYTHON, "-c", "import uvloop; print(uvloop.__version__)"])
        if uvloop:
            versions.append(f"uvloop {uvloop}")
            add("uvloop", PYTHON, HERE / "versus_asyncio.py", "--loop", "uvloop")
        else:
            notes.append("uvloop skipped: python3-uvloop is not installed")
    else:
        notes.append(f"asyncio and uvloop skipped: there is no {PYTHON}")
    if (programs / "versus_asio").exists():
        versions.append("Boost.Asio " + header_version("/usr/include/boost/version.hpp", r'BOOST_LIB_VERSION "([\d_]+)"'))
        add("asio", programs / "versus_asio")
    else:
        notes.append("Boost.Asio skipped: built without the headers of Boost 1.81 or newer")
    if (programs / "versus_tbb").exists():
        versions.append("oneTBB " + header_version("/usr/include/oneapi/tbb/version.h",
                                                   r"TBB_VERSION_MAJOR (\d+)(?s:.*)TBB_VERSION_MINOR (\d+)"))
        for n in (2, 1):
            add(f"tbb/{n}", programs / "versus_tbb", "--workers", n)
    if (programs / "versus_openmp").exists():
        for n in (2, 1):
            add(f"openmp/{n}", programs / "versus_openmp", "--workers", n)
    else:
        notes.append("OpenMP skipped: the compiler has none")
    return subjects, versions, notes
