"""Generated from scene_editor.py by .ci/stubs.py; do not edit."""
__all__ = ['CELL', 'COLUMNS', 'START', 'EDITING', 'sprite_data', 'scene_data', 'free_spot', 'inside', 'EditorScreen', 'SceneEditor', 'scene_code', 'p_yes']
import base64, io, time
from dataclasses import asdict, replace
import torch, traitlets
from PIL import Image
from .explorer import Explorer, Screen
from .findings import Findings
from .session import told
from ..core.models import Model
from ..core.patching import patch
from ..explanation.view import image_uri
from ..world.scenes import MOST, OBJECTS, PARTNER, PLACES, SIZE, SMALLEST, VARIANTS, Item, Scene, compose, question, sample, sprite, sprite_size
CELL, COLUMNS = (112, 8)

def sprite_data() -> dict:
    """All objects as one picture for the browser."""
    ...

def scene_data(x: 'SceneEditor') -> dict:
    """The scene for the browser; `serial` is that of the message after which it was made."""
    ...

def free_spot(items: tuple[Item, ...], name: str, size: int=64) -> tuple[int, int]:
    """A place for another object."""
    ...

def _box(item: Item) -> tuple[int, int, int, int]:
    ...

def _apart(a, b) -> bool:
    ...

def inside(name: str, x: float, y: float, size: float) -> dict:
    """The nearest place and size that an object can have."""
    ...

class EditorScreen(Screen):
    """What the browser gets: the explorer's plain data, the sprites and the scene."""
    scripts, styles = (('view', 'page', 'scene_editor'), ('view', 'explorer', 'scene_editor'))
    sprites, scene = (traitlets.Dict().tag(sync=True) for _ in range(2))
START = ('street', (Item('woman', 78, 60, 120),), 3)
EDITING = dict(regions=25, budget=128)

class SceneEditor(Explorer):
    """A drawn scene that is changed by hand, the model's answer and its explanation."""
    screen = EditorScreen
    debounce = 0.15

    def __init__(self, model: Model | str | tuple, scene: Scene | int | None=None, question: str='Describe the image.', **settings):
        ...

    @told
    def place(self, name: str, x: int | None=None, y: int | None=None, size: int=64, flip: bool=False) -> SceneEditor:
        """Add an object."""
        ...

    @told
    def move(self, name: str, x: int, y: int) -> SceneEditor:
        """Put an object somewhere else."""
        ...

    @told
    def resize(self, name: str, size: int) -> SceneEditor:
        """Make an object larger or smaller around its middle, within the image."""
        ...

    @told
    def flip(self, name: str) -> SceneEditor:
        """Mirror an object."""
        ...

    @told
    def remove(self, name: str) -> SceneEditor:
        """Take an object out of the scene."""
        ...

    @told
    def background(self, place: str, variant: int | None=None) -> SceneEditor:
        """Put the objects somewhere else."""
        ...

    @told
    def start(self, scene: Scene | int | None=None) -> SceneEditor:
        """Edit another scene."""
        ...

    @told
    def undo(self) -> SceneEditor:
        """Take the latest change back."""
        ...

    def _names(self) -> list[str]:
        ...

    def _item(self, name: str) -> Item:
        """An object of the scene."""
        ...

    def _alter(self, name: str, **fields):
        """Replace fields of an object."""
        ...

    def _compose(self, items: list[Item]):
        ...

    def _use(self, scene: Scene):
        """Show a scene, and ask the model again."""
        ...

    def _chosen(self) -> str | None:
        """The words that are selected; None for the whole answer."""
        ...

    def _answer_before(self) -> str | None:
        """The answer before the change, if it was to the same question."""
        ...

    def _remember(self):
        """What there was before the change, if the model had answered."""
        ...

    def _answer(self, asked, image, source, question):
        """Wait until nothing changes any more, let the model answer, then ask it for the partners."""
        ...

    def _ask_partners(self, scene: Scene):
        """Ask for the partner of each pair, unless the scene changes meanwhile."""
        ...

    def partner_rows(self) -> list[dict]:
        """The planted pairs, with the probability of Yes now and before the latest change."""
        ...

    def _on_message(self, message: dict, buffers: list):
        """Change the scene, or do what the explorer does."""
        ...

    def _send(self):
        """The scene first, then what the explorer sends; nothing changes in between."""
        ...

    def state(self) -> dict:
        """Everything that is shown: the explorer's state, the scene and the planted pairs."""
        ...

    def live_data(self) -> dict:
        """The part of the state that the controls show."""
        ...

    def text(self) -> str:
        """Scene, answer, planted pairs and explanation in plain text."""
        ...

def _scene(scene: Scene | int | None) -> Scene:
    """What a user may name a scene by."""
    ...

def scene_code(scene: Scene) -> str:
    """What composes a scene once more."""
    ...

def p_yes(model: Model, image, name: str) -> float:
    """How likely a model affirms that an object is in an image."""
    ...

def _place(x, m):
    ...

def _change(x, m):
    """Place, size and side of an object, as it was dragged."""
    ...
_EDITS = {'place': _place, 'change': _change, 'remove': lambda x, m: x.remove(m['name']), 'background': lambda x, m: x.background(m['place'], int(m['variant'])), 'start': lambda x, m: x.start(int(m['seed'])), 'undo': lambda x, m: x.undo(), 'clear': lambda x, m: x.start(compose(x.scene.place, [], x.scene.variant))}
