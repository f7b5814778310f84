"""How much each parameter of a search matters: PED-ANOVA, which takes conditional parameters as they are."""

import warnings

import optuna
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import TrialState

FEWEST_TRIALS = 4
# The method compares the good trials with all; its authors want at least so many good ones.
_GOOD_TRIALS = 5


def importance_of(study: optuna.Study) -> dict[str, float]:
    """The share of each parameter, the greatest first; empty where there are too few finished trials to tell.

    Reference:
        Watanabe, Bansal and Hutter, "PED-ANOVA: Efficiently Quantifying Hyperparameter Importance in Arbitrary
        Subspaces", IJCAI 2023.
    """
    finished = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(finished) < FEWEST_TRIALS:
        return {}
    share = min(0.5, max(0.1, _GOOD_TRIALS / len(finished)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of what a small search is like
        shares = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator(target_quantile=share))
    return dict(sorted(shares.items(), key=lambda pair: (-pair[1], pair[0])))
