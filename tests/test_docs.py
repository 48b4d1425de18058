"The documentation site: what is prepared from notebooks, and, where Sphinx is installed, the site that is built from it."
import html
import importlib.util
import json
import os
import re
import shutil
import sys
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote, urldefrag

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT/".ci"))
SPEC = importlib.util.spec_from_file_location("docs", ROOT/".ci"/"docs.py")
docs = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(docs)
ref = sys.modules["reference"]


def code(source, *outputs): return dict(cell_type="code", metadata={}, execution_count=1, source=source.splitlines(True), outputs=[*outputs])
def text(source): return dict(cell_type="markdown", metadata={}, source=source.splitlines(True))
def shown(**data): return dict(output_type="display_data", metadata={}, data={k.replace("_", "/"): v for k, v in data.items()})


CURVE = '''#| export
@dataclass(frozen=True)
class Curve:
    "Values along an order, see `area_of`."
    values: list # from none to all
    step: float = .5 # between two of them

    def first(self)->float: # the lowest
        "Where it begins."
        return self.values[0]
    def _hidden(self): return 0'''
PATCHED = '''#| export
@patch
def scaled(self:Curve,
           by:float=2., # a factor
           # what to call it
           name:str="x|y"
          )->Curve: # a new curve
    "All values times a number."
    return Curve([v*by for v in self.values])

@patch(as_prop=True)
def ends(self:Curve)->tuple: return self.values[0], self.values[-1]

@patch
def _secret(self:Curve): return 1'''
AREA = '''#| export
LIMIT = 16 # of `values`
def area_of(curve:"Curve", *more, order=None, **settings # for <nobody> | *nothing*
           ):
    """The area below.

    It is not {named} [here](there) and costs $5.

    Arguments:
        curve: what `Curve` made
            for us
        order: most important first
    """
    return LIMIT
def _private(): return 1'''


@pytest.fixture
def small(tmp_path):
    "A project with a module, a page and files that are linked."
    pages = {
        "nbs/core/00_curves.ipynb": [
            text("# Curves of `eagle`\n\n> What a curve is.\n\nSee [the page](../paper/index.ipynb#What-it-shows) and [below](#The-area)."),
            code("#| default_exp core.curves"), code("#| export\nimport math\nfrom dataclasses import dataclass"), code(CURVE),
            text("## The area\n\n`area_of` and `order` and `curves.LIMIT`, [`area_of`](https://x.org).\n\n```\n`area_of` [a](b.ipynb)\n```"),
            code(PATCHED), code(AREA),
            code("#| hide\nimport nbdev; nbdev.nbdev_export()"),
            code("#| slow\nCurve([1, 2])", shown(text_plain="Curve", image_png="aGk=", **{"application_vnd.jupyter.widget-view+json": {}}),
                 dict(output_type="stream", name="stderr", text="a warning of /home/me")),
        ],
        "nbs/paper/index.ipynb": [text('# The pages\n\n## What it shows\n\n<a href="one.ipynb"><img src="../../figures/a.png" width="260" alt="A *map*"></a>\n'
                                       "[notice](../../NOTICE), [changes](../../CHANGELOG.md), [figures](../../figures), [start](../../README.md)")],
        "nbs/paper/one.ipynb": [text("# One")], "nbs/index.ipynb": [text("# Start\n\n| floor | room | what |\n|---|---|---|\n| 1 | `core` | a model | x |")]}
    for name, cells in pages.items():
        (tmp_path/name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path/name).write_text(json.dumps(dict(cells=cells, metadata={}, nbformat=4, nbformat_minor=5)))
    for name in ("NOTICE", "CHANGELOG.md", "README.md", "figures/a.png", "eagle_nb/core/curves.py"):
        (tmp_path/name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path/name).write_text("__all__ = ['Curve', 'area_of', 'LIMIT']\n")
    (tmp_path/"settings.ini").write_text("[DEFAULT]\nuser = u\nrepo = r\nbranch = main\n")
    return docs.Site(tmp_path)


def cells(site, page): return json.loads(site.notebook(page))["cells"]
def page(site, name): return "\n\n".join(c["source"] for c in cells(site, name))


def test_hidden_cells_flags_and_what_only_a_kernel_shows_are_out(small):
    made, shows = page(small, "core/00_curves"), cells(small, "core/00_curves")[-1]
    assert "nbdev_export" not in made and "#|" not in made and "import math" not in made and "default_exp" not in made
    assert shows["source"] == "Curve([1, 2])" and [set(o["data"]) for o in shows["outputs"]] == [{"text/plain", "image/png"}]


