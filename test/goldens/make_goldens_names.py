"""Names of tensors as checkpoints have them."""

def checkpoint_names(tensors):
    """transformers 5 keeps a layer's experts in two tensors; checkpoints have one per expert and projection."""
    for n, t in tensors:
        if n.endswith("mlp.experts.gate_up_proj"):
            F = t.shape[1] // 2
            for e in range(t.shape[0]):
                yield n.replace("gate_up_proj", f"{e}.gate_proj.weight"), t[e, :F]
                yield n.replace("gate_up_proj", f"{e}.up_proj.weight"), t[e, F:]
        elif n.endswith("mlp.experts.down_proj"):
            for e in range(t.shape[0]): yield n.replace("down_proj", f"{e}.down_proj.weight"), t[e]
        else: yield n, t
