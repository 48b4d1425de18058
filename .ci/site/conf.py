"""Sphinx's settings for the site; `.ci/docs.py` copies them beside the pages."""
from docutils.nodes import SkipNode
from docutils.utils.math.latex2mathml import tex2mathml

project = html_title = "eagle-nb"
copyright = "2026 onwards, the eagle-nb developers"
extensions = ["myst_nb", "sphinx_copybutton"]
root_doc = "index"

nb_execution_mode = "off"
nb_merge_streams = True
nb_ipywidgets_js = {}  # widgets live in notebooks: no script is fetched for them
nb_code_prompt_show = nb_code_prompt_hide = "Source"
myst_enable_extensions = ["attrs_block", "attrs_inline", "dollarmath"]
myst_heading_anchors = 6

add_module_names = False
python_maximum_signature_line_length = 88
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_static_path = ["_static"]
html_css_files, html_js_files = ["site.css"], ["site.js"]
html_copy_source = html_show_sourcelink = html_show_sphinx = False
html_math_renderer = "mathml"
pygments_dark_style = "github-dark"  # the light style is furo's own
copybutton_selector = "div.cell_input pre, div.highlight-python pre, div.highlight-sh pre"


def inline_math(self, node):
    "A formula that browsers show themselves: no script, no font, no network."
    self.body.append(tex2mathml(node.astext()))
    raise SkipNode


def block_math(self, node):
    self.body.append(f'<div class="math">{tex2mathml(node.astext(), as_block=True)}</div>')
    raise SkipNode


def setup(app):
    app.add_html_math_renderer("mathml", (inline_math, None), (block_math, None))
    return dict(parallel_read_safe=True, parallel_write_safe=True)
