"""What a page of reference says about the names of an exported cell, as MyST Markdown for Sphinx. Standard library only.

Code is read, never imported: signatures are shown as they are written, with the comments and docstrings beside them."""
import ast
import inspect
import io
import json
import re
import tokenize
from dataclasses import dataclass
from functools import lru_cache

SPECIAL = re.compile(r"([\\`*_\[\]<>{}$|#&~])")
CODE = re.compile(r"(`+)(.+?)\1")
WORD = re.compile(r"[A-Za-z_][\w.]*")


@dataclass(frozen=True)
class Name:
    "A public name, and where it is defined."
    name: str
    module: str  # such as eagle_nb.search.fast
    kind: str  # function, class or data
    summary: str = ""  # first sentence of its docstring, or its comment

    @property
    def full(self): return f"{self.module}.{self.name}"


@dataclass(frozen=True)
class Row:
    "A parameter or a field."
    name: str
    type: str = ""
    default: str = ""
    meaning: str = ""


# --- text

def escape(text):
    "Text that Markdown shows as it is."
    return SPECIAL.sub(r"\\\1", text)


def linked(code, known):
    "A code span, with a link where it is one public name, alone or called."
    home = known.get(code.removesuffix("()"))
    if home: return f"{{py:obj}}`{code} <{home.full}>`"
    fence = "`"*(1 + max([0, *map(len, re.findall("`+", code))]))
    return f"{fence}{code}{fence}"


def inline(text, known={}):
    "A sentence of a docstring or a comment: code spans stay, everything else is text."
    out, at = [], 0
    for m in CODE.finditer(text):
        out += [escape(text[at:m.start()]), linked(m[2].strip(), known)]
        at = m.end()
    return "".join([*out, escape(text[at:])])


def cell(text):
    "One line that may stand in a table."
    return re.sub(r"(?<!\\)\|", r"\\|", " ".join(text.split()))


def typed(annotation, known={}):
    "An annotation, its classes linked."
    text, out, at = annotation.strip("\"'"), [], 0
    for m in WORD.finditer(text):
        home = known.get(m[0])
        if not home or home.kind != "class": continue
        out += [escape(text[at:m.start()]), f"{{py:obj}}`{m[0]} <{home.full}>`"]
        at = m.end()
    return "".join([*out, escape(text[at:])])


def sentence(doc):
    "The first paragraph of a docstring, on one line."
    return " ".join(inspect.cleandoc(doc or "").split("\n\n")[0].split())


# --- code

def comments(code):
    "Comments by line, and the lines that hold nothing else."
    found, alone = {}, set()
    for t in tokenize.generate_tokens(io.StringIO(code).readline):
        if t.type != tokenize.COMMENT: continue
        found[t.start[0]] = t.string.lstrip("#").strip()
        if not t.line[:t.start[1]].strip(): alone.add(t.start[0])
    return found, alone


class Source:
    "The code of a cell with what its comments say."
    def __init__(self, code):
        self.lines, self.tree = [line.encode() for line in code.split("\n")], ast.parse(code)
        self.comments, self.alone = comments(code)

    def text(self, node):
        "A node on one line, as it is written."
        if node is None: return ""
        lines = self.lines[node.lineno-1:node.end_lineno]  # in bytes, as the columns of a node are
        lines[-1] = lines[-1][:node.end_col_offset]
        lines[0] = lines[0][node.col_offset:]
        return " ".join(b" ".join(lines).decode().split())

    def above(self, line):
        "Comments on lines of their own, right above a line."
        out = []
        while line-1 in self.alone:
            line -= 1
            out.insert(0, self.comments[line])
        return " ".join(out)

    def beside(self, node):
        "The comment at the end of a node, or above it."
        return self.comments.get(node.end_lineno) or self.above(node.lineno)


@lru_cache(None)
def read(code): return Source(code)


def arguments(doc):
    "Names and meanings below `Arguments:` in a docstring, and the docstring without them."
    head, _, tail = inspect.cleandoc(doc or "").partition("\nArguments:\n")
    found = {}
    for line in inspect.cleandoc(tail).splitlines():
        m = re.match(r"\*{0,2}(\w+): (.*)", line)
        if m: found[m[1]] = m[2]
        elif found: found[[*found][-1]] += f" {line.strip()}"
    return found, head.strip()


