"""The README's snippets as a reader runs them: in their sequence, in one namespace, in an empty folder with an image.

`python tests/readme_help.py [--regions 9]` in that folder; needs the package, and nothing else of the checkout."""
import argparse
import inspect
import re
import shlex
import sys
import warnings
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

README = Path(__file__).resolve().parent.parent/"README.md"
STAND_INS = {"Qwen/Qwen2.5-VL-7B-Instruct": "scenes-qwen", "llava-hf/llava-1.5-7b-hf": "scenes-llava"} # no checkpoint is downloaded
ELSEWHERE = ("pip install", "make ", "vllm serve") # what is not run here
SERVER = "http://"


def snippets(text):
    "Language and code of each block, in sequence."
    return re.findall(r"^```(\w*)\n(.*?)^```$", text, re.M | re.S)


def commands(code):
    "The arguments of each call of eagle-nb that needs no server; any other command that is not known here is an error."
    for line in code.splitlines():
        words = shlex.split(line, comments=True)
        if not words or line.startswith(ELSEWHERE) or SERVER in line: continue
        assert words[0] == "eagle-nb", f"what does the README's test do with {line!r}?"
        yield words[1:]


def fewer_regions(function, n):
    "Another default for the number of regions."
    given = [p for p in inspect.signature(function).parameters.values() if p.default is not p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
    function.__defaults__ = tuple(n if p.name == "regions" else p.default for p in given)


def run(text, regions=None):
    "Run all snippets; how many blocks of each language ran."
    import eagle_nb
    from eagle_nb import scenes
    from eagle_nb.apps.cli import main
    if regions is not None:
        for function in (eagle_nb.explain, eagle_nb.correct): fewer_regions(function, regions)
    scenes.sample(18).image.save("photo.jpg")
    Path("photos").mkdir(exist_ok=True)
    for k in (7, 18): scenes.sample(k).image.save(f"photos/{k}.jpg")
    names, ran = {}, {}
    for language, code in snippets(text):
        if language not in ("python", "sh"): continue
        for name, other in STAND_INS.items(): code = code.replace(name, other)
        ran[language] = ran.get(language, 0) + 1
        print(f"--- {language}\n{code}", flush=True)
        if language == "python": exec(compile(code, f"<README, python {ran[language]}>", "exec"), names)
        else:
            for arguments in commands(code):
                few = ["--regions", str(regions)] if regions is not None and arguments[0] in ("explain", "run") else []
                assert not main([*arguments, *few]), arguments
    return ran


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--regions", type=int)
    warnings.simplefilter("ignore")
    found = run(README.read_text(encoding="utf-8"), parser.parse_args().regions)
    print("ran", found)
    sys.exit(not found.get("python"))
