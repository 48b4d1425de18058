"""The package as a thing to install and to read: imports, exports, notebooks, wheel, files."""
import ast
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tokenize
import zipfile
from configparser import ConfigParser
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT/"eagle_nb"
MODULES = sorted(p for p in PACKAGE.glob("**/*.py"))
NOTEBOOKS = sorted(p for p in ROOT.glob("nbs/**/*.ipynb") if ".ipynb_checkpoints" not in p.parts)


def name_of(path): return path.relative_to(ROOT).as_posix()
def cells(path): return json.loads(path.read_text(encoding="utf-8"))["cells"]
def source(cell): return "".join(cell["source"])
def flags(cell): return re.findall(r"^\s*#\|\s*(.+?)\s*$", source(cell), re.M)


def settings():
    config = ConfigParser(delimiters=["="], interpolation=None)
    config.read(ROOT/"settings.ini", encoding="utf-8")
    return config["DEFAULT"]


def python(code, timeout=240):
    "What a fresh interpreter prints, away from the repository root."
    r = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=timeout, cwd=ROOT/"tests")
    assert r.returncode == 0, r.stderr[-3000:]
    return r.stdout.strip()


def default_exp(path):
    return [f.split()[1] for c in cells(path) if c["cell_type"] == "code" for f in flags(c) if f.startswith("default_exp ")]


