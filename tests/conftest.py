"What the tests share: one thread, the embedded model, a scene, and a scoring loop that owes nothing to the library."
import shutil
import subprocess
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision_help import activate

activate()
torch.set_num_threads(1)

PROMPT = "Describe the image."
SLOW = Path(__file__).parent/"slow.txt"  # tests that take long, as `python .ci/test.py slow` measured them

LONG = Path(__file__).parent/"long.txt"  # sessions of explorer and scene editor, and further cases of what takes long: minutes on two cores


SESSIONS = ("test_apps.py", "test_browser.py", "test_explorer_browser.py")  # a test goes on in the browser where the one before stopped


def pytest_addoption(parser):
    parser.addoption("--quick", action="store_true", help="leave out the tests that tests/slow.txt names")
    parser.addoption("--long", action="store_true", help="run the tests that tests/long.txt names, too")


def pytest_collection_modifyitems(config, items):
    whole, quick = config.getoption("--long"), config.getoption("--quick")
    slow = set(SLOW.read_text(encoding="utf-8").split())
    named = set() if whole else set(LONG.read_text(encoding="utf-8").splitlines())
    if quick: named |= slow
    left_out = {i for i in items if named & {i.nodeid, function_of(i)} or quick and i.path.name in SESSIONS}  # tests, or cases of them
    thinned = [i for i in items if function_of(i) in slow and i.path.name not in SESSIONS and i not in left_out]
    if not whole: left_out.update(two_of_three(thinned))
    config.hook.pytest_deselected(items=[i for i in items if i in left_out])
    items[:] = [i for i in items if i not in left_out]


def function_of(item): return item.nodeid.split("[")[0]


def two_of_three(items):
    "Of slow tests with more than three cases, all but every third case: those are among all checks, the others run with --long."
    tests = (list(cases) for _, cases in groupby(items, function_of))
    return [i for cases in tests if len(cases) > 3 for k, i in enumerate(cases) if k % 3]


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def model():
    import eagle_nb
    return eagle_nb.load("scenes-llava", dtype="float32", device="cpu")


@pytest.fixture(scope="session")
def scene():
    "A held-out scene with at least three objects, so that captions have several object words."
    from eagle_nb import scenes
    return next(s for s in map(scenes.sample, range(7, 50)) if len(s.names) >= 3)


AXE = """async root => (await axe.run(root.localName === 'html' ? document : root, {resultTypes: ['violations']})).violations
    .map(v => [v.impact, v.id, v.nodes.map(n => n.html.slice(0, 120)).slice(0, 3)])"""


@pytest.fixture(scope="session")
def axe(tmp_path_factory):
    "Serious faults that axe-core, from npm, finds in what a locator finds."
    if not shutil.which("npm"): pytest.skip("no npm here, which would fetch axe-core")
    folder = tmp_path_factory.mktemp("axe")
    try: subprocess.run(["npm", "install", "--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "axe-core@4"],
                        cwd=folder, check=True, capture_output=True, timeout=90)
    except (OSError, subprocess.SubprocessError) as err: pytest.skip(f"axe-core cannot be installed: {err}")
    source = (folder/"node_modules"/"axe-core"/"axe.min.js").read_text(encoding="utf-8")
    def faults(root):
        root.page.evaluate(source)
        found = root.evaluate(AXE)
        print(found)
        return [f for f in found if f[0] in ("serious", "critical")]
    return faults


def read(image):
    "PIL image or array as (H, W, 3) uint8."
    return np.asarray(image.convert("RGB") if isinstance(image, Image.Image) else image)


def official(model, image, prompt, forced, labels, keep, fill=0):
    """Probability of every forced token, one picture at a time and with nothing of the library's scorers: mask the pixels with
    numpy, run the processor on picture and prompt, one plain forward with the whole vocabulary at every position, softmax."""
    image, processor, net = read(image), model.processor, model.model
    chat = processor.apply_chat_template([{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": prompt}]}],
                                         add_generation_prompt=True, tokenize=False)
    out = []
    for row in np.atleast_2d(np.asarray(keep)):
        shown = image.copy()
        gone = ~np.isin(labels, np.flatnonzero(row))
        shown[gone] = fill[gone] if isinstance(fill, np.ndarray) else fill
        x = dict(processor(images=[Image.fromarray(shown)], text=[chat], return_tensors="pt", add_special_tokens=False))
        n = x["input_ids"].shape[1]
        x["input_ids"] = torch.cat([x["input_ids"], torch.tensor([list(forced)])], 1)
        x["attention_mask"] = torch.ones_like(x["input_ids"])
        with torch.no_grad(): logits = net(input_ids=x["input_ids"], attention_mask=x["attention_mask"], pixel_values=x["pixel_values"]).logits[0].float()
        p = torch.softmax(logits, -1)
        out.append([float(p[n - 1 + i, t]) for i, t in enumerate(forced)])
    return np.array(out)


def ranks(x):
    "Ranks with ties averaged."
    from scipy.stats import rankdata
    return rankdata(x)


def same_rank(a, b):
    "Spearman's correlation."
    return float(np.corrcoef(ranks(a), ranks(b))[0, 1])
