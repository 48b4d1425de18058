"Set functions with a known truth, and searches written here from the paper's wording."
import numpy as np
import torch
from hypothesis import HealthCheck, settings, strategies as st

from eagle_nb.core.curves import prefixes, trace
from eagle_nb.core.scores import FunctionScorer
from eagle_nb.search.search import bidirectional, exact, lazy, one_shot

few = settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
GREEDY = {"exact": exact, "bidirectional": bidirectional, "lazy": lazy, "one_shot": one_shot}


# ---- searches by brute force

class Book:
    "F of a set, from a function frozenset -> mean probability; asks for every set once."
    def __init__(self, p, n, lam=(1, 1)): self.p, self.n, self.lam, self.known = p, n, lam, {}

    def mean(self, s):
        if s not in self.known: self.known[s] = self.p(s)
        return self.known[s]

    def F(self, s):
        s = frozenset(s)
        rest = frozenset(range(self.n)) - s
        return self.lam[0]*self.mean(s) + self.lam[1]*(1 - self.mean(rest))


def follow_exact(book, order, tolerance=0.):
    """Walk an order; at every step the region taken must have the highest F.
    Returns the number of steps at which it is the only best one."""
    taken, clear = [], 0
    for region in order:
        f = {r: book.F(taken + [r]) for r in range(book.n) if r not in taken}
        best = max(f.values())
        assert f[region] >= best - tolerance, (taken, region, f)
        clear += sum(v >= best - tolerance for v in f.values()) == 1
        taken.append(int(region))
    return clear


def brute_exact(book):
    taken = []
    while len(taken) < book.n:
        left = [r for r in range(book.n) if r not in taken]
        taken.append(max(left, key=lambda r: (book.F(taken + [r]), -r)))
    return taken


def brute_bidirectional(book, scope, pending, every):
    """The efficient version: grow from the front, look at all regions in every `every`-th step,
    send one of the last to the back."""
    everything, front, back, step = list(range(book.n)), [], [], 0
    waiting = list(everything)
    while waiting:
        full = step % every == 0
        seen = sorted(waiting) if full else waiting[:scope]
        unseen = [] if full else waiting[scope:]
        seen = sorted(seen, key=lambda r: -book.F(front + [r]))
        waiting = seen + unseen
        front.append(waiting.pop(0))
        if waiting:
            last = waiting[-pending:]
            worst = max(last, key=lambda r: book.F(set(everything) - set(back) - {r}))
            back.append(worst)
            waiting.remove(worst)
        step += 1
    return front + back[::-1]


# ---- tables: a value for every set

@st.composite
def functions(draw, low=1, high=6, ties=False):
    "A set function as a table of dyadic rationals, so that every sum is exact in float32: n, table (2^n, T)."
    n, t = draw(st.integers(low, high)), draw(st.sampled_from([1, 2]))
    seed = draw(st.integers(0, 2**20))
    rng = np.random.default_rng(seed)
    table = rng.integers(0, 3, (2**n, t))/4 if ties else rng.permutation(2**n*t).reshape(2**n, t)/2**12
    return n, table


def scorer_of(n, table, **kw):
    calls = []
    def fn(keep):
        calls.append(len(keep))
        code = (keep.numpy()*(1 << np.arange(n))).sum(1)
        return torch.tensor(table[code], dtype=torch.float32)
    scorer = FunctionScorer(fn, n, **kw)
    scorer.calls = calls
    return scorer


def table_book(n, table, lam=(1, 1)):
    return Book(lambda kept: float(table[sum(1 << r for r in kept)].mean()), n, lam)


# ---- formulas

def additive(weights):
    w = torch.tensor(weights, dtype=torch.float32)
    return FunctionScorer(lambda keep: (keep.float()*w).sum(1)/max(1., float(w.sum())), len(weights))


def rough(n, seed=0, tokens=2):
    "A function with thresholds, redundancy and a disturbing region; smooth enough to be learned."
    rng = np.random.default_rng(seed)
    a, b, c = (torch.tensor(rng.normal(size=(n, tokens)), dtype=torch.float32) for _ in range(3))
    def p(keep):
        x = keep.float()
        threshold, redundant = torch.relu(x @ c/n**.5 - .5), torch.relu(x @ b/n**.5)
        return torch.sigmoid(1.2*(x @ a)/n**.5*2 + 2*redundant - 1.5*threshold - 1)
    return p


# ---- what an order is worth

def worth(p, order):
    keep = prefixes(order)
    return float((p(keep) - p(~keep)).mean())


def recovery(scorer, found):
    "The measured share of the whole image's probability, by number of regions at the front."
    shown = trace(FunctionScorer(scorer.fn, scorer.n), found.order)[0].double().mean(1).numpy()
    return shown/shown[-1]
