"""All checks, in the environment of `make env`: `make test`, or one alone with `make test STEP=export`.

export     the package and its stubs are what the notebooks export, and the notebooks are clean
notebooks  every notebook that is a module, the overview and the tutorials, from top to bottom, cells flagged slow apart
paper      every page of the paper runs with its small settings
tests      pytest; last, so that its summary is the last thing printed

Not among all checks, but alone:
quick      the export, and the tests that take less than half a second each; under two minutes
docs       the how-to pages from top to bottom, and the site that `make docs` builds: links, anchors, names, nothing from a
           network; Sphinx is installed into .docs
vllm       vLLM on this CPU against transformers, in an environment of its own that is made in .vllm (minutes, 4 GB)
long       all tests, with the sessions of explorer and scene editor that take minutes (tests/long.txt)
release    build the wheel and try it in empty environments, on every Python that is found (minutes, some GB)
slow       measure the tests and write the names of the others into tests/slow.txt"""
import difflib
import os
import re
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
WORKERS = 2  # each worker loads models of its own
ENV = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1",
       "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1"}


def call(*cmd):
    return subprocess.run([str(c) for c in cmd], cwd=ROOT, env=ENV).returncode == 0


def texts():
    "All that exporting and cleaning may write."
    files = [*ROOT.glob("nbs/**/*.ipynb"), *ROOT.glob("eagle_nb/**/*.py"), *ROOT.glob("eagle_nb/**/*.pyi"), ROOT/"pyproject.toml"]
    return {f.relative_to(ROOT).as_posix(): f.read_text(encoding="utf-8") for f in files if ".ipynb_checkpoints" not in f.parts}


def export():
    before = texts()
    ok = call(BIN/"nbdev_export") and call(BIN/"nbdev_clean") and call(sys.executable, ROOT/".ci"/"stubs.py")
    after = texts()
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name, ""), after.get(name, "")
        if old == new: continue
        ok = False
        print(f"{name} was not up to date; it is now, look at the change and commit it:")
        print("\n".join([*difflib.unified_diff(old.splitlines(), new.splitlines(), "before", "after", n=1, lineterm="")][:20]))
    return ok


def notebooks(*options):
    return call(BIN/"nbdev_test", "--n_workers", WORKERS, "--do_print", "--timing", *(options or ("--skip_folder_re", "^([_.]|howto$)")))


def paper():
    return call(BIN/"python", ROOT/".ci"/"pages.py")


def pytest(*options):
    "A file shares its models; files in their sequence, so that the sessions in browsers, with few tests, are not left for the end."
    return call(BIN/"python", "-m", "pytest", "tests", "-q", "-n", WORKERS, "--dist", "loadfile", "--no-loadscope-reorder", *options)


def long(): return pytest("--long")
def tests(): return pytest()
def quick(): return export() and pytest("--quick")


def docs():
    ran = notebooks("--path", "nbs/howto")
    return call(sys.executable, ROOT/".ci"/"docs.py", "install") and call(BIN/"python", "-m", "pytest", "tests/test_docs.py", "-q") and ran


def vllm():
    made = subprocess.run([sys.executable, ROOT/"tests"/"core"/"vllm_help.py", ROOT/".vllm"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if made.returncode: return False
    ENV["EAGLE_NB_VLLM"] = made.stdout.split()[-1]
    return call(BIN/"python", "-m", "pytest", "tests/core/test_vllm.py", "-q", "-s")


def release(): return call(sys.executable, ROOT/".ci"/"release.py", "all")


def slow(limit=.5):
    "Names of test functions of which a case took longer than the limit, in seconds, its own fixtures included."
    r = subprocess.run([str(BIN/"python"), "-m", "pytest", "tests", "-q", "-n", str(WORKERS), "--dist", "loadfile", "--durations=0",
                        f"--durations-min={limit}"], cwd=ROOT, env=ENV, capture_output=True, text=True)
    names = re.findall(r"^[\d.]+s (?:call|setup) +(\S+?::\w+)", r.stdout, re.M)
    (ROOT/"tests"/"slow.txt").write_text("\n".join(sorted(set(names))) + "\n", encoding="utf-8")
    print(f"{len(set(names))} tests take more than {limit} s\n{r.stdout.splitlines()[-1]}")
    return r.returncode == 0


ALL = {f.__name__: f for f in (export, notebooks, paper, tests)}
STEPS = {**ALL, "quick": quick, "long": long, "slow": slow, "docs": docs, "vllm": vllm, "release": release}


def main():
    chosen = sys.argv[1:] or list(ALL)
    if unknown := set(chosen)-set(STEPS): sys.exit(f"unknown step {', '.join(sorted(unknown))!r}: choose from {', '.join(STEPS)}")
    failed = []
    for name in chosen:
        print(f"[test] {name}", flush=True)
        start = time.time()
        if not STEPS[name](): failed.append(name)
        if name in ("tests", "quick", "long", "docs", "vllm"): break  # pytest's summary stays last
        print(f"[test] {name}: {'ok' if name not in failed else f'FAILED; alone: make test STEP={name};'} "
              f"{time.time()-start:.0f} s", flush=True)
        ENV["FAILED_STEPS"] = " ".join(failed)  # a test reads it, so that the last line does not say that all is well
    sys.exit(bool(failed))


if __name__ == "__main__": main()
