"""Global-Local Graph-guided Multi-Head Attention (GL-GMHA): one module for every stage.

Tokens are [batch, frames, joints, channels]. Blocks alternate between local attention (a joint sees its
ancestors and descendants) and global attention (every joint), both biased by learned embeddings of hop
distance and edge type. Temporal attention, per joint in a sliding window, follows where a block has it.
Nothing depends on the order of joints or on their number.
"""

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from mocapcli.network.graph import EDGE_TYPES, HOP_BUCKETS, SkeletonGraph

Scope = Literal["local", "global"]
Tokens = Float[Tensor, "batch frames joints channels"]


class GraphAttention(nn.Module):
    """Attention among the joints of one frame, guided by the skeleton graph."""

    def __init__(self, channels: int, heads: int, scope: Scope) -> None:
        super().__init__()
        self.heads = heads
        self.scope: Scope = scope
        self.project_in = nn.Linear(channels, 3 * channels)
        self.project_out = nn.Linear(channels, channels)
        self.hop_bias = nn.Embedding(HOP_BUCKETS, heads)
        self.edge_bias = nn.Embedding(EDGE_TYPES, heads)
        nn.init.normal_(self.hop_bias.weight, std=0.02)
        nn.init.normal_(self.edge_bias.weight, std=0.02)

    @property
    def bias_table(self) -> Float[Tensor, "relations heads"]:
        """One learned value for every pair of hop distance and edge type."""
        return (self.hop_bias.weight[:, None] + self.edge_bias.weight[None]).flatten(0, 1)

    def forward(self, tokens: Tokens, bias: Float[Tensor, "batch heads joints joints"]) -> Tokens:
        query, key, value = _split_heads(self.project_in(tokens), self.heads)
        return _merge_heads(_attend(query, key, value, bias[:, None]), self.project_out)


