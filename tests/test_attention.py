"""GL-GMHA and the skeleton graph: relations, masks, padding, order of joints."""

import pytest
import torch

from mocapcli.errors import InvalidDataError
from mocapcli.network.attention import GraphTransformer, TemporalAttention, _attend
from mocapcli.network.graph import (
    ANCESTOR,
    CHILD,
    DESCENDANT,
    HOP_BUCKETS,
    OTHER,
    PARENT,
    SELF,
    SIBLING,
    build_graph,
    build_levels,
    fold_levels,
    gather_parents,
    sum_children,
)

PARENTS = torch.tensor([[-1, 0, 1, 1, 0, 4]])


def random_parents(joints: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    picks = [int(torch.randint(0, k, (), generator=generator)) for k in range(1, joints)]
    return torch.tensor([[-1, *picks]])


def random_network(seed: int = 0, **options: object) -> GraphTransformer:
    """With weights far from their timid start, so that a leak shows."""
    torch.manual_seed(seed)
    network = GraphTransformer(16, heads=2, blocks=4, window=2, **options).double().eval()
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if "bias.weight" in name:
                weight.normal_(std=2.0)
    return network


def test_graph_relations_of_a_small_tree():
    graph = build_graph(PARENTS)
    assert graph.hops[0].tolist()[2] == [2, 1, 0, 2, 3, 4]
    assert graph.edges[0, 2].tolist() == [ANCESTOR, PARENT, SELF, SIBLING, OTHER, OTHER]
    assert graph.edges[0, 0].tolist() == [SELF, CHILD, DESCENDANT, DESCENDANT, CHILD, DESCENDANT]
    assert graph.chain[0, 1].tolist() == [True, True, True, True, False, False]
    assert graph.depth[0].tolist() == [1, 2, 3, 3, 2, 3]
    assert graph.chain[0, 5].tolist() == [True, False, False, False, True, True]


def test_padding_and_other_trees_are_no_relatives():
    parents = torch.tensor([[-1, 0, -1, 2, -1, -1]])
    mask = torch.tensor([[True] * 4 + [False] * 2])
    graph = build_graph(parents, mask)
    assert graph.hops[0, 1].tolist() == [1, 0] + [HOP_BUCKETS - 1] * 4
    assert graph.edges[0, 0, 2:].tolist() == [OTHER] * 4  # two roots are no siblings
    assert not graph.chain[0, 4:].any() and not graph.chain[0, :, 4:].any()


def test_long_chain_has_bucketed_hops():
    joints = 300
    graph = build_graph(torch.arange(-1, joints - 1)[None])
    assert graph.hops[0, 0, :5].tolist() == [0, 1, 2, 3, 4]
    assert graph.hops[0, 0, -1] == HOP_BUCKETS - 1
    assert graph.chain.all()


def test_levels_fold_from_the_roots():
    parents = torch.cat([PARENTS, torch.tensor([[-1, 0, -1, 2, 3, -1]])])
    levels = build_levels(parents)
    values = torch.arange(12.0).view(2, 1, 6, 1)
    path = fold_levels(levels, values, lambda own, above, _: above + own if len(above) else own)
    assert path[0, 0, :, 0].tolist() == [0, 1, 3, 4, 4, 9]
    assert path[1, 0, :, 0].tolist() == [6, 13, 8, 17, 27, 11]


def test_levels_refuse_a_circle():
    with pytest.raises(InvalidDataError, match="circle"):
        build_levels(torch.tensor([[-1, 2, 1]]))


def test_gather_parents_and_sum_children():
    values = torch.arange(1.0, 7.0).view(1, 1, 6, 1)
    assert gather_parents(values, PARENTS).flatten().tolist() == [1, 1, 2, 2, 1, 5]
    assert sum_children(values, PARENTS).flatten().tolist() == [7, 7, 0, 0, 6, 0]


@pytest.mark.parametrize("joints", [4, 37, 300])
def test_padding_does_not_change_the_tokens(joints: int):
    network = random_network()
    parents = random_parents(joints)
    tokens = torch.randn(1, 3, joints, 16, dtype=torch.float64)
    plain = network(tokens, build_graph(parents))
    more = torch.randn(1, 3, 5, 16, dtype=torch.float64) * 100
    padded = torch.cat([parents, torch.full((1, 5), -1)], dim=1)
    mask = torch.arange(joints + 5)[None] < joints
    out = network(torch.cat([tokens, more], dim=2), build_graph(padded, mask))
    torch.testing.assert_close(out[:, :, :joints], plain)
    assert torch.isfinite(out).all()


def test_order_of_joints_does_not_matter():
    network = random_network()
    parents = random_parents(12)[0]
    tokens = torch.randn(1, 3, 12, 16, dtype=torch.float64)
    order = torch.randperm(12, generator=torch.Generator().manual_seed(1))
    place = torch.argsort(order)
    shuffled = torch.where(parents[order] >= 0, place[parents[order]], -1)
    out = network(tokens[:, :, order], build_graph(shuffled[None]))
    torch.testing.assert_close(out, network(tokens, build_graph(parents[None]))[:, :, order])


def test_local_attention_sees_the_chain_only_and_global_all():
    tokens = torch.randn(1, 1, 6, 8, dtype=torch.float64)
    changed = tokens.clone()
    changed[:, :, 5] += 1.0
    graph = build_graph(PARENTS)
    for scope, reached in (("local", [0, 4, 5]), ("global", [0, 1, 2, 3, 4, 5])):
        torch.manual_seed(0)
        network = GraphTransformer(8, heads=2, blocks=1, window=0, scopes=(scope,)).double()
        attention, bias = network.blocks[0].joint_attention, network.biases(graph)[0]
        moved = (attention(changed, bias) - attention(tokens, bias)).abs().sum(-1)[0, 0] > 1e-12
        assert moved.nonzero().flatten().tolist() == reached


@pytest.mark.parametrize("silent", ["hop_bias", "edge_bias"])
def test_graph_bias_matters(silent: str):
    """Global blocks alone: there the graph is seen in the biases only, and each of the two tells trees apart."""
    network = random_network(scopes=("global",))
    for name, weight in network.named_parameters():
        if silent in name:
            torch.nn.init.zeros_(weight)
    tokens = torch.randn(1, 2, 12, 16, dtype=torch.float64)
    first, second = (network(tokens, build_graph(random_parents(12, seed))) for seed in (0, 1))
    assert (first - second).abs().max() > 1e-3
    for name, weight in network.named_parameters():
        if "bias.weight" in name and "offset" not in name:
            torch.nn.init.zeros_(weight)
    first, second = (network(tokens, build_graph(random_parents(12, seed))) for seed in (0, 1))
    torch.testing.assert_close(first, second)


def test_blocks_look_near_and_far_by_turns():
    blocks = GraphTransformer(16, heads=2, blocks=5, window=2).blocks
    assert [block.joint_attention.scope for block in blocks] == ["local", "global", "local", "global", "local"]
    assert [block.time_attention is not None for block in blocks] == [False, True, False, True, False]
    assert all(block.time_attention is None for block in GraphTransformer(16, heads=2, blocks=4, window=0).blocks)


def test_time_reaches_as_far_as_its_windows_together():
    network = random_network()  # two blocks look along time, two frames each
    graph, tokens = build_graph(PARENTS), torch.randn(1, 12, 6, 16, dtype=torch.float64)
    changed = tokens.clone()
    changed[:, 0, 3, 0] += 1.0  # not all channels alike: norms would hide that
    moved = (network(changed, graph) - network(tokens, graph)).abs().sum((-1, -2))[0] > 1e-12
    assert moved.nonzero().flatten().tolist() == [0, 1, 2, 3, 4]


def test_frames_that_pad_a_clip_change_nothing():
    network, graph = random_network(), build_graph(PARENTS)
    tokens = torch.randn(1, 5, 6, 16, dtype=torch.float64)
    more = torch.cat([tokens, 100 * torch.randn(1, 4, 6, 16, dtype=torch.float64)], dim=1)
    out = network(more, graph, (torch.arange(9) < 5)[None])
    torch.testing.assert_close(out[:, :5], network(tokens, graph))
    assert torch.isfinite(out).all()


def test_processors_and_gpus_attend_alike():
    """The short way that processors take gives what torch's own attention gives, hidden joints included."""
    torch.manual_seed(0)
    query, key, value = torch.randn(3, 2, 3, 2, 6, 8, dtype=torch.float64)
    bias = torch.randn(2, 1, 2, 6, 6, dtype=torch.float64).masked_fill(torch.rand(2, 1, 2, 6, 6) < 0.3, float("-inf"))
    bias.diagonal(dim1=-2, dim2=-1).zero_()
    torch.testing.assert_close(
        _attend(query, key, value, bias),
        torch.nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=bias),
    )


