# %% [markdown]
# # Five lines
# A frozen language model, a prompt and a word for each class; texts without a label; probabilities.
# Nothing is trained but a small linear map, and no text is labeled.

# %%
from vocabsem import TextStates, VocabularyCalibrator

texts = ["a gorgeous, witty movie", "dull from start to end", "I loved every minute", "a waste of two hours"]
words = {"negative": "bad", "positive": "good"}
reader = TextStates("smollm2-135m-instruct", "Review: {text}\nSentiment:", words)
states = reader.transform(texts)  # (4, 576)
probabilities = VocabularyCalibrator(reader.label_space()).fit(states).predict_proba(states)  # (4, 2)

# %%
for text, row in zip(texts, probabilities, strict=True):
    print(f"{row[1]:.2f} positive: {text}")

# %% [markdown]
# With labels there are more methods; those that compare nothing with the vocabulary take any names of classes.

# %%
from vocabsem import RidgeProbe

labels = ["positive", "negative", "positive", "negative"]
ridge = RidgeProbe().fit(states, labels)
print(ridge.predict(reader.transform(["what a delight", "I fell asleep"])))
