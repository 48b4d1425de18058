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


def cells_of(path): return json.loads(path.read_text(encoding="utf-8"))["cells"]


def sources(path): return ["".join(c["source"]) for c in cells_of(path)]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_a_page_has_its_parts(page):
    text = sources(page)
    assert text[0].startswith("# ") and "\n> " in text[0], "a title and a promise"
    assert sum(s.strip().lower().startswith("## settings") for s in text) == 1, "one settings cell"
    assert any(re.search(r"\bassert\b", s) for s in text), "a claim that is checked"
    if page.stem not in TABLES:
        assert any(re.search(r"\b(\w+_panel|Scrubber)\(", s) for s in text), "knobs"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_a_reader_meets_a_panel_and_not_its_plumbing(page):
    code = "\n".join("".join(c["source"]) for c in cells_of(page) if c["cell_type"] == "code")
    assert not re.findall(r"^def (compute|figure|text|numbers)\(|\bPanel\(", code, re.M), "that is for eagle_nb.apps"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_a_page_is_committed_executed(page):
    outputs = [o for c in cells_of(page) if c["cell_type"] == "code" for o in c["outputs"]]
    assert any(outputs) and not [o for o in outputs if o["output_type"] == "error"]
    if page.stem not in TABLES: assert any("image/png" in o.get("data", {}) for o in outputs), "a static image"


def test_the_index_links_every_page_and_shows_images_that_exist():
    text = "\n".join(sources(PAPER/"index.ipynb"))
    linked = set(re.findall(r"\]\((\w+)\.ipynb\)", text))
    shown = re.findall(r'src="([^"]+)"', text)
    assert linked == {p.stem for p in PAGES}
    assert len(shown) == len(PAGES) - len(TABLES) and not [s for s in shown if not (PAPER/s).is_file()]


def test_the_recorded_times_are_of_these_pages():
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


def names_in(folder): return sorted(p.name for p in folder.iterdir())


def test_a_page_that_fails_is_named_and_the_others_go_on(folder, capsys):
    before, text = names_in(folder), (folder/"good.ipynb").read_text()
    with pytest.raises(SystemExit) as stop:
        main(["--nbs", str(folder), "--jobs", "1", "--times", str(folder/"t"/"times.json")])
    out = capsys.readouterr().out
    assert stop.value.code == 1 and "RuntimeError: broken <b>page</b>" in out
    assert re.search(r"good +\d+ s +ok", out) and "1 failed: bad" in out
    record = json.loads((folder/"t"/"times.json").read_text())
    assert record["failed"] == ["bad"] and set(record["seconds"]) == {"good", "bad"}
    assert [n for n in names_in(folder) if n != "t"] == before and (folder/"good.ipynb").read_text() == text


def test_two_pages_at_a_time_give_the_same(folder):
    runs = run_pages(pages(folder), 2)
    assert {(r.page, r.error is None) for r in runs} == {("good", True), ("bad", False)}


@pytest.mark.parametrize("jobs", (1, 2))
def test_a_page_that_reads_what_others_wrote_runs_last(folder, monkeypatch, jobs):
    first = pages(folder)[0].stem
    monkeypatch.setattr(paper, "SUMMARIES", (first,))
    assert [r.page for r in run_pages(pages(folder), jobs)][-1] == first


def test_a_setting_from_outside_replaces_the_value_of_the_page(folder):
    run_page(folder/"good.ipynb", folder/"out", dict(N="two"))
    cells = nbformat.read(folder/"out"/"good.ipynb", 4).cells
    assert cells[-1].outputs[0].text == "two\n"


def test_slow_cells_run_only_when_asked_for(folder):
    assert run_page(folder/"good.ipynb").error is None
    assert "SystemError: hours" in run_page(folder/"good.ipynb", slow=True).error


def test_wrong_arguments_are_refused(folder, capsys):
    with pytest.raises(ValueError, match="unknown page 'god': choose from bad, good"):
        pages(folder, ["god"])
    with pytest.raises(ValueError, match="jobs must be a whole number from 1, got 0"):
        run_pages(pages(folder), 0)
    for bad in ("N", "N=", "1N=2", "N=open('x')", "N=__import__('os')"):
        with pytest.raises(SystemExit): main(["--nbs", str(folder), "--set", bad])
        assert "plain Python value" in capsys.readouterr().err
    with pytest.raises(SystemExit): main(["--nbs", str(folder/"nothing")])
    assert "run this in a checkout" in capsys.readouterr().err


