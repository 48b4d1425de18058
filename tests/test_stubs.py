"Stubs show type checkers what patched classes have at run time."
import ast
import importlib
import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
STUBS = sorted((ROOT/"eagle_nb").glob("*/*.pyi"))


def maker():
    spec = importlib.util.spec_from_file_location("stubs", ROOT/".ci"/"stubs.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CODE = '''
from eagle_nb.core.patching import patch

class Curve:
    "Values along an order."
    values: list
    def __init__(self, values:list): self.values = values

@patch
def mean(self:Curve, digits:int=2)->float:
    "The mean."
    return round(sum(self.values)/len(self.values), digits)

@patch(as_prop=True)
def ends(self:Curve)->tuple: return self.values[0], self.values[-1]

@patch(cls_method=True)
def flat(cls:Curve, n:int)->"Curve": return cls([0]*n)

def helper(x:int)->int: return x + 1
'''


def test_patched_functions_become_methods_of_their_class():
    tree = ast.parse(maker().stub(CODE))
    cls = next(n for n in tree.body if isinstance(n, ast.ClassDef))
    methods = {n.name: n for n in cls.body if isinstance(n, ast.FunctionDef)}
    assert set(methods) == {"__init__", "mean", "ends", "flat"}
    assert ast.unparse(methods["mean"].args) == "self, digits: int=2" and ast.unparse(methods["mean"].returns) == "float"
    assert ast.get_docstring(methods["mean"]) == "The mean."
    assert [d.id for d in methods["ends"].decorator_list] == ["property"]
    assert [d.id for d in methods["flat"].decorator_list] == ["classmethod"]
    assert [n.name for n in tree.body if isinstance(n, ast.FunctionDef)] == ["helper"]


def test_a_module_without_patches_needs_no_stub():
    assert maker().stub("def f(): return 1\n") is None


@pytest.mark.parametrize("path", STUBS, ids=lambda p: f"{p.parent.name}.{p.stem}")
def test_a_stub_has_everything_that_is_there_at_run_time(path):
    module = importlib.import_module(f"eagle_nb.{path.parent.name}.{path.stem}")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for cls in (n for n in tree.body if isinstance(n, ast.ClassDef)):
        known = {t.id for n in cls.body if isinstance(n, (ast.Assign, ast.AnnAssign))
                 for x in (n.targets if isinstance(n, ast.Assign) else [n.target]) for t in ast.walk(x) if isinstance(t, ast.Name)}
        known |= {n.name for n in cls.body if isinstance(n, ast.FunctionDef)}
        public = {name for name in vars(getattr(module, cls.name)) if not name.startswith("_")}
        assert public <= known, f"{cls.name} has {sorted(public - known)}, its stub has not: python .ci/stubs.py"
    public = {n for n in module.__all__ if getattr(getattr(module, n), "__module__", module.__name__) == module.__name__}
    named = {n.name for n in tree.body if isinstance(n, (ast.ClassDef, ast.FunctionDef))}
    named |= {t.id for n in tree.body if isinstance(n, ast.Assign) for x in n.targets for t in ast.walk(x) if isinstance(t, ast.Name)}
    assert {n for n in public if callable(getattr(module, n))} <= named