def parameters(node):
    "The arguments of a function, as (prefix, ast.arg, default) in the sequence of its signature."
    a = node.args
    plain = [*a.posonlyargs, *a.args]
    defaults = [None]*(len(plain)-len(a.defaults)) + a.defaults
    out = [("", arg, d) for arg, d in zip(plain, defaults)]
    if a.posonlyargs: out.insert(len(a.posonlyargs), ("/", None, None))
    if a.vararg: out.append(("*", a.vararg, None))
    elif a.kwonlyargs: out.append(("*", None, None))
    out += [("", arg, d) for arg, d in zip(a.kwonlyargs, a.kw_defaults)]
    if a.kwarg: out.append(("**", a.kwarg, None))
    return out


def signature(params, src):
    "Names and defaults: types stand in the table below."
    parts = [f"{star}{arg.arg if arg else ''}" + (f"={src.text(d)}" if d else "") for star, arg, d in params]
    return f"({', '.join(parts)})"


def rows(params, node, src):
    "What the table of a function says of its parameters."
    listed, _ = arguments(ast.get_docstring(node))
    last = {(d or arg).end_lineno: arg for _, arg, d in params if arg}  # a line's comment is of its last parameter
    before = {arg.lineno: arg for _, arg, _ in reversed(params) if arg}
    out = []
    for star, arg, default in params:
        if not arg: continue
        end = (default or arg).end_lineno
        of_returns = node.returns and end == node.returns.end_lineno
        said = src.comments.get(end) if last[end] is arg and not of_returns else ""
        if not said and before[arg.lineno] is arg: said = src.above(arg.lineno)
        out.append(Row(star+arg.arg, src.text(arg.annotation), src.text(default), said or listed.get(arg.arg, "")))
    return out


def returned(node, src, known={}):
    "A line on what comes back, or nothing."
    if not node.returns: return ""
    said, kind = src.comments.get(node.returns.end_lineno, ""), src.text(node.returns)
    if kind == "None" and not said: return ""
    return f"{{.returns}}\nReturns {typed(kind, known)}" + (f": {inline(said, known)}" if said else "")


def table(lines, known={}, of="parameter"):
    "Rows as a Markdown table without its empty columns; nothing where it would repeat the signature."
    if not any(r.type or r.meaning for r in lines): return ""
    kept = [k for k in ("type", "default", "meaning") if any(getattr(r, k) for r in lines)]
    show = dict(type=lambda t: typed(t, known), meaning=lambda t: inline(t, known),
                default=lambda t: linked(t, {}) if t else "")
    out = [f"| {' | '.join([of, *kept])} |", "|---"*(1+len(kept)) + "|"]
    for r in lines:
        cells = [cell(show[k](getattr(r, k))) for k in kept]
        out.append(f"| {' | '.join([linked(r.name, {}), *cells])} |")
    return "\n".join(["{.parameters}", *out])


# --- entries

def directive(kind, head, body, module, options=(), depth=0):
    "A Sphinx directive as a fence that is longer than those in it."
    fence, body = "`"*(6-depth), [b for b in body if b]
    lines = [f"{fence}{{py:{kind}}} {head}", f":module: {module}", *options, "", "\n\n".join(body), fence]
    return "\n".join(lines)


def paragraphs(doc, known):
    return "\n\n".join(inline(p, known) for p in arguments(doc)[1].split("\n\n"))


def decorated(node, *names):
    "The decorator of one of these names, as a name or a call, or None."
    for d in node.decorator_list:
        target = d.func if isinstance(d, ast.Call) else d
        if getattr(target, "id", getattr(target, "attr", None)) in names: return d
    return None


def patched(node):
    "The class that a function is patched into, and its keywords; (None, ()) for a plain function."
    patch = decorated(node, "patch") if isinstance(node, ast.FunctionDef) else None
    if patch is None or not node.args.args: return None, ()
    return ast.unparse(node.args.args[0].annotation).strip("\"'"), {k.arg for k in getattr(patch, "keywords", ())}


def function(node, src, module, known, owner="", how=(), depth=0):
    "The entry of a function or a method."
    params = parameters(node)
    static = decorated(node, "staticmethod")
    if owner and not static: params = params[1:]
    prop = decorated(node, "property", "cached_property") or {"as_prop", "cached"} & set(how)
    cls = decorated(node, "classmethod") or "cls_method" in how
    kind = "function" if not owner else "property" if prop else "method"
    head = f"{owner}.{node.name}" if owner else node.name
    options = [":classmethod:"] if cls else [":staticmethod:"] if owner and static else []
    if kind != "property": head += signature(params, src)
    lines = table(rows(params, node, src), known)
    body = [paragraphs(ast.get_docstring(node), known), lines, returned(node, src, known)]
    return directive(kind, head, body, module, options, depth)


