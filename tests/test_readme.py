"What the README says is what happens."
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from readme_help import README, commands, snippets

HELP = Path(__file__).parent/"readme_help.py"
TEXT = README.read_text(encoding="utf-8")


@pytest.mark.timeout(400)
def test_every_snippet_runs_in_sequence(tmp_path):
    r = subprocess.run([sys.executable, HELP, "--regions", "9"], cwd=tmp_path, capture_output=True, text=True)
    assert r.returncode == 0, r.stdout[-1500:] + r.stderr[-2500:]
    assert {"page.html", "word.html", "word.safetensors", "run", "results"} <= {p.name for p in tmp_path.iterdir()}


def test_installing_stands_before_using():
    places = [TEXT.index(heading) for heading in ("## Install", "## Your model", "## Without a download", "## How it compares", "## Limits")]
    assert places == sorted(places)
    assert "import eagle_nb" not in TEXT[:places[1]]


def test_a_command_that_is_not_known_is_no_snippet():
    assert [*commands("make demo\npip install .\neagle-nb doctor # a comment\n\nvllm serve X\neagle-nb explain a.png --model http://h/v1")] == [["doctor"]]
    with pytest.raises(AssertionError, match="what does the README's test do"): list(commands("rm -rf x"))


def test_all_blocks_are_of_a_language_that_is_run_or_shown():
    assert {language for language, _ in snippets(TEXT)} == {"python", "sh", "bibtex"}


def test_seconds_and_weights_are_those_that_were_measured():
    "The table of published shapes, from the file that the page on efficiency reads."
    measured = {s["model"]: s for s in json.loads((README.parent/"figures/results/efficiency-gpu.json").read_text())["shapes"]}
    rows = re.findall(r"^\| (\S+) \| ([\d.]+) billion \| ([\d.]+) GB \| (\d+) \|$", TEXT, re.M)
    assert {name.lower() for name, *_ in rows} == set(measured)
    for name, billions, weights, seconds in rows:
        s = measured[name.lower()]
        assert float(billions) == round(s["parameters"]/1e9, 1) and float(weights) == round(2*s["parameters"]/1e9, 1)
        assert int(seconds) == round(s["searches"]["fast"]["seconds"]) and s["machine"] in TEXT
