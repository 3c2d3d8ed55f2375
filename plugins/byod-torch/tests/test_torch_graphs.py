"""The graphs of exported nets: plain ones, without branches and loops, whichever net it is."""

from pathlib import Path

import pytest
from byod_torch import Options, onnx_export
from byod_torch.architectures import TABLE
from byod_torch.body_features import OUTPUTS, WithFeatures
from byod_torch.networks import accepts, net

from byod.schema.errors import TrainerError
from byod.schema.model_card import InputRule
from byod.training import finished_model, graph_check

FAMILIES = (
    "mnasnet0_5", "regnet_x_400mf", "regnet_y_400mf",
    "shufflenet_v2_x0_5", "swin_v2_t",
    "efficientnet_v2_s", "resnext50_32x4d",
    "beit_base_patch16_224", "botnet26t_256", "caformer_s18", "cait_xxs24_224", "coat_tiny",
    "coatnet_nano_rw_224", "convit_tiny", "convmixer_768_32", "crossvit_tiny_240",
    "cspresnet50", "davit_tiny", "deit_tiny_patch16_224", "dla46_c", "dpn48b",
    "edgenext_xx_small", "efficientformer_l1", "efficientformerv2_s0", "efficientvit_m0",
    "fastvit_t8", "focalnet_tiny_srf", "gcvit_xxtiny", "ghostnet_050", "hardcorenas_a",
    "hgnetv2_b0", "hrnet_w18_small", "inception_next_atto", "levit_128s", "mambaout_femto",
    "maxvit_rmlp_pico_rw_256", "mixer_s32_224", "mobileone_s0", "mobilevit_xxs",
    "mobilevitv2_050", "mvitv2_tiny", "nest_tiny", "nfnet_l0", "pit_ti_224",
    "poolformer_s12", "pvt_v2_b0", "rdnet_tiny", "regnetz_005", "repghostnet_050",
    "rexnet_100", "selecsls42", "sequencer2d_s", "starnet_s1", "swiftformer_xs",
    "tiny_vit_5m_224", "tinynet_e", "tnt_s_legacy_patch16_224", "twins_svt_small",
    "visformer_tiny", "volo_d1_224", "xception41", "xcit_nano_12_p16_224",
)  # fmt: skip
"""A small net of each larger family of torchvision and timm that the table does not have.

Byod takes the transformers `vit` and `maxvit` of timm alone: torchvision's cannot be cut before their classifier.
"""


def exported(name: str, folder: Path) -> bytes:
    """The file of a net with random weights, as byod goes on with it; at the smallest size that the net takes."""
    built = net(Options(arch=name, from_scratch=True, normalise="none"), 2)
    for size in (built.size,) if built.size else (64, 128, 224, 256, 299):
        try:
            accepts(built, size)
        except TrainerError:
            continue
        break
    rule = InputRule(width=size, height=size)
    whole = WithFeatures(built.model.eval(), size).eval()
    file = onnx_export.write(whole, rule, folder / "net.onnx", outputs=OUTPUTS)
    finished_model.fold(file, built.arch)
    return file.read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["lenet", "squeezenet", "resnet10t", "mobilenet_v3_small", "vit_tiny_patch16_224"]
)
def test_small_nets_are_exported_as_plain_graphs(name, tmp_path):
    """No branch, loop, function or file beside it is left in what a training would keep."""
    graph_check.check(exported(name, tmp_path))


@pytest.mark.long
@pytest.mark.parametrize("name", [*(each.name for each in TABLE), *FAMILIES])
def test_every_net_that_byod_names_is_exported_as_a_plain_graph(name, tmp_path):
    """The nets of the table, and a small one of each larger family of torchvision and timm."""
    graph_check.check(exported(name, tmp_path))
