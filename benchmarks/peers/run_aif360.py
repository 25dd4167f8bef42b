# pyright: reportMissingImports=false
"""AIF360's figures of a file of labels, decisions and groups: python -m benchmarks.peers.run_aif360 FILE.npz."""

from __future__ import annotations

import json
import sys
import warnings

import numpy as np

warnings.filterwarnings("ignore")


def main() -> None:
    """Print one JSON object: each figure by our name for it."""
    import pandas as pd
    from aif360.sklearn import metrics as aif

    with np.load(sys.argv[1]) as file:
        index = pd.MultiIndex.from_arrays([file["group"]], names=["group"])
        y, chosen = pd.Series(file["y"], index=index), pd.Series(file["chosen"], index=index)
    how = {"prot_attr": "group", "priv_group": "b"}
    found = {
        "selection_rate_difference": abs(aif.statistical_parity_difference(y, chosen, **how)),
        "impact_ratio": min(r := aif.disparate_impact_ratio(y, chosen, **how), 1 / r),
        "true_positive_rate_difference": abs(aif.equal_opportunity_difference(y, chosen, **how)),
        "generalised_entropy": aif.generalized_entropy_error(y, chosen),
        "theil": aif.generalized_entropy_error(y, chosen, alpha=1),
        "between_groups_entropy": aif.between_group_generalized_entropy_error(y, chosen, prot_attr="group"),
        "differential_fairness": aif.smoothed_edf(y, chosen, prot_attr="group"),
    }
    print(json.dumps({name: float(value) for name, value in found.items()}))


if __name__ == "__main__":
    main()
