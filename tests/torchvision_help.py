"""torchvision beside a CPU build of torch, for tests of processors that need it.

Where EAGLE_NB_TORCHVISION names a folder with an installed torchvision, it is imported from there; the CUDA part of its
wheel, which declares two of its operators, need not load."""
import os
import sys

FOLDER = os.environ.get("EAGLE_NB_TORCHVISION")
declared = []  # the declarations last as long as their library


def activate():
    "Put torchvision on the path, once, before transformers looks for it."
    if not FOLDER or declared: return
    import torch
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"): library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    declared.append(library)
    sys.path.append(FOLDER)
    import torchvision  # noqa: F401