def test_source_is_folded_and_comes_after_what_describes_it(small):
    made = cells(small, "core/00_curves")
    at = next(i for i, c in enumerate(made) if c["cell_type"] == "code" and "class Curve" in c["source"])
    assert made[at]["metadata"] == {"tags": ["hide-input"]} and "{py:class} Curve" in made[at-1]["source"]
    assert made[-1]["metadata"] == {}


def test_a_class_is_described_with_its_fields_and_methods(small):
    made = page(small, "core/00_curves")
    assert "{py:class} Curve(values, step=.5)\n:module: eagle_nb.core.curves" in made
    assert "| `values` | list |  | from none to all |" in made and "| `step` | float | `.5` | between two of them |" in made
    assert re.search(r"\{py:method\} Curve\.first\(\)\n.*\n\nWhere it begins\.\n\n\{\.returns\}\nReturns float: the lowest", made)
    assert "_hidden" not in made.replace(CURVE.split("\n", 1)[1], "")


def test_patched_functions_are_methods_of_their_class(small):
    made = page(small, "core/00_curves")
    assert '{py:method} Curve.scaled(by=2., name="x|y")' in made
    assert "| `by` | float | `2.` | a factor |" in made and r'| `name` | str | `"x\|y"` | what to call it |' in made
    assert "Returns {py:obj}`Curve <eagle_nb.core.curves.Curve>`: a new curve" in made
    assert "{py:property} Curve.ends\n" in made and "Curve._secret" not in made


def test_a_function_is_described_by_comments_and_by_its_docstring(small):
    made = page(small, "core/00_curves")
    assert "{py:function} area_of(curve, *more, order=None, **settings)" in made and "py:function} _private" not in made
    assert "| `curve` | {py:obj}`Curve <eagle_nb.core.curves.Curve>` |  | what {py:obj}`Curve <eagle_nb.core.curves.Curve>` made for us |" in made
    assert "| `order` |  | `None` | most important first |" in made and "Arguments:" not in made.split("{py:function}")[1].split("``````")[0]
    assert '{py:data} LIMIT\n:module: eagle_nb.core.curves\n:value: "16"\n\nof `values`' in made


def test_text_of_docstrings_and_comments_stays_text(small):
    made = page(small, "core/00_curves")
    assert r"for \<nobody\> \| \*nothing\*" in made and r"It is not \{named\} \[here\](there) and costs \$5." in made


@given(st.text("ab 1.<>&|*_`[]{}()$#~!\\\"'", max_size=30).map(lambda t: "x" + " ".join(t.split()) + "x"))
def test_escaped_text_is_shown_as_it_is(text):
    assert html.unescape(MarkdownIt("commonmark").enable("table").renderInline(ref.escape(text))) == text


@pytest.mark.parametrize("source, expected", [
    ("def f(a, /, b:int=1, *, c='x', **d): pass", ("(a, /, b=1, *, c='x', **d)", ["a", "b", "c", "**d"])),
    ("def f(*, key): pass", ("(*, key)", ["key"])),
    ("def f(é='ü', z=3): pass", ("(é='ü', z=3)", ["é", "z"])),
    ("def f(a=(1,\n        2), b={'k': [1]}): pass", ("(a=(1, 2), b={'k': [1]})", ["a", "b"]))])
def test_signatures_are_shown_as_they_are_written(source, expected):
    src = ref.Source(source)
    node = src.tree.body[0]
    params = ref.parameters(node)
    assert (ref.signature(params, src), [r.name for r in ref.rows(params, node, src)]) == expected


def test_a_setter_is_no_second_entry():
    made = ref.entries("class A:\n    @property\n    def b(self): 'B.'\n    @b.setter\n    def b(self, v): pass", "m", ["A"])
    assert made[0].count("{py:property} A.b") == 1 and "py:method" not in made[0]


def test_links_lead_to_pages_anchors_and_copied_files(small):
    made = page(small, "core/00_curves")
    assert "[the page](../paper/index.ipynb#what-it-shows)" in made and "[below](#the-area)" in made
    made = page(small, "paper/index")
    assert "[![A *map*](../files/figures/a.png){width=260px}](../paper/one.ipynb)" in made and "[start](../index.ipynb)" in made
    assert "[notice](../files/NOTICE), [changes](../changelog.md), [figures](https://github.com/u/r/tree/main/figures)" in made
    assert {k: f.read_text() for k, f in small.files.items()}.keys() == {"files/NOTICE", "files/figures/a.png"}


