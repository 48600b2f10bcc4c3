# %% [markdown]
# # A state's meaning, layer by layer
# Every token of the vocabulary has an anchor in the space of the states. The anchors nearest to a state say, in words,
# where the model has got to at that layer.

# %%
import numpy as np
import torch

from vocabsem import TextStates, encode_prompts, extract, nearest_tokens, semantic_anchors

model = TextStates("smollm2-135m-instruct").language_model
head = model.head
anchors = semantic_anchors(head.weight, bias=head.bias, rows=head.tokens).vectors.float()  # (V, d)

# %%
prompt = "The capital of France is the city of"
ids = encode_prompts(model.tokenizer, "{text}", [{"text": prompt}], max_tokens=64, prepend_bos=False).token_ids
layers = list(range(0, model.layers + 1, 3))
states = extract(model, ids, layers)  # {layer: (1, d)}

# %%
print(prompt)
for layer in layers:
    _, nearest = nearest_tokens(states[layer], anchors, k=5)
    print(f"layer {layer:2}:", "  ".join(repr(model.tokenizer.decode([token])) for token in nearest[0].tolist()))

# %% [markdown]
# States share a large common part, which hides the rest. Less the mean over some other prompts, the last layer's
# nearest anchors are compared with what the model itself would say next.

# %%
others = ["The weather today is", "My favorite food is", "She opened the door and", "In 1969 people landed on the"]
rows = [{"text": text} for text in others]
background = encode_prompts(model.tokenizer, "{text}", rows, max_tokens=64, prepend_bos=False).token_ids
mean = extract(model, background, [model.layers])[model.layers].mean(axis=0)
_, nearest = nearest_tokens((states[model.layers] - mean).astype(np.float32), anchors, k=5)
print("nearest anchors:", [model.tokenizer.decode([token]) for token in nearest[0].tolist()])
likely = head.logits(torch.from_numpy(states[model.layers]))[0].topk(5).indices.tolist()
print("own next tokens:", [model.tokenizer.decode([token]) for token in likely])
