"""The test kit for plugins: drawn pictures that a small net can learn, and the contract of trainers to be run.

from byod.testing import check_trainer, draw_classes

def test_my_trainer_keeps_the_contract():
    check_trainer(MyTrainer, {"size": "64"})

def test_my_trainer_on_pictures_of_my_own(tmp_path):
    draw_classes(tmp_path, classes=("circle", "square"), per_class=20)
"""

from byod.testing.contract import Checked, check_trainer
from byod.testing.drawn_classes import draw_classes
from byod.testing.drawn_heads import draw_heads

__all__ = ["Checked", "check_trainer", "draw_classes", "draw_heads"]