@pytest.mark.parametrize("target, message", [("nowhere.ipynb", "links to nowhere.ipynb, which is not there"), ("../../../etc", "not there"),
                                             ("index.ipynb#Elsewhere", "no heading 'Elsewhere' in nbs/paper/index.ipynb: choose one of The pages, What it shows")])
def test_a_link_to_nothing_is_an_error(small, target, message):
    with pytest.raises(ValueError, match=re.escape(message)): small.text(f"[x]({target})", small.nbs/"paper"/"one.ipynb", "paper/one")


def test_names_in_sentences_are_linked_where_they_mean_one_thing(small):
    made = page(small, "core/00_curves")
    assert "{py:obj}`area_of <eagle_nb.core.curves.area_of>` and `order` and {py:obj}`curves.LIMIT <eagle_nb.core.curves.LIMIT>`" in made
    assert "[`area_of`](https://x.org)" in made and "```text\n`area_of` [a](b.ipynb)\n```" in made
    assert made.startswith("# Curves of `eagle`\n\n```{py:module} eagle_nb.core.curves\n```")


def test_what_is_unchanged_is_not_written_again_and_what_is_gone_goes(small, tmp_path, monkeypatch):
    monkeypatch.setattr(small, "pages", lambda: iter([("paper/index.ipynb", small.notebook("paper/index")), ("a.md", "# A")]), raising=False)
    out = tmp_path/"out"
    docs.prepare(out, small)
    before = {p: p.stat().st_mtime_ns for p in out.rglob("*") if p.is_file()}
    assert {p.relative_to(out).as_posix() for p in before} >= {"a.md", "conf.py", "_static/site.css", "files/figures/a.png"}
    monkeypatch.setattr(small, "pages", lambda: iter([("paper/index.ipynb", small.notebook("paper/index"))]), raising=False)
    docs.prepare(out, small)
    after = {p: p.stat().st_mtime_ns for p in out.rglob("*") if p.is_file()}
    assert after == {p: t for p, t in before.items() if p.name != "a.md"}


# --- the notebooks of this project

@pytest.fixture(scope="module")
def site(): return docs.Site()


@pytest.fixture(scope="module")
def prepared(site, tmp_path_factory):
    out = tmp_path_factory.mktemp("site")
    docs.prepare(out/"source", site)
    return out


def test_every_public_name_has_one_entry(site, prepared):
    for name, nb in site.notebooks.items():
        if not nb.exports: continue
        made = "\n".join(c["source"] for c in json.loads((prepared/"source"/f"{name}.ipynb").read_text(encoding="utf-8"))["cells"])
        heads = re.findall(r"^`+\{py:(?:function|class|data)\} (\w+)", made, re.M)
        assert sorted(heads) == sorted(set(site.public[f"eagle_nb.{nb.exports}"])), name


def test_every_page_is_in_the_sidebar_once(site, prepared):
    listed = {}
    for source in (prepared/"source").rglob("*.*"):
        if source.suffix not in (".ipynb", ".md"): continue
        made = source.read_text(encoding="utf-8")
        if source.suffix == ".ipynb": made = "\n".join(c["source"] for c in json.loads(made)["cells"])
        for block in re.findall(r"```\{toctree\}\n(.*?)```", made, re.S):
            for entry in re.findall(r"^(?!:)(\S+)$", block, re.M):
                target = (source.parent/entry).relative_to(prepared/"source").as_posix()
                listed[target] = listed.get(target, 0) + 1
    pages = {p.relative_to(prepared/"source").with_suffix("").as_posix() for p in (prepared/"source").rglob("*") if p.suffix in (".ipynb", ".md")}
    pages -= {p for p in pages if p.startswith("files/")}
    assert listed == dict.fromkeys(pages-{"index"}, 1)


def test_pages_of_the_paper_come_in_the_sequence_of_their_index(site):
    assert site.paper[:3] == ["paper/teaser", "paper/method", "paper/sentence_examples"] and len(site.paper) == len(set(site.paper))


# --- the site as it is built