def uses(code):
    "The code of a Python file as one line of tokens: no comments, no strings, one space between two tokens."
    skip = {tokenize.COMMENT, tokenize.STRING, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    return " ".join(t.string for t in tokenize.generate_tokens(io.StringIO(code).readline) if t.type not in skip)


def test_there_is_something_to_check():
    assert len(MODULES) > 2 and len(NOTEBOOKS) > 1


def test_the_steps_before_pytest_passed():
    "`make test` runs the export and the notebooks first and names here what failed."
    assert not os.environ.get("FAILED_STEPS"), "look above for what it says"


# --- imports

def test_import_is_light():
    out = [python("import sys, time; t = time.perf_counter(); import eagle_nb; t = time.perf_counter()-t\n"
                  "print(t, *[m for m in ('torch', 'transformers', 'matplotlib', 'pandas') if m in sys.modules])").split()
           for _ in range(3)]
    assert min(float(o[0]) for o in out) < 1, f"import eagle_nb takes {out} s"
    assert out[0][1:] == [], f"import eagle_nb imports {out[0][1:]}: wait until they are needed"


# --- settings and requirements

def test_one_version():
    assert python("import eagle_nb; print(eagle_nb.__version__)") == settings()["version"]


def test_the_lock_holds_what_settings_ask_for():
    "On this Python each requirement but torch (its build depends on the machine) is locked to a version it allows."
    lock = [Requirement(line) for line in (ROOT/"requirements.lock").read_text().splitlines() if re.match(r"[A-Za-z0-9]", line)]
    locked = {r.name: next(iter(r.specifier)).version for r in lock if r.marker is None or r.marker.evaluate()}
    wanted = [Requirement(r) for key in ("requirements", "dev_requirements") for r in settings()[key].split()]
    assert len(wanted) > 10
    for r in wanted:
        if r.name == "torch": continue
        assert r.name in locked, f"{r.name} is not in requirements.lock"
        assert r.specifier.contains(locked[r.name]), f"{r} but the lock has {locked[r.name]}"
    assert "torch" not in locked
    assert not [line for line in (ROOT/"requirements.lock").read_text().splitlines() if "://" in line or line.startswith("-")]


def test_the_running_torch_is_allowed():
    try: have = version("torch")
    except PackageNotFoundError: pytest.fail("torch is not installed")
    wanted = next(Requirement(r) for r in settings()["requirements"].split() if r.startswith("torch"))
    assert wanted.specifier.contains(have.split("+")[0])


def test_the_oldest_versions_are_those_of_the_settings():
    minima = {r.name: r.specifier for r in map(Requirement, settings()["requirements"].split())}
    import eagle_nb
    assert {name: str(minima[name]) for name in eagle_nb._NEEDS} == {n: f">={a}.{b}" for n, (a, b) in eagle_nb._NEEDS.items()}


@pytest.mark.parametrize("name,have,message", [
    ("torch", "2.6.0+cu124", "needs torch>=2.9, and 2.6.0+cu124 is installed: pip install 'torch>=2.9'; without an NVIDIA GPU"),
    ("torch", None, "needs torch>=2.9, and none is installed"),
    ("transformers", "5.9.1", "needs transformers>=5.17, and 5.9.1 is installed: pip install 'transformers>=5.17'"),
    ("transformers", "5.9.0rc1", "needs transformers>=5.17, and 5.9.0rc1 is installed"),
    ("transformers", "4.57.0", "needs transformers>=5.17, and 4.57.0 is installed")])
def test_what_is_missing_or_too_old_is_said_at_first_use(name, have, message):
    code = f"""import importlib.metadata as metadata
real = metadata.version
def version(name):
    if name != {name!r}: return real(name)
    if {have!r} is None: raise metadata.PackageNotFoundError(name)
    return {have!r}
metadata.version = version
import eagle_nb
try: eagle_nb.explain
except ImportError as e: print(e)
try: from eagle_nb.search import surrogate
except ImportError as e: print(e)"""
    assert python(code).count(message) == 2


def test_an_old_python_is_told():
    said = python("import sys; sys.version_info = (3, 9, 18)\ntry: import eagle_nb\nexcept ImportError as e: print(e)")
    assert said == "eagle-nb needs Python 3.10 or newer, this is 3.9"


# --- notebooks and modules

def test_one_notebook_one_module():
    owners = {}
    for nb in NOTEBOOKS:
        exports = default_exp(nb)
        assert len(exports) <= 1, f"{name_of(nb)} names several modules: {exports}"
        for module in exports: owners.setdefault(module, []).append(name_of(nb))
    assert owners
    assert not {m: o for m, o in owners.items() if len(o) > 1}, "the later notebook silently overwrites the earlier one"
    stale = [name_of(m) for m in MODULES if "# AUTOGENERATED!" in m.read_text(encoding="utf-8")[:2000] and m.name != "_modidx.py"
             and ".".join(m.relative_to(PACKAGE).with_suffix("").parts) not in owners]
    assert not stale, f"no notebook exports these any more, remove them: {stale}"


def test_a_notebook_stands_in_the_room_of_its_module():
    exporting = {nb: default_exp(nb)[0] for nb in NOTEBOOKS if default_exp(nb)}
    assert exporting
    for nb, module in exporting.items(): assert module == f"{nb.parent.name}.{re.sub(r'^[0-9]+_', '', nb.stem)}" and nb.parent.parent == ROOT/"nbs", name_of(nb)


@pytest.mark.parametrize("nb", NOTEBOOKS, ids=name_of)
def test_notebook_is_clean(nb):
    content = json.loads(nb.read_text(encoding="utf-8"))
    assert "widgets" not in content["metadata"], "widget state is saved in the metadata: save the notebook without it"
    errors = [o.get("ename") for c in content["cells"] for o in c.get("outputs", []) if o["output_type"] == "error"]
    assert not errors, f"outputs hold errors: {errors}"
    machine = re.findall(r"(?<![\w.:/<>~=-])/(?:home|root|Users|opt|work|tmp|mnt|srv)/[\w./-]+", text(content))
    assert not machine, f"paths of one machine: {sorted(set(machine))[:5]}"


@pytest.mark.parametrize("nb", NOTEBOOKS, ids=name_of)
def test_notebook_names_its_kernel(nb):
    "No dialog asks for it, and a server without a browser can start it."
    kernel = json.loads(nb.read_text(encoding="utf-8"))["metadata"].get("kernelspec", {})
    assert kernel.get("name") == "python3" and kernel.get("language") == "python", "save the notebook with the kernel python3"


def text(notebook):
    "All a reader sees as text: sources and the text of outputs."
    parts = [source(c) for c in notebook["cells"]]
    for out in (o for c in notebook["cells"] for o in c.get("outputs", [])):
        parts += ["".join(out.get("text", []))]
        parts += ["".join(v) for k, v in out.get("data", {}).items() if k.startswith("text/") and isinstance(v, (str, list))]
    return "\n".join(parts)


def shows(cell):
    "Does a code cell print or end in a value, so that it has an output once it has run?"
    if cell["cell_type"] != "code" or any(re.match(r"export|exporti|exec|eval:|slow|hide", f) for f in flags(cell)): return False
    code = "\n".join(line for line in source(cell).splitlines() if not line.lstrip().startswith(("%", "!")))
    try: body = ast.parse(code).body
    except SyntaxError: return False
    return any(isinstance(s, ast.Expr) and isinstance(s.value, ast.Call) and isinstance(s.value.func, ast.Name)
               and s.value.func.id == "print" for s in body) \
        or bool(body) and isinstance(body[-1], ast.Expr) and isinstance(body[-1].value, (ast.Name, ast.Attribute, ast.Subscript)) \
        and not code.rstrip().endswith(";")


@pytest.mark.parametrize("nb", NOTEBOOKS, ids=name_of)
def test_notebook_is_executed(nb):
    "Readers see results without running anything."
    blank = [source(c) for c in cells(nb) if shows(c) and not c["outputs"]]
    assert not blank, f"{len(blank)} cells have no output, run the notebook and save it; the first:\n{blank[0]}"


# --- what is shipped

@pytest.mark.timeout(120)
def test_wheel_holds_modules_data_and_licences(tmp_path):
    for name in ("settings.ini", "setup.py", "pyproject.toml", "MANIFEST.in", "LICENSE", "NOTICE", "README.md"):
        if (ROOT/name).exists(): shutil.copy(ROOT/name, tmp_path)
    shutil.copytree(PACKAGE, tmp_path/"eagle_nb", ignore=shutil.ignore_patterns("__pycache__"))
    r = subprocess.run([sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-q",
                        "-w", tmp_path/"wheel", tmp_path], capture_output=True, text=True)
    assert r.returncode == 0, r.stderr[-3000:]
    wheel = next((tmp_path/"wheel").glob("*.whl"))
    with zipfile.ZipFile(wheel) as z: names = set(z.namelist())
    data = {name_of(p) for p in PACKAGE.glob("data/**/*") if p.is_file()}
    assert "eagle_nb/data/sprites.png" in data
    assert not (data | {name_of(m) for m in MODULES})-names, "missing from the wheel"
    assert {"LICENSE", "NOTICE", "OFL.txt"} <= {Path(n).name for n in names if ".dist-info/" in n}
    strangers = [n for n in names if not n.startswith("eagle_nb")]
    assert not strangers, f"in the wheel, but not of the package: {strangers}"


def test_no_large_file():
    if not (ROOT/".git").exists() or not shutil.which("git"): pytest.skip("not a git checkout")
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT,
                            capture_output=True, text=True, check=True).stdout.split("\0")
    sizes = {f: (ROOT/f).stat().st_size for f in listed if f and (ROOT/f).is_file()}
    assert sizes
    assert not {f: s for f, s in sizes.items() if s > 12_000_000}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_nothing_loads_code_from_data(path):
    "Files are JSON, NumPy or safetensors: no pickle, no code from a model's repository."
    code = uses(path.read_text(encoding="utf-8"))
    banned = r"\b(?:pickle|cPickle|dill|joblib|torch \. load|torch \. save|(?:trust_remote_code|allow_pickle) = True)\b"
    assert not re.findall(banned, code)


