"""The words of a report, explained."""

GLOSSARY = {
    "accuracy": "Share of the texts whose label is predicted; of any number of labels, whose whole set is.",
    "anchor": "The vector that stands for a token of the vocabulary in the space of the states: a row of the"
    " pseudo-inverse of the model's head.",
    "Brier": "Mean squared distance of the probabilities from certainty of the true label, 0 to 2; lower is better.",
    "confidence": "The highest probability that a method gives one of the classes.",
    "control": "An entry that lacks the ingredient in question, such as one with random vectors in place of anchors."
    " It is reported and never registered.",
    "critical difference": "Average ranks that differ by less may differ by chance: Nemenyi's test at 5 %.",
    "ECE": "Expected calibration error: mean difference of confidence and accuracy over 15 bins of confidence of equal"
    " width; lower is better.",
    "gain over no vocabulary": "Macro-F1 of a method minus that of the same method without the vocabulary's"
    " prediction.",
    "gain over random anchors": "Macro-F1 of a method minus that of the same method with random vectors in place of"
    " those of the label words.",
    "interval": "The 95 % interval by bootstrap over examples, class by class, and over seeds.",
    "label word": "The word that stands for a class in the prompt's language: one token.",
    "macro-F1": "Mean over the classes of F1, the harmonic mean of precision and recall; higher is better.",
    "MAE": "Mean distance of prediction and label in classes, where these are in order; lower is better.",
    "micro-F1": "F1 of all decisions about labels together, where texts have any number of them; higher is better.",
    "NLL": "Negative log-likelihood of the true label, in nats; lower is better.",
    "QWK": "Cohen's kappa with quadratic weights, where classes are in order: 1 minus the mean squared distance of"
    " prediction and label over that of a random pairing; higher is better, 0 is chance.",
    "seed": "One draw of the labeled examples, and of whatever else is random in a method.",
    "shots": "Labeled examples per class that a method learns from; all: every training example.",
    "state": "The hidden state of the language model at the last token of the prompt.",
}