def test_an_interrupted_run_leaves_no_files(folder, monkeypatch):
    import papermill
    before = names_in(folder)
    def interrupted(*args, **kwargs): raise KeyboardInterrupt
    monkeypatch.setattr(papermill, "execute_notebook", interrupted)
    with pytest.raises(KeyboardInterrupt): run_page(folder/"good.ipynb")
    assert names_in(folder) == before


def test_preparing_leaves_the_page_unchanged():
    nb = nbformat.read(PAGES[0], 4)
    text = nbformat.writes(nb)
    prepared(nb)
    assert nbformat.writes(nb) == text


def test_list_prints_the_pages(folder, capsys):
    main(["--nbs", str(folder), "--list"])
    assert capsys.readouterr().out.split() == ["bad", "good"]


# --- figures

DRAW = """
from pathlib import Path
Path('figures').mkdir(exist_ok=True)
if SAVE: Path('figures/page.txt').write_text(str(N))
"""


@pytest.fixture
def drawing(tmp_path):
    "A folder with a page that draws if its setting says so, and a page that has no such setting."
    notebook(tmp_path, "draws", "N = 60  # smoke: 4\nSAVE = False", DRAW)
    notebook(tmp_path, "plain", "N = 1", "print(N)")
    return tmp_path


def figures_in(folder): return {p.name: p.read_text() for p in (folder/"figures").glob("*")}


@pytest.mark.parametrize("options", [[], ["--smoke"]], ids=["full", "smoke"])
def test_without_save_no_figure_is_written(drawing, options):
    main(["--nbs", str(drawing), "--jobs", "1", *options])
    assert (drawing/"figures").is_dir() and figures_in(drawing) == {}


def test_with_save_pages_write_their_figures(drawing):
    main(["--nbs", str(drawing), "--jobs", "1", "--save"])
    assert figures_in(drawing) == {"page.txt": "60"}


def test_one_page_is_run_with_save(drawing):
    assert run_page(drawing/"draws.ipynb", save=True).error is None
    assert figures_in(drawing) == {"page.txt": "60"}


def test_a_page_without_the_setting_runs_with_save_and_stays_as_it_is(drawing):
    assert run_page(drawing/"plain.ipynb", drawing/"out", save=True).error is None
    assert nbformat.read(drawing/"out"/"plain.ipynb", 4).cells[1].source == "N = 1"


@pytest.mark.parametrize("page", ["draws", "plain"])
@pytest.mark.parametrize("how", [dict(save=True), dict(settings=dict(SAVE=True))], ids=["save", "setting"])
def test_a_smoke_run_never_saves(drawing, page, how):
    with pytest.raises(ValueError, match="a smoke run saves no figures"):
        run_page(drawing/f"{page}.ipynb", smoke=True, **how)
    assert not (drawing/"figures").exists()


def test_a_smoke_run_does_not_save_even_where_the_page_says_so(drawing):
    notebook(drawing, "draws", "N = 60  # smoke: 4\nSAVE = True", DRAW)
    assert run_page(drawing/"draws.ipynb", smoke=True).error is None
    assert figures_in(drawing) == {}


def test_save_and_smoke_together_are_refused_before_anything_runs(drawing, capsys):
    with pytest.raises(SystemExit): main(["--nbs", str(drawing), "--save", "--smoke"])
    assert "leave out either smoke or save" in capsys.readouterr().err
    assert not (drawing/"figures").exists()


def test_a_smoke_run_leaves_the_output_folder_of_the_page_alone():
    "Small settings change values only: no line that points the page to another folder is added."
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("## Settings"),
                                         nbformat.v4.new_code_cell("N = 60  # smoke: 4\nOUT = Path('figures')")])
    assert prepared(nb, smoke=True).cells[1].source == "N = 4\nOUT = Path('figures')"
