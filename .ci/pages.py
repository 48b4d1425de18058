"""The pages of the paper with their small settings: what `python -m eagle_nb.apps.paper --smoke` runs in clean kernels,
here each in a process that is forked from one that has imported everything, which takes half of the time."""
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import nbformat
from execnb.nbio import dict2nb
from execnb.shell import CaptureShell

ROOT = Path(__file__).resolve().parent.parent
JOBS = 2
MODELS = ("scenes-internvl", "scenes-llava", "scenes-qwen")


def warm():
    "Import what pages import, and what transformers imports only when a model is loaded."
    import eagle_nb.apps.explained, eagle_nb.apps.panels, eagle_nb.apps.paper, eagle_nb.runs.tables  # noqa: E401,F401
    for name in MODELS: eagle_nb.load(name)


def run(page):
    "One page, in this process; its exit status tells."
    from eagle_nb.apps.paper import prepared
    nb = prepared(nbformat.read(page, 4), smoke=True)
    shell = CaptureShell(page)
    os.chdir(page.parent)
    try: shell.run_all(dict2nb(nb), exc_stop=True)
    except Exception:
        print(shell.prettytb(fname=page), file=sys.__stderr__, flush=True)
        os._exit(1)
    os._exit(0)  # threads and hooks of the shell belong to nobody


def forked(page):
    "Whether a page runs."
    start, process = time.perf_counter(), get_context("fork").Process(target=run, args=(page,))
    process.start()
    process.join()
    outcome = f"FAILED ({process.exitcode})" if process.exitcode else "ok"
    print(f"{page.stem:22} {time.perf_counter() - start:6.0f} s  {outcome}", flush=True)
    return process.exitcode == 0


def main():
    warm()
    from eagle_nb.apps.paper import SUMMARIES, pages
    found = pages(ROOT/"nbs"/"paper", sys.argv[1:])
    with ThreadPoolExecutor(JOBS) as pool:
        for late in (False, True):
            if not all([*pool.map(forked, [p for p in found if (p.stem in SUMMARIES) == late])]): sys.exit(1)


if __name__ == "__main__": main()
