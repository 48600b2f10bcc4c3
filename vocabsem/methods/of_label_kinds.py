"""The methods that serve one kind of labels alone, as `built_in` has the others."""

from vocabsem.methods.info import MethodInfo

__all__ = ["OF_LABEL_KINDS", "TARGETS", "TFIDF"]

TARGETS = ("anchors", "head", "random")
TFIDF = {
    "max_words": 2,
    "costs": (1.0, 10.0, 100.0, 1000.0),
    "default_cost": 100.0,
    "cv": 5,
    "max_cv_rows": 2000,
}
AROUND_WORDS = {
    "targets": "anchors",
    "layers": 1,
    "alphas": (0.1, 0.3, 1.0, 3.0, 10.0, 30.0),
    "prior_weights": (0.0, 0.1, 0.2, 0.4, 0.7, 1.0),
    "prior_smoothing": 0.02,
}
OF_LABEL_KINDS = (
    MethodInfo(
        name="ordinal_ridge",
        summary="Ridge regression of the classes' ranks on states, and thresholds between classes in order.",
        target="vocabsem.methods.ordinal_ridge:OrdinalRidge",
        takes_sample_weight=True,
        fit_copies=(4.0, 2.0),
        temperature_folds=0,
        takes_layers=True,
        takes_random_state=True,
        label_kinds=("ordinal",),
        choices={"targets": ("both", *TARGETS, "none")},
        positive=("intercept_scaling", "alphas", "prior_smoothing", "sharpness", "sharpness_deviation"),
        params={
            "targets": "anchors",
            "layers": 1,
            "intercept_scaling": 0.3,
            "alphas": (0.1, 0.3, 1.0, 3.0, 10.0, 30.0),
            "prior_weights": (0.0, 0.1, 0.2, 0.4, 0.7, 1.0),
            "prior_smoothing": 0.02,
            "sharpness": 2.0,
            "sharpness_deviation": 1.0,
        },
    ),
    MethodInfo(
        name="multi_ridge",
        summary="Ridge regression of each label by itself, around its word's score; any number of labels per text.",
        target="vocabsem.methods.multi_ridge:MultiRidge",
        takes_sample_weight=True,
        works_without_labels=True,
        fit_copies=(10.0, 4.0),
        temperature_folds=0,
        takes_layers=True,
        takes_random_state=True,
        label_kinds=("multi",),
        choices={"targets": ("both", *TARGETS, "none")},
        positive=("alphas", "prior_smoothing", "sharpness", "sharpness_deviation"),
        params={**AROUND_WORDS, "sharpness": 2.0, "sharpness_deviation": 1.0},
    ),
    MethodInfo(
        name="ridge_regression",
        summary="Ridge regression of numbers on states, around the axis between two label words.",
        target="vocabsem.methods.ridge_regression:RidgeRegression",
        takes_sample_weight=True,
        works_without_labels=True,
        fit_copies=(10.0, 4.0),
        temperature_folds=0,
        takes_layers=True,
        takes_random_state=True,
        label_kinds=("continuous",),
        choices={"targets": ("both", *TARGETS, "none")},
        positive=("alphas", "prior_smoothing"),
        params=AROUND_WORDS,
    ),
    MethodInfo(
        name="tfidf_ridge",
        summary="Ridge regression of numbers on TF-IDF of words and pairs of words; no language model is read.",
        target="vocabsem.methods.tfidf_ridge:TfidfRidge",
        family="texts",
        temperature_folds=0,
        label_kinds=("continuous",),
        positive=("max_words", "alphas"),
        params={"max_words": 2, "alphas": (0.01, 0.1, 1.0, 10.0)},
    ),
    MethodInfo(
        name="tfidf_one_vs_rest",
        summary="Logistic regression of each label on TF-IDF of words and pairs of words; no language model is read.",
        target="vocabsem.methods.tfidf_one_vs_rest:TfidfOneVsRest",
        family="texts",
        temperature_folds=0,
        label_kinds=("multi",),
        positive=tuple(TFIDF),
        params=TFIDF,
    ),
)