def test_the_check_for_pickle_checks():
    banned = uses("import pickle # pickle\ntorch.load('pickle')\nf(trust_remote_code=True)\n")
    assert banned.split().count("pickle") == 1 and "torch . load" in banned and "trust_remote_code = True" in banned


def test_the_front_page_and_the_readme_say_the_same():
    "The introduction and every section of nbs/index.ipynb stand in README.md, in the same sequence, with links as they are from there."
    def from_notebooks(text):
        def moved(m): return "](" + (m[1][4:] if m[1].startswith("nbs/") else "../" + m[1]) + ")"
        return re.sub(r"\]\((?!https?://|#)([^)]+)\)", moved, text)
    readme = from_notebooks((ROOT/"README.md").read_text())
    cells = [source(c).strip() for c in cells_of(ROOT/"nbs/index.ipynb") if c["cell_type"] == "markdown"]
    assert len(cells) >= 9
    places = [readme.find(c) for c in cells]
    assert -1 not in places, cells[places.index(-1)][:200]
    assert places == sorted(places)
    headings = [line for line in readme.splitlines() if line.startswith("## ")]
    assert [c.split("\n")[0] for c in cells if c.startswith("## ")] == headings


def cells_of(path): return json.loads(path.read_text(encoding="utf-8"))["cells"]


@pytest.mark.parametrize("path", [ROOT/"README.md", ROOT/"CONTRIBUTING.md", *NOTEBOOKS], ids=name_of)
def test_links_to_files_lead_somewhere(path):
    "Links and images of the README and of every notebook's prose that name a file of this checkout."
    prose = path.read_text(encoding="utf-8") if path.suffix == ".md" \
        else "\n".join(source(c) for c in cells_of(path) if c["cell_type"] == "markdown")
    named = re.findall(r"\]\((?!https?://|#|data:|attachment:)([^)#\s]+)", prose) + re.findall(r'(?:href|src)="(?!https?://|#|data:)([^"#]+)"', prose)
    assert not [n for n in named if not (path.parent/n).exists()]


@pytest.mark.parametrize("listed", ["slow.txt", "long.txt"])
def test_the_names_of_slow_tests_are_those_of_tests(listed):
    "What is left out exists; `python .ci/test.py slow` makes the list of the quick lane anew."
    names = (ROOT/"tests"/listed).read_text(encoding="utf-8").splitlines()
    assert names
    for name in names:
        path, _, function = name.partition("[")[0].partition("::")
        assert (ROOT/path).exists() and f"def {function}(" in (ROOT/path).read_text(encoding="utf-8"), name
