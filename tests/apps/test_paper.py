"The pages of the paper: what each has to have, the page that lists them, and the command that runs them."
import json
import re
from pathlib import Path

import nbformat
import pytest

from eagle_nb.apps import paper
from eagle_nb.apps.paper import main, pages, prepared, run_page, run_pages

ROOT = Path(__file__).resolve().parents[2]
PAPER = ROOT/"nbs"/"paper"
PAGES = pages(PAPER)
TABLES = {"families"}  # a table and nothing to draw


def sources(path): return ["".join(c["source"]) for c in json.loads(path.read_text(encoding="utf-8"))["cells"]]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_a_page_has_its_parts(page):
    text = sources(page)
    assert text[0].startswith("# ") and "\n> " in text[0], "a title and a promise"
    assert sum(s.strip().lower().startswith("## settings") for s in text) == 1, "one settings cell"
    assert any(re.search(r"\bassert\b", s) for s in text), "a claim that is checked"
    if page.stem not in TABLES: assert any(re.search(r"\b(Panel|results_panel|Scrubber)\(", s) for s in text), "knobs"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_a_page_is_committed_executed(page):
    cells = [c for c in json.loads(page.read_text(encoding="utf-8"))["cells"] if c["cell_type"] == "code"]
    errors = [o for c in cells for o in c["outputs"] if o["output_type"] == "error"]
    assert not errors and any(o for c in cells for o in c["outputs"])
    if page.stem not in TABLES: assert any("image/png" in o.get("data", {}) for c in cells for o in c["outputs"]), "a static picture"


def test_the_index_names_every_page_and_shows_pictures_that_exist():
    text = "\n".join(sources(PAPER/"index.ipynb"))
    linked, shown = set(re.findall(r"\]\((\w+)\.ipynb\)", text)), re.findall(r'src="([^"]+)"', text)
    assert linked == {p.stem for p in PAGES}
    assert len(shown) == len(PAGES) - len(TABLES) and not [s for s in shown if not (PAPER/s).is_file()]


def test_what_it_took_is_of_these_pages():
    times = json.loads((ROOT/"figures"/"results"/"paper-times.json").read_text())
    assert set(times["seconds"]) == {p.stem for p in PAGES} and not times["failed"]
    assert times["wall"] < 40*60


# --- the command

def notebook(folder, name, *cells):
    made = [nbformat.v4.new_markdown_cell("## Settings"), *map(nbformat.v4.new_code_cell, cells)]
    nbformat.write(nbformat.v4.new_notebook(cells=made), folder/f"{name}.ipynb")


@pytest.fixture
def folder(tmp_path):
    notebook(tmp_path, "good", "N = 1", "#| slow\nraise SystemError('hours')", "print(N)")
    notebook(tmp_path, "bad", "N = 1", "raise RuntimeError('broken <b>page</b>')", "print('never')")
    notebook(tmp_path, "index", "1/0")
    return tmp_path


def left(folder): return sorted(p.name for p in folder.iterdir())


def test_a_page_that_fails_is_named_and_the_others_go_on(folder, capsys):
    before, text = left(folder), (folder/"good.ipynb").read_text()
    with pytest.raises(SystemExit) as stop: main(["--nbs", str(folder), "--jobs", "1", "--times", str(folder/"t"/"times.json")])
    out = capsys.readouterr().out
    assert stop.value.code == 1 and "RuntimeError: broken <b>page</b>" in out and re.search(r"good +\d+ s +ok", out) and "1 failed: bad" in out
    record = json.loads((folder/"t"/"times.json").read_text())
    assert record["failed"] == ["bad"] and set(record["seconds"]) == {"good", "bad"}
    assert [n for n in left(folder) if n != "t"] == before and (folder/"good.ipynb").read_text() == text


def test_two_at_a_time_give_the_same(folder):
    runs = run_pages(pages(folder), 2)
    assert {(r.page, r.error is None) for r in runs} == {("good", True), ("bad", False)}


@pytest.mark.parametrize("jobs", (1, 2))
def test_a_page_that_reads_what_others_wrote_comes_last(folder, monkeypatch, jobs):
    from eagle_nb.apps import paper
    first = pages(folder)[0].stem
    monkeypatch.setattr(paper, "SUMMARIES", (first,))
    assert [r.page for r in run_pages(pages(folder), jobs)][-1] == first


def test_settings_go_behind_the_settings_cell(folder):
    run_page(folder/"good.ipynb", folder/"out", dict(N="two"))
    cells = nbformat.read(folder/"out"/"good.ipynb", 4).cells
    assert cells[-1].outputs[0].text == "two\n"


def test_slow_cells_wait_until_they_are_asked_for(folder):
    assert run_page(folder/"good.ipynb").error is None
    assert "SystemError: hours" in run_page(folder/"good.ipynb", slow=True).error


def test_what_is_asked_wrongly(folder, capsys):
    with pytest.raises(ValueError, match="unknown page 'god': choose from bad, good"): pages(folder, ["god"])
    with pytest.raises(ValueError, match="jobs must be a whole number from 1, got 0"): run_pages(pages(folder), 0)
    for bad in ("N", "N=", "1N=2", "N=open('x')", "N=__import__('os')"):
        with pytest.raises(SystemExit): main(["--nbs", str(folder), "--set", bad])
        assert "plain Python value" in capsys.readouterr().err
    with pytest.raises(SystemExit): main(["--nbs", str(folder/"nothing")])
    assert "run this in a checkout" in capsys.readouterr().err


def test_an_interrupted_run_leaves_nothing(folder, monkeypatch):
    import papermill
    before = left(folder)
    def interrupted(*args, **kwargs): raise KeyboardInterrupt
    monkeypatch.setattr(papermill, "execute_notebook", interrupted)
    with pytest.raises(KeyboardInterrupt): run_page(folder/"good.ipynb")
    assert left(folder) == before


def test_the_page_itself_is_never_changed_by_preparing():
    nb = nbformat.read(PAGES[0], 4)
    text = nbformat.writes(nb)
    prepared(nb)
    assert nbformat.writes(nb) == text


def test_the_list(folder, capsys):
    main(["--nbs", str(folder), "--list"])
    assert capsys.readouterr().out.split() == ["bad", "good"]
