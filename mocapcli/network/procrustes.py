"""The rotation nearest to a matrix, without SVD: closed form forward, implicit function backward.

The rotation R that maximises tr(Rᵀ M) is the top eigenvector of Davenport's symmetric 4×4 matrix. Its
eigenvalue comes from Newton's method on the characteristic quartic, started above all roots (Theobald 2005),
its eigenvector from the adjugate. Derivatives follow from the optimality condition (RᵀM is symmetric) by one
Newton step whose value is nil, so they exist wherever the optimum is unique and are bounded elsewhere.
"""

import roma
import torch
from jaxtyping import Float
from torch import Tensor

ITERATIONS = 40
TWIN = 1e-5  # size of the adjugate below which two eigenvalues are too close for it: LAPACK takes those few
BOUND = 1e-6  # least curvature relative to the matrix: beyond it the optimum is a matter of taste


def nearest_rotation(matrices: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 3 3"]:
    """Rotation that maximises tr(Rᵀ M); of a zero matrix, the identity."""
    with torch.no_grad():
        optimum = _optimum(matrices)
    return _with_gradient(optimum, matrices)


def information(
    rotations: Float[Tensor, "*batch 3 3"], matrices: Float[Tensor, "*batch 3 3"]
) -> Float[Tensor, "*batch 3 3"]:
    """Curvature of tr(Rᵀ M) at its optimum by the rotation vector on R's right: how firmly M holds each axis."""
    product = rotations.transpose(-1, -2) @ matrices
    symmetric = (product + product.transpose(-1, -2)) / 2
    trace = symmetric.diagonal(dim1=-2, dim2=-1).sum(-1)[..., None, None]
    return trace * torch.eye(3, dtype=matrices.dtype, device=matrices.device) - symmetric


def axial(matrices: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 3"]:
    """Vector of the antisymmetric part M − Mᵀ."""
    return torch.stack(
        [
            matrices[..., 2, 1] - matrices[..., 1, 2],
            matrices[..., 0, 2] - matrices[..., 2, 0],
            matrices[..., 1, 0] - matrices[..., 0, 1],
        ],
        dim=-1,
    )


def cross_matrix(vectors: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """Matrix that multiplies as the cross product from the left."""
    x, y, z = vectors.unbind(-1)
    nil = torch.zeros_like(x)
    result: Tensor = torch.stack([nil, -z, y, z, nil, -x, -y, x, nil], dim=-1).unflatten(-1, (3, 3))
    return result


def inverse_symmetric(matrices: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 3 3"]:
    """Inverse of symmetric 3×3 matrices by cofactors: many small ones at once, faster than LAPACK."""
    first, second, third = matrices.unbind(-2)
    adjugate = torch.stack(
        [torch.linalg.cross(second, third), torch.linalg.cross(third, first), torch.linalg.cross(first, second)], -1
    )
    determinant = (first * adjugate[..., :, 0]).sum(-1)
    return adjugate / determinant[..., None, None]


def _with_gradient(
    optimum: Float[Tensor, "*batch 3 3"], matrices: Float[Tensor, "*batch 3 3"]
) -> Float[Tensor, "*batch 3 3"]:
    if not (torch.is_grad_enabled() and matrices.requires_grad):
        return optimum
    with torch.no_grad():
        scale = matrices.norm(dim=(-1, -2)).clamp_min(1e-30)[..., None, None]
        curvature = information(optimum, matrices) / scale
        identity = torch.eye(3, dtype=matrices.dtype, device=matrices.device)
        inverse = inverse_symmetric(curvature + BOUND * identity) / scale
    torque = axial(optimum.transpose(-1, -2) @ matrices)
    step = (inverse @ torque[..., None])[..., 0]
    return optimum + optimum @ cross_matrix(step - step.detach())


def _optimum(matrices: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 3 3"]:
    """In double precision throughout: the eigenvector is a cubic of the eigenvalue gaps."""
    scale = matrices.norm(dim=(-1, -2), keepdim=True)
    tiny = scale < 1e-20
    identity = torch.eye(3, dtype=matrices.dtype, device=matrices.device)
    unit = torch.where(tiny, identity, matrices / torch.where(tiny, 1.0, scale)).double()
    davenport = _davenport(unit)
    shifted = davenport - _top_eigenvalue(unit)[..., None, None] * torch.eye(4).to(davenport)
    adjugate = _adjugate(shifted)
    best = adjugate.square().sum(-1).argmax(-1)[..., None, None].expand(*adjugate.shape[:-2], 1, 4)
    quaternions = adjugate.gather(-2, best)[..., 0, :]
    norms = quaternions.norm(dim=-1, keepdim=True)
    quaternions = quaternions / norms.clamp_min(1e-30)
    twin = norms[..., 0] < TWIN
    if bool(twin.any()):
        quaternions[twin] = torch.linalg.eigh(davenport[twin]).eigenvectors[..., -1]
    result: Tensor = roma.unitquat_to_rotmat(quaternions).to(matrices.dtype)
    return result


def _davenport(m: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 4 4"]:
    """4×4 matrix whose top eigenvector is the quaternion (xyzw)."""
    trace = m.diagonal(dim1=-2, dim2=-1).sum(-1)
    symmetric = m + m.transpose(-1, -2) - trace[..., None, None] * torch.eye(3).to(m)
    vector = axial(m)
    upper = torch.cat([symmetric, vector[..., :, None]], dim=-1)
    lower = torch.cat([vector, trace[..., None]], dim=-1)
    return torch.cat([upper, lower[..., None, :]], dim=-2)


def _top_eigenvalue(m: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, " *batch"]:
    """Largest root of λ⁴ − 2‖M‖² λ² − 8 det M λ + det K, from above: Newton falls on it monotonically."""
    squared = m.square().sum((-1, -2))
    gram = m.transpose(-1, -2) @ m
    linear = -8 * torch.linalg.det(m)
    # det K in the singular values s of M is (Σs²)² − 4 Σ s_i² s_k²  =  2 tr((MᵀM)²) − (tr MᵀM)².
    constant = 2 * gram.square().sum((-1, -2)) - squared.square()
    value = (3 * squared).sqrt()
    for _ in range(ITERATIONS):
        polynomial = ((value * value - 2 * squared) * value + linear) * value + constant
        slope = (4 * value * value - 4 * squared) * value + linear
        # At a double root both vanish: rounding must not throw the value off.
        step = torch.where((slope > 1e-9) & (polynomial > 0), polynomial / slope.clamp_min(1e-9), 0.0)
        value = value - step
        if bool((step < 1e-11).all()):  # the next would be its square over the gap
            break
    return value


def _adjugate(a: Float[Tensor, "*batch 4 4"]) -> Float[Tensor, "*batch 4 4"]:
    """Adjugate of symmetric 4×4 matrices from 2×2 minors; at an eigenvalue, multiples of its eigenvector."""
    rows = [[a[..., i, k] for k in range(4)] for i in range(4)]
    low = {(i, k): rows[0][i] * rows[1][k] - rows[0][k] * rows[1][i] for i in range(4) for k in range(i + 1, 4)}
    high = {(i, k): rows[2][i] * rows[3][k] - rows[2][k] * rows[3][i] for i in range(4) for k in range(i + 1, 4)}
    out = []
    for column in range(4):
        i, k, m = (c for c in range(4) if c != column)
        for row, minors in ((1, high), (0, high), (3, low), (2, low)):
            cofactor = rows[row][i] * minors[k, m] - rows[row][k] * minors[i, m] + rows[row][m] * minors[i, k]
            out.append(cofactor * (-1.0) ** (column + {1: 0, 0: 1, 3: 2, 2: 3}[row]))
    result: Tensor = torch.stack(out, dim=-1).unflatten(-1, (4, 4))
    return result