def test_time_window_and_frame_mask():
    torch.manual_seed(0)
    attention = TemporalAttention(8, 2, window=2).double()
    tokens = torch.randn(1, 9, 2, 8, dtype=torch.float64)
    changed = tokens.clone()
    changed[:, 4, 0] += 1.0
    everything = torch.ones(1, 9, dtype=torch.bool)
    moved = (attention(changed, everything) - attention(tokens, everything)).abs().sum(-1)[0] > 1e-12
    assert moved[:, 0].nonzero().flatten().tolist() == [2, 3, 4, 5, 6]
    assert not moved[:, 1].any()  # each joint along its own time
    hidden = everything.clone()
    hidden[:, 4] = False
    moved = (attention(changed, hidden) - attention(tokens, hidden)).abs().sum(-1)[0, :, 0] > 1e-12
    assert moved.nonzero().flatten().tolist() == [4]


def test_every_weight_learns():
    network = GraphTransformer(16, heads=2, blocks=2, window=2)
    network(torch.randn(2, 3, 6, 16), build_graph(PARENTS.expand(2, -1))).square().sum().backward()
    grads = {name: weight.grad for name, weight in network.named_parameters()}
    assert all(grad is not None and torch.isfinite(grad).all() for grad in grads.values())
    assert grads["blocks.0.joint_attention.edge_bias.weight"].abs().max() > 0
