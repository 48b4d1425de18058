"""What a release is made of, and whether it works away from this checkout.

`make package`            sdist and wheel in dist/, checked by twine, a list of what is locked (SBOM), what pip-audit says
`make test STEP=release`  the same, then the wheel in an empty environment on every Python 3.10 to 3.13 that is found here:
                          `pip check`, an image explained in a folder whose name has spaces and non-ASCII letters, the
                          commands, and all snippets of the README

`python .ci/release.py install --torch 2.9.0 --transformers 5.17.0 --pythons python3.10` tries other versions."""
import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from configparser import ConfigParser
from pathlib import Path

from env import CPU_BUILDS, TORCH, answers, fits

ROOT = Path(__file__).resolve().parent.parent
DIST = ROOT/"dist"
TOOLS = ("build==1.6.1", "twine==7.0.0", "pip-audit==2.10.1", "cyclonedx-bom==7.5.0")
FOLDER = "eagle nb Ä 本"  # where a wheel is tried

EXPLAIN = """
import time; start = time.perf_counter()
import eagle_nb
from eagle_nb import scenes
m, image = eagle_nb.load("scenes-llava"), scenes.sample(18).image
e = eagle_nb.explain(m, image, "Describe the image.", regions=16, show_progress=False)
e.plot().savefig("Bild 图.png"); e.to_html("Seite 页.html"); e.save("Datei 件.safetensors"); image.save("photo.jpg")
assert (eagle_nb.Explanation.load("Datei 件.safetensors").order == e.order).all() and len(e.order) == len(e.regions)
assert "site-packages" in eagle_nb.__file__, eagle_nb.__file__
print(f"{e.answer.text!r} {e.forwards} forwards, {time.perf_counter()-start:.0f} s with imports")
"""


def call(*cmd, **kw): return subprocess.run([str(c) for c in cmd], check=True, **kw)
def said(*cmd, **kw): return call(*cmd, capture_output=True, text=True, **kw).stdout.strip()


def tools():
    "Python of an environment with what packages are made with."
    home = ROOT/".venv-release"
    python, stamp = home/"bin"/"python", home/"stamp"
    if not stamp.exists() or stamp.read_text() != "\n".join(TOOLS):
        call(sys.executable, "-m", "venv", "--clear", home)
        call(python, "-m", "pip", "-q", "--disable-pip-version-check", "install", *TOOLS)
        stamp.write_text("\n".join(TOOLS))
    return python


def check_contents(sdist, wheel, version):
    "The notebooks, tests and checks are in the sdist; of the wheel, a test says what it holds."
    with tarfile.open(sdist) as t: names = {n.partition("/")[2] for n in t.getnames()}
    wanted = {"README.md", "CHANGELOG.md", "CITATION.cff", "LICENSE", "NOTICE", "settings.ini", "Makefile", "requirements.lock",
              "nbs/index.ipynb", "tests/test_package.py", ".ci/run", "eagle_nb/data/sprites.png"}
    assert wanted <= names, f"not in the sdist: {sorted(wanted - names)}"
    assert not [n for n in names if "__pycache__" in n or n.startswith((".venv", "_docs", "figures"))]
    with zipfile.ZipFile(wheel) as z: meta = z.read(next(n for n in z.namelist() if n.endswith("/METADATA"))).decode()
    assert f"\nVersion: {version}\n" in meta and "\nRequires-Python: >=3.10\n" in meta


def package():
    "Build both, check them, say their sizes; the wheel."
    python = tools()
    config = ConfigParser(delimiters=["="], interpolation=None)
    config.read(ROOT/"settings.ini", encoding="utf-8")
    version = config["DEFAULT"]["version"]
    for old in (*DIST.glob("eagle_nb-*"), *DIST.glob("sbom.json")): old.unlink()
    said(python, "-m", "build", "--outdir", DIST, ROOT)
    sdist, wheel = (next(DIST.glob(f"eagle_nb-{version}{end}")) for end in (".tar.gz", "-*.whl"))
    said(python, "-m", "twine", "check", "--strict", sdist, wheel)
    check_contents(sdist, wheel, version)
    for f in (sdist, wheel): print(f"{f.name}: {f.stat().st_size/1e6:.1f} MB")
    call(python, "-m", "cyclonedx_py", "requirements", ROOT/"requirements.lock", "--output-file", DIST/"sbom.json")
    print(f"sbom.json: {len(json.loads((DIST/'sbom.json').read_text())['components'])} components")
    audit(python)
    return wheel


