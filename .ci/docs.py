"""The documentation site, from the notebooks as they stand: `make docs`. Nothing is executed or imported, and a page
loads nothing from a network.

The pages are prepared in _docs/source and built by Sphinx into _docs/html. Sphinx and what it needs are installed into
.docs, apart from .venv, whose versions they do not share; .ci/docs.txt pins them."""
import ast
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from configparser import ConfigParser
from functools import cached_property
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from reference import cell, defined, entries, escape, inline, inner, linked, only_imports, reference  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
PACKAGES, PINNED, LOOK = ROOT/".docs", ROOT/".ci"/"docs.txt", ROOT/".ci"/"site"
OUT = ROOT/"_docs"
ROOMS = ("core", "search", "world", "explanation", "runs", "evaluation", "apps")  # from the ground floor up
PAGES = {"README.md": "index", "CHANGELOG.md": "changelog", "CONTRIBUTING.md": "contributing"}  # files that are pages
FLAG = re.compile(r"^\s*#\|\s*(\w+)[ \t]*(.*?)\s*$\n?", re.M)
FENCE = re.compile(r"^( *)(`{3,}|~{3,}).*?^\1\2`*~*\s*?$", re.M | re.S)
SPAN = re.compile(r"(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.S)
TARGET = re.compile(r"\]\(([^()\s]+)\)")
LINK_TEXT = re.compile(r"\[(?:[^\[\]]|\[[^\[\]]*\])*\](?=\()")
HEADING = re.compile(r"^(#{1,6}) +(.+?) *$", re.M)


def toctree(pages, caption="", depth=1):
    "A table of contents that only the sidebar shows."
    head = [":hidden:", f":maxdepth: {depth}", *([f":caption: {caption}"] if caption else [])]
    return "\n".join(["```{toctree}", *head, "", *pages, "```"])


def markdown(text): return dict(cell_type="markdown", metadata={}, source=text)


def words(heading):
    "What a heading says, without its code spans and links."
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").strip()


def slug(heading):
    "The anchor that MyST gives to a heading."
    return re.sub(r"[^\w\- ]", "", words(heading).lower()).replace(" ", "-")


def outside(pattern, text, change):
    "Text with a change made everywhere but in what the pattern finds."
    out, at = [], 0
    for m in pattern.finditer(text):
        out += [change(text[at:m.start()]), m[0]]
        at = m.end()
    return "".join([*out, change(text[at:])])


def prose(text, change): return outside(FENCE, text, lambda part: outside(SPAN, part, change))


def attribute(tag, name):
    m = re.search(rf'\b{name}="([^"]*)"', tag)
    return m[1] if m else ""


def without_html(text):
    "Images and links that are written as HTML, as Markdown: Sphinx follows only that."
    def image(m):
        width = attribute(m[0], "width")
        return f"![{attribute(m[0], 'alt')}]({attribute(m[0], 'src')})" + (f"{{width={width}px}}" if width else "")
    text = re.sub(r"<img\b[^>]*>", image, text)
    return re.sub(r'<a href="([^"]*)">(.*?)</a>', r"[\2](\1)", text, flags=re.S)


class Notebook:
    "A notebook as it stands."
    def __init__(self, path):
        self.path = path
        self.nb = json.loads(path.read_text(encoding="utf-8"))
        self.cells = [dict(c, source="".join(c["source"])) for c in self.nb["cells"]]

    def flags(self, c): return dict(FLAG.findall(c["source"])) if c["cell_type"] == "code" else {}

    @cached_property
    def exports(self):
        "The module that it is the source of, without the package, or an empty string."
        return next((f["default_exp"] for f in map(self.flags, self.cells) if "default_exp" in f), "")

    @cached_property
    def exported(self):
        "Its exported cells, without their flags."
        return [FLAG.sub("", c["source"]).strip() for c in self.cells if "export" in self.flags(c)]

    @cached_property
    def prose(self): return "\n\n".join(c["source"] for c in self.cells if c["cell_type"] == "markdown")

    @cached_property
    def headings(self): return [m[2] for m in HEADING.finditer(FENCE.sub("", self.prose))]

    @cached_property
    def promise(self):
        "The line that says what it is for."
        found = re.search(r"^> (.+)$", self.prose, re.M)
        return found[1] if found else ""

    @property
    def title(self): return words(self.headings[0])


class Site:
    "All pages: what is public and where, what links lead to, and the pages themselves."
    def __init__(self, root=ROOT):
        self.root, self.nbs = Path(root), Path(root)/"nbs"
        found = sorted(p for p in self.nbs.rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts)
        self.notebooks = {p.relative_to(self.nbs).with_suffix("").as_posix(): Notebook(p) for p in found}
        self.files = {}  # what pages show or offer, by the path in the site

    @cached_property
    def url(self):
        config = ConfigParser(delimiters=["="], interpolation=None)
        config.read(self.root/"settings.ini", encoding="utf-8")
        at = config["DEFAULT"]
        return f"https://github.com/{at['user']}/{at['repo']}/blob/{at['branch']}"

    # --- names

    @cached_property
    def public(self):
        "The names in `__all__` of each module, in its own sequence."
        out = {}
        for nb in self.notebooks.values():
            if not nb.exports: continue
            package = f"eagle_nb.{nb.exports}"
            tree = ast.parse((self.root/f"{package.replace('.', '/')}.py").read_text(encoding="utf-8"))
            bound = {getattr(n.targets[0], "id", ""): n.value for n in tree.body if isinstance(n, ast.Assign)}
            out[package] = ast.literal_eval(bound["__all__"]) if "__all__" in bound else []
        return out

    @cached_property
    def names(self):
        "Every public name where it is defined."
        found = []
        for nb in self.notebooks.values():
            module = f"eagle_nb.{nb.exports}"
            for code in nb.exported: found += defined(code, module, self.public[module])
        return [*{n.full: n for n in found}.values()]

    @cached_property
    def borrowed(self):
        "Names that a module offers and another one defines: (module, name) and its home."
        own = {n.full for n in self.names}
        homes = {n.name: n for n in self.names}
        return {(m, n): homes[n] for m, ns in self.public.items() for n in ns if f"{m}.{n}" not in own}

    @cached_property
    def known(self):
        """What a code span may stand for: functions and classes whose name means nothing else, and names after their module's.
        `order` is a parameter as well as a function, so it is not linked; `orders.order` is."""
        out = {}
        several = {name for nb in self.notebooks.values() for code in nb.exported for name in inner(code)}
        for n in self.names:
            room, module = n.module.split(".")[1:]
            for short in (f"{module}.{n.name}", f"{room}.{module}.{n.name}", n.full): out[short] = n
            if n.name in out: several.add(n.name)
            if n.kind != "data": out[n.name] = n
        return {k: n for k, n in out.items() if k not in several}

    # --- links

    def anchor(self, page, fragment):
        "The anchor of a heading that a link names in Jupyter's or GitHub's way."
        def plain(text): return re.sub(r"[\W_]+", "-", text.lower()).strip("-")
        for heading in self.notebooks[page].headings:
            if plain(words(heading)) == plain(fragment): return slug(heading)
        there = ", ".join(map(words, self.notebooks[page].headings))
        raise ValueError(f"no heading {fragment!r} in nbs/{page}.ipynb: choose one of {there}")

    def to(self, target, source, page):
        "Where a link of a file leads, seen from a page of the site."
        if re.match(r"[a-z]+:", target): return target
        path, _, fragment = target.partition("#")
        if not path: return f"#{self.anchor(page, fragment)}" if page in self.notebooks else target
        file = Path(os.path.normpath(source.parent/path))
        inside = file.relative_to(self.root).as_posix() if file.is_relative_to(self.root) else None
        if inside is None or not file.exists():
            raise ValueError(f"{source.relative_to(self.root)} links to {target}, which is not there: mend the link")
        back = "../"*page.count("/")
        if file.is_relative_to(self.nbs) and file.suffix == ".ipynb":
            to = file.relative_to(self.nbs).with_suffix("").as_posix()
            return f"{back}{to}.ipynb" + (f"#{self.anchor(to, fragment)}" if fragment else "")
        if inside in PAGES: return f"{back}{PAGES[inside]}.{'ipynb' if PAGES[inside] in self.notebooks else 'md'}"
        if file.is_dir(): return f"{self.url.replace('/blob/', '/tree/')}/{inside}"
        self.files[f"files/{inside}"] = file
        return f"{back}files/{inside}"

    def text(self, text, source, page):
        "Markdown of a file as Markdown of a page: links followed, public names linked."
        def follow(part): return TARGET.sub(lambda m: f"]({self.to(m[1], source, page)})", part)
        text = FENCE.sub(lambda m: re.sub(r"\A( *[`~]+)(?=\n)", r"\1text", m[0]), text)
        return self.name_links(prose(prose(text, without_html), follow))

    def name_links(self, text):
        "Code spans that are public names, linked; not in headings, and not in other links."
        def span(m):
            return linked(m[2], self.known) if m[1] == "`" and m[2].removesuffix("()") in self.known else m[0]
        def line(part):
            if HEADING.match(part): return part
            return outside(LINK_TEXT, part, lambda p: SPAN.sub(span, p))
        return outside(FENCE, text, lambda part: "\n".join(map(line, part.split("\n"))))

    # --- pages

    def outputs(self, c):
        "What a cell shows, without widgets, which need a kernel, and without warnings of the machine that ran it."
        out = [dict(o) for o in c.get("outputs", []) if o.get("name") != "stderr"]
        for o in out:
            if "data" not in o: continue
            o["data"] = {k: v for k, v in o["data"].items() if "widget" not in k and k != "image/jpeg"}
        return [o for o in out if o.get("data", True)]

    def code(self, c, nb):
        "A code cell as cells of a page: shown, or described with its source folded."
        flags, source = nb.flags(c), FLAG.sub("", c["source"]).strip()
        if "hide" in flags or "default_exp" in flags or not source: return []
        shown = dict(cell_type="code", metadata={}, execution_count=None, source=source, outputs=self.outputs(c))
        if "export" not in flags: return [shown]
        if only_imports(source) and not shown["outputs"]: return []
        module = f"eagle_nb.{nb.exports}"
        told = entries(source, module, self.public[module], self.known)
        for (offers, name), home in self.borrowed.items():
            if offers == module and re.search(rf"\b_all_\b.*\b{name}\b", source, re.S): told.append(reference(name, module, home))
        shown["metadata"] = dict(tags=["hide-input"])
        return [*([markdown("\n\n".join(told))] if told else []), shown]

    def about(self, page, nb):
        "The line below a title: the module, and the notebook it is made from."
        notebook = f"[notebook]({self.url}/nbs/{page}.ipynb)"
        if not nb.exports: return f"{{.about}}\n{notebook}"
        module = f"eagle_nb.{nb.exports}"
        return f"```{{py:module}} {module}\n```\n\n{{.about}}\n`{module}` · {notebook}"

    def notebook(self, page):
        "A notebook as a page."
        nb, cells = self.notebooks[page], []
        for c in nb.cells:
            if c["cell_type"] == "code": cells += self.code(c, nb)
            elif c["cell_type"] == "markdown": cells.append(markdown(self.text(c["source"], nb.path, page)))
        title, _, rest = cells[0]["source"].partition("\n")
        if page != "index": cells[0] = markdown(f"{title}\n\n{self.about(page, nb)}\n{rest}")
        cells += [markdown(t) for t in self.contents.get(page, [])]
        kernel = dict(name="python3", display_name="Python 3", language="python")
        made = dict(cells=cells, metadata=dict(kernelspec=kernel, language_info=dict(name="python")), nbformat=4, nbformat_minor=4)
        return json.dumps(made, ensure_ascii=False, indent=1)

    def below(self, folder):
        return [p for p in self.notebooks if p.startswith(f"{folder}/")]

    @cached_property
    def paper(self):
        "The pages of the paper in the sequence of their index."
        listed = [f"paper/{name}" for name in re.findall(r"\]\((\w+)\.ipynb\)", self.notebooks["paper/index"].prose)]
        found = [p for p in self.below("paper") if p != "paper/index"]
        return sorted(found, key=lambda p: listed.index(p) if p in listed else len(listed))

    @cached_property
    def contents(self):
        "Tables of contents that the sidebar is made from, by the page that holds them."
        apps = [p for p in self.below("apps") if not self.notebooks[p].exports]
        parts = {"Start": ["Overview <self>"], "Tutorials": self.below("tutorials"), "How-to": self.below("howto"),
                 "The paper": ["paper/index"], "Apps": apps,
                 "Reference": [*(f"{room}/index" for room in ROOMS), "names"], "Project": ["changelog", "contributing"]}
        own = [p.split("/")[1] for p in self.paper]
        start = [toctree(pages, caption) for caption, pages in parts.items() if pages]
        return {"index": start, "paper/index": [toctree(own)]}

    @cached_property
    def promises(self):
        "What each room holds, from the table of the overview."
        text = "\n".join(c["source"] for c in self.notebooks["index"].cells)
        return {m[1]: m[2] for m in re.finditer(r"^\| \d+ \| `(\w+)` \| (.*?) \|", text, re.M)}

    def room(self, room):
        "A page that lists the modules of a room."
        pages = [p for p in self.below(room) if self.notebooks[p].exports]
        lines = [f"# {room.capitalize()}", "", f"> {self.promises[room][0].upper()}{self.promises[room][1:]}.", "",
                 "{.names}", "| module | what it is for |", "|---|---|"]
        for p in pages:
            nb = self.notebooks[p]
            promise = cell(self.text(nb.promise, nb.path, p))
            lines.append(f"| [{escape(nb.title)}]({p.split('/')[1]}.ipynb) | {promise} |")
        return "\n".join([*lines, "", toctree([p.split("/")[1] for p in pages]), ""])

    def all_names(self):
        "A page with every public name, by its first letter."
        lines = ["# All names", "", f"> {len(self.names)} public names of {len(self.public)} modules, from A to Z.", "",
                 "Methods of classes are listed with their class; the search finds them, too.", ""]
        def first(n): return n.name.lstrip("_")[0].upper()
        letter, pages = "", {f"eagle_nb.{nb.exports}": p for p, nb in self.notebooks.items() if nb.exports}
        for n in sorted(self.names, key=lambda n: (first(n), n.name.lower(), n.module)):
            if first(n) != letter:
                letter = first(n)
                lines += ["", f"## {letter}", "", "{.names}", "| name | module | what it is |", "|---|---|---|"]
            call = "()" if n.kind == "function" else ""
            module = f"[{n.module.removeprefix('eagle_nb.')}]({pages[n.module]}.ipynb)"
            lines.append(f"| {{py:obj}}`{n.name}{call} <{n.full}>` | {module} | {cell(inline(n.summary))} |")
        return "\n".join([*lines, ""])

    def pages(self):
        "All pages: path in the source tree and text."
        for page in self.notebooks: yield f"{page}.ipynb", self.notebook(page)
        for room in ROOMS: yield f"{room}/index.md", self.room(room)
        yield "names.md", self.all_names()
        for name, page in PAGES.items():
            if page == "index": continue
            yield f"{page}.md", self.text((self.root/name).read_text(encoding="utf-8"), self.root/name, page)


def prepare(source, site=None):
    "Write the pages and what they show; what is unchanged stays as it is, so that Sphinx need not read it again."
    site, wanted = site or Site(), {}
    for name, text in site.pages(): wanted[name] = text.encode()
    for name, file in site.files.items(): wanted[name] = file.read_bytes()
    wanted["conf.py"] = (LOOK/"conf.py").read_bytes()
    for name in ("site.css", "site.js"): wanted[f"_static/{name}"] = (LOOK/name).read_bytes()
    for path in source.rglob("*"):
        if path.is_file() and path.relative_to(source).as_posix() not in wanted: path.unlink()
    for name, data in wanted.items():
        path = source/name
        if path.exists() and path.read_bytes() == data: continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return site


def content(): return f"{sys.version_info[0]}.{sys.version_info[1]} {hashlib.sha256(PINNED.read_bytes()).hexdigest()}"


def installed():
    "Are the packages of .ci/docs.txt in .docs, for this Python?"
    stamp = PACKAGES/"stamp"
    return stamp.exists() and stamp.read_text(encoding="utf-8") == content()


def install():
    "Install Sphinx and what it needs into .docs, unless it is there."
    if installed(): return
    if sys.version_info < (3, 11):
        sys.exit(f"The site needs Python 3.11 or newer, as Sphinx 9 does, and {sys.executable} is {sys.version.split()[0]}: "
                 "make docs PYTHON=python3.11")
    shutil.rmtree(PACKAGES, ignore_errors=True)
    print(f"[docs] installing Sphinx into {PACKAGES.name} (once: half a minute)", flush=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps"]
    if subprocess.run([*pip, "--target", str(PACKAGES), "-r", str(PINNED)]).returncode:
        sys.exit("pip failed: mend the cause (often the network) and repeat the command.")
    (PACKAGES/"stamp").write_text(content(), encoding="utf-8")


def sphinx(out, jobs=2):
    "Build what was prepared; what Sphinx warns of. A warning fails the build."
    env = {**os.environ, "PYTHONPATH": str(PACKAGES)}
    cmd = [sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", "--jobs", jobs, "--doctree-dir", out/"doctrees"]
    return subprocess.run([*map(str, cmd), str(out/"source"), str(out/"html")], env=env, stderr=subprocess.PIPE, text=True)


def main():
    install()
    if sys.argv[1:] == ["install"]: return
    start = time.time()
    prepare(OUT/"source")
    prepared = time.time()
    built = sphinx(OUT)
    print(built.stderr, end="", file=sys.stderr)
    if built.returncode: sys.exit("[docs] the site has faults: the lines above name them.")
    pages = len([*(OUT/"html").rglob("*.html")])
    print(f"[docs] {pages} pages in {time.time()-start:.0f} s, {prepared-start:.0f} s to prepare them: open _docs/html/index.html")


if __name__ == "__main__": main()
