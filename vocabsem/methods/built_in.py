"""The methods of this package: where each one's class is, what it needs, and which parameters a card may set.

Cards are checked and plans are made with this table alone. It imports no method: that takes torch, scikit-learn and
SciPy, which are seconds that a run with nothing to do would only wait for. A test holds each entry to its class.
"""

from vocabsem.methods.info import MethodInfo

__all__ = ["BUILT_IN"]

LOGISTIC = {
    "cv": 5,
    "alphas": (1000.0, 300.0, 100.0, 30.0, 10.0),
    "alpha_prior": 300.0,
    "intercept_alpha": 0.01,
    "max_cv_rows": 5000,
    "tol": 1e-7,
    "max_iter": 300,
}
LOGISTIC_POSITIVE = ("cv", "alphas", "alpha_prior", "max_cv_rows", "max_iter")
TARGETS = ("anchors", "head", "random")
ADAPTER = {"batch_size": 16, "validation_fraction": 0.2, "max_validation_rows": 256}
BUILT_IN = (
    MethodInfo(
        name="zero_shot",
        target="vocabsem.methods.zero_shot:ZeroShot",
        needs_labels=False,
        background="none",
    ),
    MethodInfo(
        name="anchor_similarity",
        target="vocabsem.methods.anchor_similarity:AnchorSimilarity",
        needs_labels=False,
        takes_random_state=True,
        choices={"metric": ("cosine", "l2", "dot"), "targets": TARGETS},
        params={"metric": "cosine", "center": True, "targets": "anchors"},
    ),
    MethodInfo(
        name="paper_calibrator",
        target="vocabsem.methods.paper_calibrator:PaperCalibrator",
        trains=True,
        temperature_folds=2,
        takes_random_state=True,
        positive=("epochs", "batch_size"),
        choices={
            "metric": ("cosine", "l2", "dot"),
            "targets": TARGETS,
            "trained_on": ("labels", "vocabulary", "truth", "matmul"),
            "inferred_by": ("similarity", "matmul"),
            "dtype": ("float32", "bfloat16", "float64"),
        },
        params={
            "metric": "cosine",
            "targets": "anchors",
            "trained_on": "labels",
            "inferred_by": "similarity",
            "epochs": 100,
            "batch_size": 256,
            "learning_rate": 1e-3,
            "weight_decay": 0.0,
            "dtype": "float32",
            "device": "cpu",
        },
    ),
    MethodInfo(
        name="vocabulary_calibrator",
        target="vocabsem.methods.vocabulary_calibrator:VocabularyCalibrator",
        revision=2,
        works_without_labels=True,
        temperature_folds=0,
        takes_layers=True,
        takes_random_state=True,
        choices={"targets": ("both", *TARGETS)},
        positive=(
            *("intercept_scaling", "sharpness", "alphas", "intercept_scales"),
            *("prior_smoothing", "sharpness_deviation", "cv"),
        ),
        params={
            "targets": "both",
            "layers": 1,
            "rounds": 5,
            "intercept_scaling": 0.3,
            "sharpness": 0.6,
            "alphas": (0.1, 0.3, 1.0, 3.0, 10.0, 30.0),
            "prior_weights": (0.0, 0.02, 0.05, 0.1, 0.2, 0.4),
            "intercept_scales": (1.0, 5.0),
            "prior_smoothing": 0.02,
            "pseudo_label_sharpness": 4.0,
            "labeled_weight": 10.0,
            "shrinkage": 0.4,
            "uniform_weight": 0.2,
            "stacking_weights": (0.2, 0.5),
            "stacking_alpha": 15.0,
            "sharpness_deviation": 0.5,
            "cv": 5,
        },
    ),
    MethodInfo(
        name="centroid",
        target="vocabsem.methods.centroid:Centroid",
        fixed_width=False,
        choices={"metric": ("cosine", "l2")},
        params={"metric": "cosine", "center": True},
    ),
    MethodInfo(
        name="k_neighbors",
        target="vocabsem.methods.k_neighbors:KNeighbors",
        fixed_width=False,
        positive=("n_neighbors", "smoothing"),
        params={"n_neighbors": 16, "center": True, "smoothing": 0.5},
    ),
    MethodInfo(
        name="linear_probe",
        target="vocabsem.methods.linear_probe:LinearProbe",
        trains=True,
        takes_layers=True,
        takes_random_state=True,
        positive=LOGISTIC_POSITIVE,
        params={"layers": 1, **LOGISTIC},
    ),
    MethodInfo(
        name="ridge",
        target="vocabsem.methods.ridge:RidgeProbe",
        temperature_folds=0,
        takes_layers=True,
        positive=("alphas", "alpha_prior", "sharpness_prior"),
        params={
            "layers": 1,
            "alphas": tuple(10 ** (power / 4) for power in range(21)),
            "alpha_prior": 300.0,
            "sharpness_prior": 5.0,
        },
    ),
    MethodInfo(
        name="contextual_calibration",
        target="vocabsem.methods.calibrations:ContextualCalibration",
        needs_labels=False,
        background="content_free",
    ),
    MethodInfo(
        name="domain_calibration",
        target="vocabsem.methods.calibrations:DomainCalibration",
        needs_labels=False,
        background="domain_words",
    ),
    MethodInfo(
        name="batch_calibration",
        target="vocabsem.methods.calibrations:BatchCalibration",
        needs_labels=False,
    ),
    MethodInfo(
        name="knn_prompting",
        target="vocabsem.methods.knn_prompting:KnnPrompting",
        trains=True,
        takes_random_state=True,
        reads_vocabulary=True,
        positive=("n_neighbors", "per_class", "smoothing"),
        params={"n_neighbors": 3, "per_class": 1024, "smoothing": 0.5},
    ),
    MethodInfo(
        name="head_tuning",
        target="vocabsem.methods.head_tuning:HeadTuning",
        trains=True,
        takes_random_state=True,
        positive=LOGISTIC_POSITIVE,
        params=LOGISTIC,
    ),
    MethodInfo(
        name="state_optimization",
        target="vocabsem.methods.state_optimization:StateOptimization",
        positive=("step_sizes", "cv", "default_step_size"),
        params={
            "steps": (0, 1, 3, 10, 30, 100, 300),
            "step_sizes": (0.1, 1.0),
            "cv": 5,
            "default_steps": 10,
            "default_step_size": 1.0,
        },
    ),
    MethodInfo(
        name="lora",
        target="vocabsem.adapters:LoRA",
        family="adapters",
        trains=True,
        positive=("steps", "stops", "learning_rates", *ADAPTER, "rank", "alpha"),
        params={"steps": 200, "stops": 5, "learning_rates": (3e-4, 1e-3, 3e-3), **ADAPTER, "rank": 8, "alpha": 16},
    ),
    MethodInfo(
        name="ia3",
        target="vocabsem.adapters:IA3",
        family="adapters",
        trains=True,
        positive=("steps", "stops", "learning_rates", *ADAPTER),
        params={"steps": 200, "stops": 5, "learning_rates": (3e-3, 1e-2, 3e-2), **ADAPTER},
    ),
)
