"Patching: methods written outside their class are methods to Python, to `help` and to tracebacks."
import pydoc
import traceback

import pytest

from eagle_nb.core.patching import patch


@pytest.fixture
def Curve():
    "A class with one patched method of each kind."
    class Curve:
        def __init__(self, values): self.values = values
    @patch
    def mean(self:Curve)->float:
        "The mean of the values."
        return sum(self.values)/len(self.values)
    @patch(as_prop=True)
    def ends(self:Curve)->tuple:
        "First and last value."
        return self.values[0], self.values[-1]
    @patch(cached=True)
    def top(self:Curve)->float:
        "The largest value."
        return max(self.values)
    @patch(cls_method=True)
    def flat(cls:Curve, value, n):
        "A constant curve."
        return cls([value]*n)
    return Curve


def test_each_kind_of_method_works(Curve):
    c = Curve([1, 2, 6])
    assert c.mean() == 3 and c.ends == (1, 6) and c.top == 6
    assert Curve.flat(3, 2).values == [3, 3]


def test_a_cached_property_is_computed_once_per_object(Curve):
    c, other = Curve([1, 2]), Curve([5])
    assert c.top == 2
    c.values = [9]
    assert c.top == 2 and c.ends == (9, 9) and other.top == 5


def test_help_shows_patched_methods(Curve):
    text = pydoc.plain(pydoc.render_doc(Curve))
    for words in ("mean(self", "The mean of the values.", "First and last value.", "The largest value.",
                  "flat(value, n)", "A constant curve."): assert words in text, words
    assert {"mean", "ends", "top", "flat"} <= set(dir(Curve))


def test_a_patched_method_knows_its_class(Curve):
    assert Curve.mean.__qualname__.endswith("Curve.mean") and Curve.mean.__name__ == "mean"
    assert Curve.ends.fget.__qualname__.endswith("Curve.ends")


def test_a_traceback_names_the_method(Curve):
    with pytest.raises(ZeroDivisionError) as e: Curve([]).mean()
    assert traceback.extract_tb(e.value.__traceback__)[-1].name == "mean"


def test_subclasses_inherit_patched_methods(Curve):
    class Loss(Curve): pass
    assert Loss([2, 4]).mean() == 3 and isinstance(Loss.flat(1, 2), Loss)


def test_a_missing_annotation_is_an_error():
    def mean(self): return 0
    with pytest.raises(TypeError, match=r"first argument of mean must be annotated with its class, got None: "
                                        r"def mean\(self:Model, ...\)"): patch(mean)
    with pytest.raises(TypeError, match="must be annotated with its class"): patch(as_prop=True)(mean)


def test_an_annotation_that_is_no_class_is_an_error():
    def mean(self:"Curve"): return 0
    with pytest.raises(TypeError, match="got 'Curve'"): patch(mean)


def test_a_function_of_the_same_name_stays_what_it_is(Curve):
    module = {"patch": patch, "Curve": Curve}
    exec("def length(x): return len(x)\n"
         "before = length\n"
         "@patch\n"
         "def length(self:Curve): return len(self.values)\n", module)
    exec("@patch\ndef width(self:Curve): return 1\n", module)
    assert module["length"] is module["before"] and module["width"].__qualname__.endswith("width")
    assert Curve([1, 2]).length() == 2
