"""Make or reuse the project's own environment in .venv: `python3 .ci/env.py`. Standard library only.

Locked packages come from requirements.lock; torch is installed apart, because its build depends on the machine.
A stamp in .venv holds the checksum of all that decides its content, so a second call costs nothing."""
import hashlib
import platform
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

TORCH = "torch==2.13.0"
CPU_BUILDS = "https://download.pytorch.org/whl/cpu"  # a tenth of the download of the CUDA build
OLDEST, NEWEST = (3, 10), (3, 13)

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT/".venv"
PY = VENV/"bin"/"python"
STAMP, LOG = VENV/"stamp", VENV/"setup.log"
INPUTS = ["requirements.lock", "settings.ini", "setup.py", "pyproject.toml", ".ci/env.py"]
START = time.time()


def say(text):
    print(f"[setup {time.time()-START:4.0f} s] {text}", flush=True)


def fits(python):
    "Is the command `python` a Python of a version we test?"
    code = f"import sys; sys.exit(not {OLDEST} <= sys.version_info[:2] <= {NEWEST})"
    return shutil.which(python) and subprocess.run([python, "-c", code], stderr=subprocess.DEVNULL).returncode == 0


def check_python():
    "Stop with a remedy where this Python cannot make the environment."
    version = platform.python_version()
    if sys.version_info[:2] < OLDEST:
        others = [p for p in ("python3.13", "python3.12", "python3.11", "python3.10") if fits(p)]
        remedy = f"this machine has one: add PYTHON={others[0]} to the make command" if others \
            else "install one and add PYTHON=/path/to/it to the make command"
        sys.exit(f"eagle-nb needs Python 3.10 or newer, and {sys.executable} is {version}: {remedy}.")
    if sys.version_info[:2] > NEWEST:
        say(f"note: Python {version} is newer than the versions tested (3.10 to 3.13)")
    try: import ensurepip, venv  # noqa: F401
    except ImportError:
        sys.exit(f"{sys.executable} (Python {version}) cannot make virtual environments: the module venv or ensurepip is missing.\n"
                 f"On Debian or Ubuntu: sudo apt install python3.{sys.version_info[1]}-venv\n"
                 "Or use another Python: add PYTHON=/path/to/python3 to the make command.")


def pip_line(line, state):
    "What is worth showing of a line of pip's log, or None."
    if re.match(r"Collecting |Requirement already satisfied", line):
        state["n"] += 1
        if state["n"] % 25 == 0: return f"{state['n']} packages looked up"
    big = re.match(r"\s*Downloading (?:\S*/)?(\S+?)(?:-cp\S*|-py\S*)?\.(?:whl|tar\.gz)\S* \(([\d.]+) ([MG])B\)", line)
    if big and (big[3] == "G" or float(big[2]) > 15): return f"downloading {big[1]} ({big[2]} {big[3]}B)"
    if line.startswith("Installing collected packages"): return f"installing {line.count(',')+1} packages (the longest step without news)" if ',' in line else None


def pip(*args, fatal=True):
    "Run pip in the environment, its full output to the log and its milestones to the screen. Did it succeed?"
    cmd, state = [str(PY), "-m", "pip", "--disable-pip-version-check", *args], {"n": 0}
    with LOG.open("a", encoding="utf-8") as log:
        log.write(f"\n$ {' '.join(cmd)}\n")
        proc = subprocess.Popen(cmd, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        for line in proc.stdout:
            log.write(line)
            shown = pip_line(line, state)
            if shown: say(f"  {shown}")
    if proc.wait() == 0: return True
    if not fatal: return False
    print("".join(LOG.read_text(encoding="utf-8").splitlines(keepends=True)[-25:]), file=sys.stderr)
    sys.exit(f"pip failed; the whole log is {LOG.relative_to(ROOT)}. Mend the cause (often the network or a full disk) "
             "and repeat the command: what is installed is kept.")


def has_gpu():
    try: return subprocess.run(["nvidia-smi", "-L"], capture_output=True, timeout=30).returncode == 0
    except (OSError, subprocess.TimeoutExpired): return False


def answers(url):
    try: return urllib.request.urlopen(url, timeout=4).status == 200
    except (OSError, ValueError): return False


def install_torch():
    "The CUDA build where there is an NVIDIA GPU, else the CPU build from its own index where that can be reached."
    args = ["install", "--progress-bar", "off", TORCH]
    have = subprocess.run([PY, "-c", "from importlib.metadata import version; print(version('torch'))"],
                          capture_output=True, text=True).stdout.strip()
    if have.split("+")[0] == TORCH.split("==")[1]: return say(f"torch {have} is there already")
    if platform.system() == "Darwin": say(f"installing {TORCH}")
    elif has_gpu(): say(f"installing {TORCH} for the NVIDIA GPU of this machine: gigabytes, several minutes")
    elif answers(f"{CPU_BUILDS}/torch/"):
        say(f"installing {TORCH}, CPU build (no NVIDIA GPU here)")
        if pip(*args, "--index-url", CPU_BUILDS, "--retries", "0", "--timeout", "20", fatal=False): return
        say("the index of CPU builds failed: taking torch from the default index")
    else: say(f"installing {TORCH} from the default index (no NVIDIA GPU here, and the index of CPU builds cannot be reached)")
    pip(*args)


def main():
    check_python()
    home = f"{ROOT} {platform.python_implementation()} {platform.python_version()}"
    content = hashlib.sha256(b"".join((ROOT/f).read_bytes() for f in INPUTS)).hexdigest()
    old_home, old_content, *_ = [*(STAMP.read_text(encoding="utf-8").splitlines() if STAMP.exists() else []), "", ""]
    starts = PY.exists() and subprocess.run([PY, "-c", "import pip"], capture_output=True).returncode == 0
    if starts and (old_home, old_content) == (home, content): return
    if starts and old_home == home: say("bringing .venv up to date")
    else:
        say(f"making .venv with Python {platform.python_version()} (once: some minutes, mostly downloads)")
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], check=True)
    STAMP.write_text(f"{home}\nincomplete\n", encoding="utf-8")
    say("installing the packages of requirements.lock")
    pip("install", "--progress-bar", "off", "--no-deps", "-r", "requirements.lock")
    install_torch()
    say("installing eagle_nb itself, editable")
    pip("install", "--no-deps", "--no-build-isolation", "-e", ".")
    check = subprocess.run([PY, "-m", "pip", "check"], capture_output=True, text=True)
    if check.returncode: say(f"note: pip check says\n{check.stdout.strip()}")
    STAMP.write_text(f"{home}\n{content}\n", encoding="utf-8")
    say("the environment is ready")


if __name__ == "__main__": main()
