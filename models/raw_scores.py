"""Raw scores of the trees, by the shortest way to them.

For a few rows `Booster.predict` spends longer on preparing than on walking the trees. LightGBM's C
interface takes one row at a time with everything prepared, or many as they are; it gives the same
bits, and a test compares them.
"""

import ctypes
import weakref

import lightgbm as lgb
import numpy as np
from lightgbm.basic import _safe_call
from lightgbm.libpath import _LIB

from selectivity.columns import Floats

FEW_ROWS = 8
"""Up to this many rows, asking for one row at a time is quicker than for all at once."""

_NORMAL, _FLOAT64, _ALL_TREES, _ROW_AFTER_ROW = 0, 1, -1, 1
# One thread: on a busy machine a row takes hundreds of times longer with more.
_PARAMETERS = b"num_threads=1"
_score_row = _LIB["LGBM_BoosterPredictForMatSingleRowFast"]
_score_row.argtypes = [ctypes.c_void_p] * 4


class RawScores:
    """Scores rows with a booster of one output.

    Threads may share it: LightGBM lets them in one by one.
    """

    def __init__(self, booster: lgb.Booster) -> None:
        self._booster = booster
        self._features = booster.num_feature()
        self._prepared = ctypes.c_void_p()
        _safe_call(
            _LIB.LGBM_BoosterPredictForMatSingleRowFastInit(
                booster._handle,
                ctypes.c_int(_NORMAL),
                ctypes.c_int(0),
                ctypes.c_int(_ALL_TREES),
                ctypes.c_int(_FLOAT64),
                ctypes.c_int32(self._features),
                _PARAMETERS,
                ctypes.byref(self._prepared),
            )
        )
        weakref.finalize(self, _LIB.LGBM_FastConfigFree, self._prepared)

    def __call__(self, matrix: Floats) -> Floats:
        """Scores, shape (n,), from a feature matrix, shape (n, features)."""
        rows = np.ascontiguousarray(matrix, dtype=np.float64)
        scores = np.empty(len(rows))
        if len(rows) > FEW_ROWS or rows.shape[1] != self._features:  # the latter is refused there
            self._fill_at_once(scores, rows)
        else:
            self._fill(scores, rows)
        return scores

    def _fill_at_once(self, scores: Floats, rows: Floats) -> None:
        _safe_call(
            _LIB.LGBM_BoosterPredictForMat(
                self._booster._handle,
                ctypes.c_void_p(rows.ctypes.data),
                ctypes.c_int(_FLOAT64),
                ctypes.c_int32(rows.shape[0]),
                ctypes.c_int32(rows.shape[1]),
                ctypes.c_int(_ROW_AFTER_ROW),
                ctypes.c_int(_NORMAL),
                ctypes.c_int(0),
                ctypes.c_int(_ALL_TREES),
                _PARAMETERS,
                ctypes.byref(ctypes.c_int64()),
                ctypes.c_void_p(scores.ctypes.data),
            )
        )

    def _fill(self, scores: Floats, rows: Floats) -> None:
        row, score, written = rows.ctypes.data, scores.ctypes.data, ctypes.c_int64()
        for _ in range(len(rows)):
            _safe_call(_score_row(self._prepared, row, ctypes.byref(written), score))
            row, score = row + rows.strides[0], score + scores.strides[0]