class TemporalAttention(nn.Module):
    """Attention of every joint along its own time, up to `window` frames away on either side."""

    def __init__(self, channels: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads = heads
        self.window = window
        self.project_in = nn.Linear(channels, 3 * channels)
        self.project_out = nn.Linear(channels, channels)
        self.offset_bias = nn.Embedding(2 * window + 1, heads)
        nn.init.normal_(self.offset_bias.weight, std=0.02)

    def bias(self, frame_mask: Bool[Tensor, "batch frames"]) -> Float[Tensor, "batch heads frames frames"]:
        times = torch.arange(frame_mask.shape[1], device=frame_mask.device)
        offset = times[None, :] - times[:, None]
        learned = self.offset_bias((offset + self.window).clamp(0, 2 * self.window))
        seen = (offset.abs() <= self.window) & frame_mask[:, None, :] | (offset == 0)
        result: Tensor = learned.masked_fill(~seen[..., None], float("-inf")).permute(0, 3, 1, 2)
        return result

    def forward(self, tokens: Tokens, frame_mask: Bool[Tensor, "batch frames"]) -> Tokens:
        query, key, value = _split_heads(self.project_in(tokens.transpose(1, 2)), self.heads)
        mixed = _attend(query, key, value, self.bias(frame_mask)[:, None])
        return _merge_heads(mixed, self.project_out).transpose(1, 2)


class GraphBlock(nn.Module):
    """Pre-norm block: joints, then (perhaps) time, then a feed-forward layer."""

    def __init__(self, channels: int, heads: int, scope: Scope, window: int, expansion: int) -> None:
        super().__init__()
        self.joint_norm = nn.LayerNorm(channels)
        self.joint_attention = GraphAttention(channels, heads, scope)
        self.time_norm = nn.LayerNorm(channels) if window else None
        self.time_attention = TemporalAttention(channels, heads, window) if window else None
        self.forward_norm = nn.LayerNorm(channels)
        self.forward_layers = nn.Sequential(
            nn.Linear(channels, expansion * channels), nn.GELU(), nn.Linear(expansion * channels, channels)
        )

    def forward(
        self,
        tokens: Tokens,
        bias: Float[Tensor, "batch heads joints joints"],
        frame_mask: Bool[Tensor, "batch frames"],
    ) -> Tokens:
        tokens = tokens + self.joint_attention(self.joint_norm(tokens), bias)
        if self.time_attention is not None and self.time_norm is not None:
            tokens = tokens + self.time_attention(self.time_norm(tokens), frame_mask)
        result: Tensor = tokens + self.forward_layers(self.forward_norm(tokens))
        return result


class GraphTransformer(nn.Module):
    """GL-GMHA: `blocks` blocks, local and global by turns; each global one also looks along time.

    `window` 0 leaves time out. `scopes` replaces the alternation ("local" or "global" only: the ablation).
    """

    def __init__(
        self,
        channels: int,
        heads: int = 4,
        blocks: int = 6,
        window: int = 8,
        expansion: int = 2,
        scopes: tuple[Scope, ...] = ("local", "global"),
    ) -> None:
        super().__init__()
        turns = [scopes[k % len(scopes)] for k in range(blocks)]
        windows = [window if k % 2 else 0 for k in range(blocks)]
        self.blocks = nn.ModuleList(
            GraphBlock(channels, heads, scope, reach, expansion) for scope, reach in zip(turns, windows, strict=True)
        )
        self.norm = nn.LayerNorm(channels)

    def forward(
        self, tokens: Tokens, graph: SkeletonGraph, frame_mask: Bool[Tensor, "batch frames"] | None = None
    ) -> Tokens:
        if frame_mask is None:
            frame_mask = torch.ones(tokens.shape[:2], dtype=torch.bool, device=tokens.device)
        for block, bias in zip(self.blocks, self.biases(graph), strict=True):
            tokens = block(tokens, bias, frame_mask)
        return self.norm(tokens)  # type: ignore[no-any-return]

    def biases(self, graph: SkeletonGraph) -> list[Float[Tensor, "batch heads joints joints"]]:
        """Each block's learned graph bias, minus infinity where a joint may not look; every joint sees itself.

        One look-up for all blocks: the backward pass of many small ones costs more than the attention itself.
        """
        attentions: list[GraphAttention] = [block.joint_attention for block in self.blocks]  # type: ignore[misc]
        if not attentions:
            return []
        tables = torch.cat([attention.bias_table for attention in attentions], dim=-1)
        learned = functional.embedding(graph.hops * EDGE_TYPES + graph.edges, tables).permute(3, 0, 1, 2)
        own = torch.eye(graph.chain.shape[-1], dtype=torch.bool, device=graph.chain.device)
        hidden = {"local": ~(graph.chain | own), "global": ~(graph.mask[:, None, :] | own)}
        parts = learned.split([attention.heads for attention in attentions])
        return [
            part.masked_fill(hidden[attention.scope], float("-inf")).transpose(0, 1)
            for attention, part in zip(attentions, parts, strict=True)
        ]


def _split_heads(
    projected: Float[Tensor, "batch outer inner three_channels"], heads: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Query, key and value as [batch, outer, heads, inner, channels of a head]."""
    query, key, value = projected.unflatten(-1, (3, heads, -1)).permute(3, 0, 1, 4, 2, 5)
    return query, key, value


def _attend(
    query: Float[Tensor, "batch outer heads inner part"],
    key: Float[Tensor, "batch outer heads inner part"],
    value: Float[Tensor, "batch outer heads inner part"],
    bias: Float[Tensor, "batch one heads inner inner"],
) -> Float[Tensor, "batch outer heads inner part"]:
    """Attention with a bias. No row is hidden altogether, so that a processor may skip torch's guards against that."""
    if query.device.type == "cpu":
        scores = query @ (key * key.shape[-1] ** -0.5).transpose(-1, -2) + bias.to(query.dtype)
        return functional.softmax(scores, dim=-1) @ value
    return functional.scaled_dot_product_attention(query, key, value, attn_mask=bias.to(query.dtype))


def _merge_heads(mixed: Float[Tensor, "batch outer heads inner part"], project: nn.Module) -> Tensor:
    merged: Tensor = project(mixed.transpose(2, 3).flatten(-2))
    return merged
