"""The peer of bench/cost-to-loss: a dense GPT-2 of transformers, trained in PyTorch on the tokens that prepare.ts wrote, for a given time or a given number of tokens.

usage: gpt.py DIR --out LEDGER.jsonl [--minutes 60 | --tokens N] [--lr 2e-3] [--batch 16] [--threads 2] [--dtype bf16] [--device cuda] [--no-compile]
Best with GLIBC_TUNABLES=glibc.malloc.mmap_threshold=8589934592:glibc.malloc.trim_threshold=17179869184:glibc.malloc.hugetlb=1
bf16 autocast (--dtype float32 where the machine has no bf16 products: it is faster there), float32 master weights, fused AdamW, warm-up and cosine to a tenth by share of the time; compiling and validating are not counted.
With --tokens the schedule goes by tokens, and every twelfth of them is validated. What a number of tokens comes to does not hang on the machine: --device cuda finds it sooner (its seconds and core-hours say nothing then).
"""
import argparse, json, math, resource, time
import numpy as np
import torch
from transformers import GPT2Config, GPT2LMHeadModel

a = argparse.ArgumentParser()
a.add_argument("dir"); a.add_argument("--out", required=True); a.add_argument("--minutes", type=float, default=60)
a.add_argument("--lr", type=float, default=2e-3); a.add_argument("--batch", type=int, default=16)
a.add_argument("--threads", type=int, default=2); a.add_argument("--validate-minutes", type=float, default=5)
a.add_argument("--dtype", choices=["bf16", "float32"], default="bf16"); a.add_argument("--no-compile", action="store_true")
a.add_argument("--tokens", type=int); a.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
a = a.parse_args()
torch.set_num_threads(a.threads); torch.manual_seed(0)

held = json.load(open(f"{a.dir}/validation.json")); T, V = held["sequenceLength"], held["vocabSize"]
data = np.memmap(f"{a.dir}/train.u16", dtype=np.uint16, mode="r").reshape(-1, T + 1)
# 8 layers of 12 · 384² = 14.2M parameters in matrices, beside embeddings that are tied to the head.
model = GPT2LMHeadModel(GPT2Config(vocab_size=V, n_positions=T, n_embd=384, n_layer=8, n_head=6, resid_pdrop=0, embd_pdrop=0, attn_pdrop=0,
    bos_token_id=0, eos_token_id=1)).to(a.device)
matrices = sum(p.numel() for n, p in model.named_parameters() if p.dim() == 2 and "wte" not in n and "wpe" not in n)
decayed = [p for p in model.parameters() if p.dim() == 2]; others = [p for p in model.parameters() if p.dim() != 2]
optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}], lr=a.lr, betas=(0.9, 0.95), fused=True)
run = model if a.no_compile else torch.compile(model)
ledger = open(a.out, "w")


def write(**record):
    ledger.write(json.dumps(record) + "\n"); ledger.flush(); print(record, flush=True)


def autocast():
    return torch.autocast(a.device, dtype=torch.bfloat16, enabled=a.dtype == "bf16")


def batch(step):
    rows = np.take(data, range(step * a.batch, (step + 1) * a.batch), axis=0, mode="wrap").astype(np.int64)
    return [torch.from_numpy(part).to(a.device, non_blocking=True) for part in (rows[:, :-1], rows[:, 1:])]


def loss_of(ids, targets):
    with autocast(): logits = run(input_ids=ids, use_cache=False).logits
    return torch.nn.functional.cross_entropy(logits.float().view(-1, V), targets.reshape(-1))


@torch.no_grad()
def validate():
    model.eval(); nats = 0.0
    for text in held["texts"]:
        ids = torch.tensor([text["ids"]], device=a.device)
        with autocast(): logits = model(input_ids=ids, use_cache=False).logits[0, :-1].float()
        nats += torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="sum").item()
    model.train()
    return nats / math.log(2) / sum(text["bytes"] for text in held["texts"])


model.train(); loss_of(*batch(0)).backward(); optimizer.zero_grad(set_to_none=True)  # compiles
print(f"{matrices / 1e6:.1f}M parameters in matrices, {sum(p.numel() for p in model.parameters()) / 1e6:.1f}M in all", flush=True)
seconds, cores, step = 0.0, 0.0, 0
goal, between = (a.tokens, a.tokens / 12) if a.tokens else (a.minutes * 60, a.validate_minutes * 60)
done, next_validation = 0, between  # in tokens or in seconds, as the goal
cpu = lambda: sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
while done < goal:
    start, used = time.perf_counter(), cpu()
    share = done / goal
    for group in optimizer.param_groups:
        group["lr"] = a.lr * min(1, (share + 1e-3) / 0.02) * (0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * share)))
    loss = loss_of(*batch(step)); loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0); optimizer.step(); optimizer.zero_grad(set_to_none=True)
    step += 1
    if a.device == "cuda" and step % 10 == 0: torch.cuda.synchronize()
    seconds += time.perf_counter() - start; cores += cpu() - used
    if step % 10 == 0:
        write(kind="step", step=step, tokens=step * a.batch * T, loss=loss.item(), seconds=seconds, coreHours=cores / 3600)
    done = step * a.batch * T if a.tokens else seconds
    if done >= next_validation or done >= goal:
        next_validation += between
        write(kind="validation", step=step, tokens=step * a.batch * T, seconds=seconds, coreHours=cores / 3600, bitsPerByte=validate())