class Links(HTMLParser):
    "Anchors, links and loaded resources of a page."
    LOADED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src", "video": "src", "object": "data", "image": "href", "use": "href"}

    def __init__(self, text):
        super().__init__()
        self.ids, self.hrefs, self.loads, self.title, self.inside = set(), [], [], "", ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        at = dict(attrs)
        self.inside = tag
        self.ids |= {at[k] for k in ("id", "name") if at.get(k)}
        if tag == "a" and at.get("href"): self.hrefs.append(at["href"])
        if tag in self.LOADED and at.get(self.LOADED[tag]): self.loads.append(at[self.LOADED[tag]])

    def handle_data(self, data):
        if self.inside == "title" and not self.title: self.title = data


@pytest.fixture(scope="module")
def built(site, prepared):
    if not docs.installed(): pytest.skip("no Sphinx here: `make docs` installs it into .docs")
    made = docs.sphinx(prepared)
    folder = prepared/"html"
    pages = {p.relative_to(folder).as_posix(): Links(p.read_text(encoding="utf-8")) for p in folder.rglob("*.html")}
    return SimpleNamespace(made=made, folder=folder, pages=pages)


def test_the_build_has_no_warning(built):
    assert (built.made.returncode, built.made.stderr) == (0, "")


def test_all_links_lead_somewhere(built):
    broken, anchors = [], 0
    for name, links in built.pages.items():
        for href in [*links.hrefs, *links.loads]:
            if re.match(r"[a-z]+:", href): continue
            path, anchor = urldefrag(unquote(href))
            target = os.path.normpath((Path(name).parent/path.split("?")[0]).as_posix()) if path else name
            if target not in built.pages and not (built.folder/target).is_file(): broken.append((name, href))
            elif anchor and target in built.pages:
                anchors += 1
                if anchor not in built.pages[target].ids: broken.append((name, href))
    assert broken == [] and anchors > len(built.pages)


def test_nothing_is_loaded_from_a_network(built):
    assert {(name, s) for name, links in built.pages.items() for s in links.loads if re.match(r"(https?:)?//", s)} == set()
    for style in built.folder.rglob("*.css"):
        assert re.findall(r"(?:url\(|@import)\s*['\"]?(?:https?:)?//[^)]*", style.read_text(encoding="utf-8")) == [], style.name


def test_every_public_name_has_an_anchor_and_is_found_by_the_search(site, built):
    ids = set().union(*(links.ids for links in built.pages.values()))
    index = json.loads((built.folder/"searchindex.js").read_text(encoding="utf-8").removeprefix("Search.setIndex(").removesuffix(")"))
    found = {f"{prefix}.{entry[-1]}" for prefix, entries in index["objects"].items() for entry in entries}
    names = {f"{module}.{name}" for module, public in site.public.items() for name in public}
    assert len(names) > 500 and names - ids == set() and names - found == set()
    assert {"explain", "foil", "llava"} <= index["terms"].keys()


def test_titles_are_words(built):
    for name, links in built.pages.items():
        assert re.fullmatch(r"[^/]* - eagle-nb|eagle-nb", links.title.strip()) and ".ipynb" not in links.title and "_" not in links.title, (name, links.title)


def test_pages_of_the_site_fit_a_phone_and_ask_for_nothing(built):
    chromium, playwright = shutil.which("chromium"), pytest.importorskip("playwright.sync_api")
    if not chromium: pytest.skip("no chromium here")
    wide, asked, failed = [], [], []
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport=dict(width=390, height=800), color_scheme="dark")
        page.on("request", lambda r: asked.append(r.url) if not r.url.startswith(("file:", "data:")) else None)
        page.on("pageerror", lambda e: failed.append(str(e)))
        for name in ("index", "names", "changelog", "core/index", "paper/index", "paper/table_word", "explanation/03_maps", "explanation/04_explanation", "world/04_coverage"):
            page.goto(f"file://{built.folder}/{name}.html")
            if page.evaluate("document.documentElement.scrollWidth > innerWidth"): wide.append(name)
        for word in ("explain", "foil", "LLaVA"):
            page.goto(f"file://{built.folder}/search.html?q={word}")
            page.wait_for_selector("ul.search li a")
        page.goto(f"file://{built.folder}/explanation/03_maps.html")
        assert page.locator("math").count() and page.locator("math").first.bounding_box()["height"] > 5
        browser.close()
    assert (wide, asked, failed) == ([], [], [])
