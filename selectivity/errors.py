"""What can go wrong, and what to do about it.

SelectivityError            exit code 1
├── DeclarationError        10  a declaration could not be read
├── InspectionError         11  an inspection could not be read
├── SourceError             20  a data source does not fit its mapping
├── ParamsError             21  params.yaml or a setting holds something unusable
├── NotEnoughDataError      22  too little history to train, calibrate or evaluate on
├── ParityError             23  training and service do not see the same
├── StageFileError          24  what one stage wrote for another is damaged
├── BundleError             30  a bundle is missing, altered or does not fit
├── RulesError              31  the rules are refused as a whole
├── UnlawfulFeatureError    32  no law on the list allows a feature
├── DecisionLogError        40  a decision could not be kept
│   ├── ConflictError       41  the same key came again with another content
│   └── AuditError          42  the log does not prove what it says
├── TrackingError           50  experiment tracking or the model registry did not answer
└── ServiceError            60  no decision service answers

Every message says which one, what is wrong and what to do.
"""


class SelectivityError(Exception):
    """Root of all errors this system raises on purpose."""

    exit_code = 1


class DeclarationError(SelectivityError):
    """A declaration could not be read. `declaration_id` says which one."""

    exit_code = 10

    def __init__(self, declaration_id: str, problem: str) -> None:
        self.declaration_id = declaration_id
        super().__init__(
            f"Declaration {declaration_id!r} cannot be used: {problem}. "
            "The record was set aside; correct it at the source and send it again."
        )


class InspectionError(SelectivityError):
    """An inspection could not be read. `inspection_id` says which one."""

    exit_code = 11

    def __init__(self, inspection_id: str, problem: str) -> None:
        self.inspection_id = inspection_id
        super().__init__(
            f"Inspection {inspection_id!r} cannot be used: {problem}. "
            "The record was set aside; correct it at the source and send it again."
        )


class SourceError(SelectivityError):
    """A data source and its mapping file do not fit together."""

    exit_code = 20


class ParamsError(SelectivityError):
    """A section of params.yaml, or a setting of the service, cannot be used."""

    exit_code = 21


class NotEnoughDataError(SelectivityError):
    """A stage has too little history to do its work honestly."""

    exit_code = 22


class ParityError(SelectivityError):
    """What training learned from is not what the service would see."""

    exit_code = 23


class StageFileError(SelectivityError):
    """A file that one stage wrote for another cannot be read, or holds what no stage writes."""

    exit_code = 24

    def __init__(self, file: object, problem: str) -> None:
        super().__init__(
            f"{file} cannot be used: {problem}. It is damaged, or of another run or version than "
            "the files beside it: remove it and run `dvc repro`, which makes it again."
        )


class BundleError(SelectivityError):
    """A bundle is missing, was altered after training, or does not fit this software."""

    exit_code = 30


class RulesError(SelectivityError):
    """A rule file is wrong somewhere, so none of it is used; `rule` is None for all of the file."""

    exit_code = 31

    def __init__(self, file: str, rule: str | None, problem: str, remedy: str) -> None:
        self.file, self.rule = file, rule
        where = f", rule {rule}" if rule else ""
        super().__init__(
            f"Rules file {file}{where}: {problem}. {remedy} "
            "Rules are used all together or not at all, so none of them was loaded."
        )


class UnlawfulFeatureError(SelectivityError):
    """No law on the list allows customs to choose by this feature."""

    exit_code = 32

    def __init__(self, feature: str, problem: str) -> None:
        self.feature = feature
        super().__init__(
            f"Feature {feature!r} may not be used: {problem}. Name what allows it, add the text of "
            "law to selectivity/features/lawful.py if it is another one, or take the feature out."
        )


class DecisionLogError(SelectivityError):
    """A decision could not be kept, so no lane may be answered."""

    exit_code = 40


class ConflictError(DecisionLogError):
    """The same key came again with another content; what was kept first stands.

    `field` is what the caller has to look at.
    """

    exit_code = 41

    def __init__(self, problem: str, *, field: str = "body") -> None:
        self.field = field
        super().__init__(problem)


class AuditError(DecisionLogError):
    """The decision log is not as it was written, or its decisions do not follow from it."""

    exit_code = 42


class TrackingError(SelectivityError):
    """The tracking server or model registry did not answer; nothing was lost."""

    exit_code = 50


class ServiceError(SelectivityError):
    """The service did not answer, or not as a service of this kind does."""

    exit_code = 60