def targets(node):
    "What an assignment binds; nothing for other code."
    if isinstance(node, ast.AnnAssign): return [node.target]
    return node.targets if isinstance(node, ast.Assign) else []


def told(node):
    "Is a method for users: public, or a special one that says what it does?"
    return not node.name.startswith("_") or node.name.startswith("__") and bool(ast.get_docstring(node))


def fields(node, src):
    "What the body of a class declares."
    out = []
    for part in node.body:
        for t in targets(part):
            if not isinstance(t, ast.Name) or t.id.startswith("_"): continue
            value = src.text(part.value) if part.value and not src.text(part.value).startswith("field(") else ""
            out.append(Row(t.id, src.text(getattr(part, "annotation", None)), value, src.beside(part)))
    return out


def methods(node):
    "Public methods in the body of a class, and special ones that say what they do."
    for part in node.body:
        if not isinstance(part, ast.FunctionDef) or part.name == "__init__" or decorated(part, "setter"): continue
        if told(part): yield part


def class_(node, src, module, known):
    "The entry of a class: how it is made, its fields, the methods of its body."
    init = next((n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"), None)
    declared, made, head = fields(node, src), [], node.name
    if init:
        params = parameters(init)[1:]
        head, made = node.name + signature(params, src), rows(params, init, src)
    elif decorated(node, "dataclass"):
        head += "(" + ", ".join(r.name + (f"={r.default}" if r.default else "") for r in declared if r.type) + ")"
    inside = [function(m, src, module, known, node.name, depth=1) for m in methods(node)]
    body = [paragraphs(ast.get_docstring(node), known), table(made, known), table(declared, known, "field"), *inside]
    return directive("class", head, body, module)


def constants(node):
    "Names that an assignment binds."
    return [n.id for t in targets(node) for n in ast.walk(t) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]


def constant(name, node, src, module, known):
    "The entry of a constant, with its value where that is short."
    value = src.text(node.value)
    options = [f":value: {json.dumps(value)}"] if len(constants(node)) == 1 and len(value) <= 80 else []
    return directive("data", name, [inline(src.beside(node), known)], module, options)


def entries(code, module, public, known={}):
    "Entries of all public names that a cell defines, methods that it patches among them."
    src, out = read(code), []
    for node in src.tree.body:
        owner, how = patched(node)
        if owner:
            if owner in public and told(node): out.append(function(node, src, module, known, owner, how))
        elif isinstance(node, ast.FunctionDef) and node.name in public: out.append(function(node, src, module, known))
        elif isinstance(node, ast.ClassDef) and node.name in public: out.append(class_(node, src, module, known))
        else: out += [constant(n, node, src, module, known) for n in constants(node) if n in public]
    return out


def reference(name, module, home):
    "The entry of a name that another module defines."
    shown = f"{home.module.removeprefix('eagle_nb.')}.{name}"
    return directive("data", name, [f"The same as {{py:obj}}`{shown} <{home.full}>`."], module)


def defined(code, module, public):
    "The public names that some code defines, as `Name`s."
    src = read(code)
    for node in src.tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name in public and not patched(node)[0]:
            kind = "class" if isinstance(node, ast.ClassDef) else "function"
            yield Name(node.name, module, kind, sentence(ast.get_docstring(node)))
        for n in constants(node):
            if n in public: yield Name(n, module, "data", src.beside(node))


def inner(code):
    "Names of parameters, methods and fields: one of them in a sentence need not be the public name."
    src = read(code)
    for node in ast.walk(src.tree):
        if isinstance(node, ast.ClassDef):
            yield from (r.name for r in fields(node, src))
            yield from (m.name for m in node.body if isinstance(m, ast.FunctionDef))
        if isinstance(node, ast.FunctionDef):
            if patched(node)[0]: yield node.name
            yield from (arg.arg for _, arg, _ in parameters(node) if arg)


def only_imports(code):
    return all(isinstance(n, (ast.Import, ast.ImportFrom)) for n in read(code).tree.body)
