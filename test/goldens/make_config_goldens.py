"""Writes one tiny random DeepSeek-V3 checkpoint, and what transformers computes on it under config.json files that leave fields out or spell them otherwise.

usage: make_config_goldens.py OUT_DIR

OUT_DIR/model.safetensors (float32), OUT_DIR/config.json (every field), OUT_DIR/cases.json: {ids, cases: [{name, drop: [field…], set: {field: value}}]},
OUT_DIR/golden.safetensors: logits.NAME [T,V] of each case.
"""
import json, os, sys, torch
from safetensors.torch import save_file
from transformers import DeepseekV3Config, DeepseekV3ForCausalLM
from make_goldens_names import checkpoint_names

out = sys.argv[1]; os.makedirs(out, exist_ok=True); torch.manual_seed(16)
full = dict(vocab_size=61, hidden_size=32, intermediate_size=24, moe_intermediate_size=8, num_hidden_layers=4, num_attention_heads=2, num_key_value_heads=2,
            n_shared_experts=1, n_routed_experts=16, routed_scaling_factor=2.5, kv_lora_rank=16, q_lora_rank=24, qk_rope_head_dim=8, v_head_dim=8,
            qk_nope_head_dim=8, n_group=8, topk_group=4, num_experts_per_tok=8, first_k_dense_replace=3, norm_topk_prob=True, max_position_embeddings=128)
yarn = dict(rope_type="yarn", factor=8.0, original_max_position_embeddings=16)
CASES = [
    ("explicit", [], {}),
    ("left-out", ["routed_scaling_factor", "n_group", "topk_group", "num_experts_per_tok", "first_k_dense_replace", "norm_topk_prob", "n_shared_experts",
                  "rms_norm_eps", "rope_interleave", "rope_parameters"], {}),
    ("epsilon", [], {"rms_norm_eps": 0.01}),
    ("truncate", ["rope_parameters"], {"rope_parameters": {**yarn, "truncate": False, "rope_theta": 500.0}}),
    ("yarn-defaults", ["rope_parameters"], {"rope_scaling": {"type": "yarn", "factor": 4.0}, "rope_theta": 500.0}),
    ("yarn-named-outside", ["rope_parameters"], {"rope_scaling": {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}, "original_max_position_embeddings": 16}),
    ("both", [], {"rope_parameters": {"rope_type": "default", "rope_theta": 300.0}, "rope_scaling": {**yarn, "mscale": 1.0, "mscale_all_dim": 0.7}, "rope_theta": 700.0}),
    ("empty-scaling", [], {"rope_parameters": {"rope_type": "default", "rope_theta": 300.0}, "rope_scaling": {}}),
    ("attention-factor", ["rope_parameters"], {"rope_parameters": {**yarn, "attention_factor": 1.3, "beta_fast": 4.0, "beta_slow": 0.5, "mscale": 0.7, "mscale_all_dim": 0.9, "rope_theta": 900.0}}),
    ("betas-of-zero", ["rope_parameters"], {"rope_parameters": {**yarn, "beta_fast": None, "beta_slow": None, "mscale": 0.7}}),
    ("factor-of-null", ["rope_parameters"], {"rope_parameters": {**yarn, "factor": None}}),
]
config = DeepseekV3Config(**full, num_mtp_layers=0)
model = DeepseekV3ForCausalLM(config).eval()
for name, p in model.named_parameters():
    p.data = 1 + 0.1 * torch.randn_like(p) if "norm" in name else torch.randn_like(p) * 0.15
for name, b in model.named_buffers():
    if "e_score_correction_bias" in name: b.data = 0.05 * torch.randn_like(b)
tensors = {n: t.detach().clone().contiguous() for n, t in checkpoint_names(model.state_dict().items())}
save_file(tensors, f"{out}/model.safetensors", metadata={"format": "pt"})
base = json.loads(config.to_json_string())
ids = torch.randint(2, 61, (1, 40))
golden, cases = {}, []
for name, drop, change in CASES:
    json.dump({**{k: v for k, v in base.items() if k not in drop}, **change}, open(f"{out}/config.json", "w"))
    try: made = DeepseekV3ForCausalLM.from_pretrained(out, dtype=torch.float32).eval()
    except Exception as e: print(name, "FAILS", repr(e)[:200]); continue
    with torch.inference_mode(): golden[f"logits.{name}"] = made(input_ids=ids, use_cache=False).logits[0].float().contiguous()
    cases.append({"name": name, "drop": drop, "set": change}); print(name, float(golden[f"logits.{name}"].std()))
json.dump(base, open(f"{out}/config.json", "w"), indent=1)
json.dump({"ids": ids[0].tolist(), "cases": cases}, open(f"{out}/cases.json", "w"), indent=1)
save_file(golden, f"{out}/golden.safetensors")
for name in os.listdir(out): os.chmod(f"{out}/{name}", 0o644)
