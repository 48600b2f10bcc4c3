"""What can go wrong in the method, as one tree.

VocabsemError                  exit code 1
├── BadInput                   exit code 2: what the user gave cannot be used
│   ├── CardError              a card: unknown key, wrong value, missing file
│   ├── SourceError            a source: malformed, absent, other bytes than its card declares
│   ├── LabelWordError         label words that collide or split into several tokens
│   └── DataError              rows: empty text, one class, more shots than examples; a ValueError, as scikit-learn's
└── ComputationFailed          exit code 1: the input was good, the work was not done
    ├── DownloadFailed         a registry or a hub did not answer or refused
    │   └── DownloadInterrupted    it answered and then broke off: worth another try
    ├── GuardFailed            head(state) differs from the model's own logits
    └── TrainingFailed         a calibrator's loss or states became infinite

Every message names the value, the place and the mend.
"""


class VocabsemError(Exception):
    exit_code = 1


class BadInput(VocabsemError):
    exit_code = 2


class CardError(BadInput): ...


class SourceError(BadInput): ...


class LabelWordError(BadInput): ...


class DataError(BadInput, ValueError): ...


class ComputationFailed(VocabsemError): ...


class DownloadFailed(ComputationFailed): ...


class DownloadInterrupted(DownloadFailed): ...


class GuardFailed(ComputationFailed): ...


class TrainingFailed(ComputationFailed): ...
