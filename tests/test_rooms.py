"The house: six rooms on their floors. Imports go down, between rooms and inside them; nothing goes in a circle."
import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import eagle_nb

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT/"eagle_nb"
FLOOR = {"core": 1, "search": 2, "world": 2, "explanation": 3, "runs": 4, "evaluation": 5, "apps": 6}
MODULES = sorted(p for p in PACKAGE.glob("*/*.py") if p.name != "__init__.py")
NUMBERS = {f"{nb.parent.name}.{nb.stem[3:]}": int(nb.stem[:2]) for nb in ROOT.glob("nbs/*/[0-9][0-9]_*.ipynb") if nb.parent.name in FLOOR}


def name_of(path): return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


def imports(code, module):
    "Modules of the package that the code of a module imports, wherever in the file; `room.module` each."
    room, found = module.split(".")[0], set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import): targets = [a.name for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = {0: [], 1: ["eagle_nb", room], 2: ["eagle_nb"]}[node.level]
            base = ".".join([*start, *([node.module] if node.module else [])])
            targets = [base, *(f"{base}.{a.name}" for a in node.names)]
        else: continue
        found |= {t.removeprefix("eagle_nb.") for t in targets if t.startswith("eagle_nb.")}
    known = {name_of(m) for m in MODULES}
    return {f for f in found if f in known} | {f for f in found if f in FLOOR and f != room and not any(k.startswith(f + ".") for k in found & known)}


def arrows(): return {name_of(m): imports(m.read_text(encoding="utf-8"), name_of(m)) for m in MODULES}


def upward(of):
    "Arrows to a higher floor, to a neighbour on the same floor, or to a later notebook of the same room."
    wrong = []
    for module, others in of.items():
        for other in others:
            here, there = module.split(".")[0], other.split(".")[0]
            if here == there: down = NUMBERS[other] < NUMBERS[module]
            else: down = FLOOR[there] < FLOOR[here]
            if not down: wrong.append(f"{module} imports {other}")
    return wrong


def test_every_room_is_there():
    assert {m.parent.name for m in MODULES} == set(FLOOR)
    assert len(arrows()) >= 40 and sum(map(len, arrows().values())) >= 100
    assert {name_of(m) for m in MODULES} == set(NUMBERS)


def test_no_import_goes_up_or_in_a_circle():
    assert not upward(arrows())


@pytest.mark.parametrize("module, line", [("core.scores", "from ..search.search import search"), ("core.models", "from .checkpoints import load_checkpoint"),
                                          ("search.search", "def f():\n    from .fast import fast"), ("world.scenes", "from ..search import fast"),
                                          ("core.costs", "import eagle_nb.apps.demo")])
def test_an_arrow_that_runs_up_is_found(module, line):
    assert upward({module: imports(line, module)})


PATHS = [f"eagle_nb.{name_of(m)}" for m in MODULES] + [f"eagle_nb.{r}" for r in FLOOR]
IMPORT_EACH = """
import importlib, json, os, sys, traceback
import cv2, ipywidgets, matplotlib.figure, pandas, scipy.stats, skimage, torch, tqdm  # of others, once for all
import transformers, transformers.models.llava.modeling_llava, transformers.models.qwen2_5_vl.modeling_qwen2_5_vl
assert "eagle_nb" not in sys.modules
for name in json.loads(sys.argv[1]):
    child = os.fork()  # which knows nothing of what another one has imported
    if child == 0:
        try: code = 0 if importlib.import_module(name).__name__ == name else 1
        except BaseException: traceback.print_exc(); code = 1
        os._exit(code)
    print(name, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.fixture(scope="module")
def imported():
    "Each module imported by its path in a process that has imported no other of this package: exit codes, and what was printed."
    r = subprocess.run([sys.executable, "-c", IMPORT_EACH, json.dumps(PATHS)], capture_output=True, text=True)
    return dict(line.split() for line in r.stdout.splitlines()), r.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("module", PATHS)
def test_every_module_is_imported_by_its_path_in_a_fresh_process(imported, module):
    codes, errors = imported
    assert codes.get(module) == "0", errors[-2000:]


def test_the_public_names_are_known_to_type_checkers():
    "What `__getattr__` finds at run time is what the block for type checkers imports, each from the module that makes it."
    tree = ast.parse((PACKAGE/"__init__.py").read_text())
    block = next(n for n in tree.body if isinstance(n, ast.If) and getattr(n.test, "id", "") == "TYPE_CHECKING")
    static = {a.asname or a.name: n.module for n in block.body for a in n.names}
    assert set(static) == set(eagle_nb.__all__) - {"__version__"}
    for name, module in static.items():
        value = getattr(eagle_nb, name)
        home = getattr(value, "__module__", None) or value.__name__.rpartition(".")[0]
        assert home == f"eagle_nb.{module}", name
    with pytest.raises(AttributeError, match="has no attribute 'nothing'.*explain"): eagle_nb.nothing


def test_a_name_is_what_it_is_whatever_was_imported_before():
    code = "import eagle_nb; f = eagle_nb.explain; import eagle_nb.explanation.explanation; assert eagle_nb.explain is f and callable(f); print('same')"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "same"


def test_each_room_says_what_it_is():
    for room in FLOOR:
        doc = ast.get_docstring(ast.parse((PACKAGE/room/"__init__.py").read_text()))
        assert doc and not re.search("AUTOGENERATED", doc), room


# --- nobody reaches into another's private parts

def private_uses(code):
    "Underscore names of other modules or objects that a module uses without defining them itself."
    tree = ast.parse(code)
    own = {n.name for n in ast.walk(tree) if isinstance(n, (ast.FunctionDef, ast.ClassDef))}
    own |= {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store)}
    own |= {t.id for n in ast.walk(tree) if isinstance(n, ast.Assign) for x in n.targets for t in ast.walk(x) if isinstance(t, ast.Name)}
    private = re.compile(r"_[a-z]\w*$")
    found = [f"from {n.module} import {a.name}" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.level
             for a in n.names if private.match(a.name)]
    for n in ast.walk(tree):
        if not isinstance(n, ast.Attribute) or not private.match(n.attr) or n.attr in own: continue
        if not isinstance(n.value, ast.Name) or n.value.id not in ("self", "cls"): found.append(ast.unparse(n)) # what a class inherits is its own
    return found


OF_OTHER_LIBRARIES = ("part._forward_hooks", "config._", "model._update_model_kwargs", "torch.cpu._", "model._no_split", "_repr_", "ax._", "fig._", "parser._", "_replace", "V._", "kernel._", "_allow_stdin", "_instances")


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_module_uses_private_names_of_another(path):
    found = [u for u in private_uses(path.read_text(encoding="utf-8")) if not any(o in u for o in OF_OTHER_LIBRARIES)]
    assert not found


def test_a_private_use_is_found():
    assert private_uses("from .plots import _write\nscorer._known.clear()") == ["from plots import _write", "scorer._known"]
    assert private_uses("class A:\n    def f(self): self._x = 1\ndef g(a): return a._x") == []


@pytest.mark.parametrize("path", [m for m in MODULES if m.parent.name != "core"], ids=name_of)
def test_only_core_reaches_into_the_transformers_model(path):
    "`Model` has what the others need; in the training of the embedded models, `model` is the transformers object itself."
    if name_of(path) == "world.training": pytest.skip("builds the models")
    assert not re.findall(r"\b(?:model|m)\.model\b(?!\()", path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", sorted((ROOT/"tests").rglob("*.py")), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_tests_import_no_private_names(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = [a.name for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and (n.module or "").startswith("eagle_nb") for a in n.names]
    assert not [n for n in names if n.startswith("_")]


def test_rooms_and_their_modules_are_there_without_an_import_of_their_own():
    code = ("import eagle_nb, sys; assert 'torch' not in sys.modules; assert {'core', 'apps'} <= set(dir(eagle_nb)); "
            "print(eagle_nb.core.scores.FunctionScorer.__name__, eagle_nb.runs.store.Store.__name__, 'scores' in dir(eagle_nb.core))")
    r = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert r.stdout.split() == ["FunctionScorer", "Store", "True"], r.stderr
    with pytest.raises(AttributeError, match="'eagle_nb.core' has no attribute 'nothing': it has .*scores"): eagle_nb.core.nothing
