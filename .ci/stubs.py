"""Stubs for type checkers and completion: `python .ci/stubs.py`. Standard library only.

A class grows over several cells by `@patch`, which static tools cannot follow. For each module that does so, a stub
beside it shows the class with all its methods. A stub is generated from its module and never edited."""
import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT/"eagle_nb"
HEAD = '"""Generated from {name} by .ci/stubs.py; do not edit."""\n'


def decorator(node, name):
    "The decorator of that name, as a name or a call, or None."
    for d in node.decorator_list:
        target = d.func if isinstance(d, ast.Call) else d
        if getattr(target, "id", getattr(target, "attr", None)) == name: return d
    return None


def signature(node):
    "A function without its body; the docstring stays."
    doc = ast.get_docstring(node, clean=False)
    node.body = [ast.Expr(ast.Constant(doc))] if doc else []
    node.body.append(ast.Expr(ast.Constant(...)))
    return node


def method(node):
    "A patched function as the method that it becomes: the owner's name and the definition."
    patch = decorator(node, "patch")
    how = {k.arg for k in getattr(patch, "keywords", ())}
    first = node.args.args[0]
    owner, first.annotation = ast.unparse(first.annotation), None
    node.decorator_list = [d for d in node.decorator_list if d is not patch]
    wrap = "property" if how & {"as_prop", "cached"} else "classmethod" if "cls_method" in how else None
    if wrap: node.decorator_list.insert(0, ast.Name(wrap))
    return owner, signature(node)


def in_class(node):
    "A class with its fields and the signatures of its methods."
    body = []
    for part in node.body:
        if isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef)): body.append(signature(part))
        elif isinstance(part, ast.ClassDef): body.append(in_class(part))
        else: body.append(part)
    node.body = body
    return node


def stub(code):
    "The stub of a module, or None where nothing is patched."
    tree, classes, out = ast.parse(code), {}, []
    if not any(isinstance(n, ast.FunctionDef) and decorator(n, "patch") for n in tree.body): return None
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            classes[node.name] = in_class(node)
            out.append(node)
        elif isinstance(node, ast.FunctionDef) and decorator(node, "patch"):
            owner, made = method(node)
            classes[owner].body.append(made)
        elif isinstance(node, ast.FunctionDef): out.append(signature(node))
        elif isinstance(node, (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.If)): out.append(node)
    return ast.unparse(ast.fix_missing_locations(ast.Module(out, []))) + "\n"


def main():
    wanted = {}
    for path in sorted(PACKAGE.glob("*/*.py")):
        text = stub(path.read_text(encoding="utf-8"))
        if text: wanted[path.with_suffix(".pyi")] = HEAD.format(name=path.name) + text
    for path in PACKAGE.glob("*/*.pyi"):
        if path not in wanted: path.unlink()
    for path, text in wanted.items():
        if not path.exists() or path.read_text(encoding="utf-8") != text: path.write_text(text, encoding="utf-8")


if __name__ == "__main__": main()
