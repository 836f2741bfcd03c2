"""Which predictor is kept behind the one in office, so that one can go back to it at once."""

from models.pointer import NAME_DIGITS, Pointer
from serving.deciding.predictor import Predictor


def gone_back_to(predecessor: Predictor, pointer: Pointer) -> Predictor | None:
    """The predictor behind this one, if the pointer now names its bundle; else None.

    It learnt along and knows the log, so it can take over at once.
    """
    warm = predecessor.last_good
    if warm is None or warm.bundle_digest != pointer.digest or not _works(warm):
        return None
    return warm


def kept_behind(predecessor: Predictor, pointer: Pointer) -> Predictor | None:
    """The predictor to keep behind the bundle that takes over, so that one can go back to it.

    The predecessor if it is worth keeping, else the one that was behind it, else None. Nothing
    stays behind the predecessor: there would be three in memory.
    """
    candidates = predecessor.learners()
    predecessor.last_good = None
    return next((each for each in candidates if is_worth_keeping(each, pointer)), None)


def is_worth_keeping(candidate: Predictor, pointer: Pointer) -> bool:
    """Whether one may go back to this predictor after the bundle of the pointer took over.

    Its model works and knows the log, it is another one, and no rollback just took it back.
    """
    digest = candidate.bundle_digest
    if digest is None or not _works(candidate):
        return False
    taken_back = pointer.rollback and digest[:NAME_DIGITS] != pointer.previous
    return digest != pointer.digest and not taken_back


def _works(candidate: Predictor) -> bool:
    knows = candidate.known_upto is not None  # else it would have to be made anew
    return candidate.bundle is not None and knows and candidate.breaker.rests_because is None