def audit(python):
    "What pip-audit says of the locked requirements; it needs a service with advisories."
    r = subprocess.run([python, "-m", "pip_audit", "-r", ROOT/"requirements.lock", "--no-deps", "--disable-pip", "--format=json"],
                       capture_output=True, text=True)
    try: found = json.loads(r.stdout)["dependencies"]
    except ValueError: return print("pip-audit could not ask:", r.stderr.strip().splitlines()[-1:] or r.returncode)
    holes = [f"{d['name']} {d['version']}: {v['id']}" for d in found for v in d.get("vulns", ())]
    unknown = sum("skip_reason" in d for d in found)
    print(f"pip-audit: {len(found) - unknown} of {len(found)} packages looked up, {len(holes)} known holes", *holes, sep="\n  ")


def pythons():
    "Each minor version that is promised, where one is found."
    own = Path.home()/".pyenv"/"versions"
    for minor in range(10, 14):
        found = [f"python3.{minor}", *map(str, sorted(own.glob(f"3.{minor}.*/bin/python")))]
        good = next((p for p in found if fits(p)), None)
        print(f"Python 3.{minor}: {good or 'not here'}", flush=True)
        if good: yield good


def install(wheel, python, torch, transformers=None):
    "An empty environment with the wheel, and what works there: one row."
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)/FOLDER
        home.mkdir()
        call(python, "-m", "venv", home/"env")
        own, start = home/"env"/"bin"/"python", time.time()
        pip = [own, "-m", "pip", "-q", "--disable-pip-version-check", "install"]
        index = ["--index-url", CPU_BUILDS] if answers(f"{CPU_BUILDS}/torch/") else []
        call(*pip, torch, *index)
        call(*pip, f"{wheel}[serve]", torch, *([f"transformers=={transformers}"] if transformers else []))
        row = dict(python=said(own, "-c", "import platform; print(platform.python_version())"), install_s=round(time.time()-start))
        row |= {name: said(own, "-c", f"from importlib.metadata import version; print(version({name!r}))") for name in ("torch", "transformers")}
        row["GB"] = round(sum(f.stat().st_size for f in (home/"env").rglob("*") if f.is_file() and not f.is_symlink())/1e9, 1)
        row["check"] = subprocess.run([own, "-m", "pip", "check"], capture_output=True, text=True).stdout.strip()
        env = {**os.environ, "HF_HUB_OFFLINE": "1", "MPLBACKEND": "Agg", "PYTHONWARNINGS": "ignore"}
        env.pop("PYTHONPATH", None)
        row["explained"] = said(own, "-I", "-c", EXPLAIN, cwd=home, env=env).splitlines()[-1]
        said(home/"env"/"bin"/"eagle-nb", "explain", "photo.jpg", "--regions", "16", "--out", "Seite 2.html", cwd=home, env=env)
        said(home/"env"/"bin"/"eagle-nb", "doctor", "scenes-qwen", cwd=home, env=env)
        row["readme_s"] = readme(own, home, env)
    print(json.dumps(row, ensure_ascii=False), flush=True)
    return row


def readme(python, home, env):
    "Run the README's snippets in an environment; seconds."
    for name in ("tests/readme_help.py", "README.md"):
        (home/name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT/name, home/name)
    (home/"reader").mkdir()
    start = time.time()
    said(python, home/"tests"/"readme_help.py", cwd=home/"reader", env=env)
    return round(time.time() - start)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("package", "install", "all"))
    parser.add_argument("--pythons", nargs="*")
    parser.add_argument("--torch", default=TORCH.split("==")[1])
    parser.add_argument("--transformers")
    a = parser.parse_args()
    wheel = next(DIST.glob("eagle_nb-*.whl"), None) if a.what == "install" else None
    wheel = wheel or package()
    if a.what == "package": return
    print(f"{platform.machine()}, {os.cpu_count()} cores", flush=True)
    for python in a.pythons or pythons(): install(wheel, python, f"torch=={a.torch}", a.transformers)


if __name__ == "__main__": main()
