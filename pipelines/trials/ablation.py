"""What each family of features is worth in a world, judged by its truth."""

import numpy as np

from pipelines.judging.families import Trial, View
from pipelines.simulator.store import Folder
from pipelines.trials.learning import BundleRecipe
from pipelines.trials.measures import case_of, matrices, pipeline_risk
from selectivity.columns import Floats


def trial_of_world(folder: Folder, recipe: BundleRecipe) -> Trial:
    """Judged by the truth, on every declaration of the weeks that do not teach."""
    case = case_of(folder, recipe)
    judged = np.flatnonzero(case.judged)
    view = View("truth", judged, case.violating[judged], np.arange(len(judged)))

    def risk(matrix: Floats) -> Floats:
        return case.of_declarations(pipeline_risk(matrix, case.found, case, recipe))

    return Trial(matrices(case)[0], risk, (view,))
