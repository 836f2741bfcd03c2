"""What the figures of a world mean, a line each, for who reads them in a terminal."""

from collections.abc import Iterable

COLUMNS = (
    "got: what this world came to; –: nothing to count. wanted: `must_hit` of the preset. "
    "not computed: `measure` trains what that takes.\n"
    "Violations are what was declared falsely on purpose. Declarations count by the first version."
)
FIGURES = {
    "declarations": "first versions of declarations",
    "goods_items": "goods items, of later versions too",
    "violating_share": "of declarations, those with a violation, by the truth",
    "violating_share_before_scheme": "the same before week fraud.scheme.from_week",
    "violating_share_after_scheme": "the same from that week on",
    "green_share": "of declarations, those given this lane",
    "yellow_share": "of declarations, those given this lane",
    "red_share": "of declarations, those given this lane",
    "violations_in_green": "of declarations with a violation, those given green",
    "auroc_of_true_risk": "how well the true risk tells who has a violation; 0.5: not, 1: always",
    "export_share": "of declarations, exports",
    "mandatory_in_yellow": "of yellow ones, those that a mandatory rule put there",
    "mandatory_in_red": "of red ones, those that a mandatory rule put there",
    "officer_share": "of declarations, those whose lane an officer chose",
    "hit_rate_red": "of red ones, those in which a control before clearance found a violation",
    "hit_rate_yellow": "of yellow ones, likewise",
    "hit_rate_controlled": "of yellow and red ones, likewise",
    "hit_rate_officer": "of those that an officer made red, likewise",
    "found_share": "of those controlled by more than a scan, those with a finding, errors too",
    "controls": "controls, of every kind",
    "audits": "controls after clearance",
    "audit_found_share_controlled": "of audits of what was controlled before, those with a finding",
    "new_red_lane_violating": "of the 5 % riskiest by the model, those with a violation",
    "new_red_lane_violating_naive": "the same, of those of them that were red: all one would know",
    "new_red_lane_overlap": "how many of them were red",
    "judged_violating_share": "of the declarations that judge, those with a violation",
}
SCORES = {
    "model": "the model of the pipeline, taught with what was found",
    "lightgbm_defaults_on_codes": "LightGBM as it comes, on codes and amounts as declared",
    "uninspected_taken_as_clean": "the model, if what nobody inspected is taken for clean",
    "red_lane_only": "the model, taught with red declarations alone",
    "all_labels": "the model, taught with the truth of every declaration",
    "ceiling": "a model taught with the truth, and told what only the simulator knows",
}
"""Models, judged by the truth on the last quarter of the weeks."""
STATISTICS = {
    "auroc": "how well it tells who has a violation; 0.5: not at all, 1: always",
    "precision_at_1": "of the riskiest 1 %, those with a violation",
    "precision_at_5": "of the riskiest 5 %, those with a violation",
    "recall_at_10": "of all with a violation, those among the riskiest 10 %",
    "claims_violating": "the share with a violation by its risks; see judged_violating_share",
}


def meanings(names: Iterable[str]) -> dict[str, str]:
    """What these figures mean, by name; a model and what it is judged by are told apart, once."""
    told: dict[str, str] = {}
    for name in names:
        if name in FIGURES:
            told[name] = FIGURES[name]
        for score in SCORES:
            statistic = name.removeprefix(f"{score}_")
            if statistic in STATISTICS:
                told |= {f"{score}_…": SCORES[score], f"…_{statistic}": STATISTICS[statistic]}
    return dict(sorted(told.items(), key=lambda pair: ("…_" in pair[0], "_…" in pair[0])))
