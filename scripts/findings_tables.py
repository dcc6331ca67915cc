"""The table of docs/findings.md: each step of the paper's account beside what every recorded model says of it. A part of
docs_tables.py."""

from results_tables import ALL_STAGES, OUTCOMES, number, row, shown_verdict, with_interval

# What the paper says, or what follows from it; the claim that tests it; the number that shows it best, and its name in words.
STEPS = (
    ("Averaging values leaves position 0 the variance outlier", "variance_discrepancy", "log_variance_ratio_first_to_rest",
     "log of its variance over the others'"),
    ("W_O weights most what varies most there", "output_projection_alignment", "kendall_tau_exact", "tau"),
    ("A few super neurons fire for it alone and write the spike", "super_neuron_alignment", "super_neurons_written_share", "share written"),
    ("They amplify the discrepancy", "discrepancy_amplification", "log_variance_ratio_gain", "gain of that log"),
    ("A few dimensions dominate its vector", "dimension_disparity", "dominance_per_dimension_least", "dominance per dimension"),
    ("The sink begins right after the spike", "sink_onset", "onset_correlation", "correlation over layers"),
    ("Its key lies along the queries' direction", "qk_locking", "sink_key_alignment", "cosine"),
    ("Representations then lose rank", "rank_collapse", "rank_drop_of_ordinary_rows", "drop without massive rows"),
    ("A later position that sees only itself becomes a sink", "mask_induced_sink", "mask_added_attention", "attention added"),
    ("So does one whose attention output varies more", "variance_scaling", "scaled_added_attention", "attention added"),
    ("That sink goes through the super neurons", "super_neuron_mediation", "induced_removed_share", "share removed"),
    ("and through the spike's dimensions", "disparity_mediation", "induced_removed_share", "share removed"),
    ("Without the super neurons' write position 0 is no sink", "falsification", "removed_share_zero", "share removed"),
    ("Any ordinary token makes it", "sink_source", "excess_without_bos", "excess without BOS"),
)


def at_stages(record, name):
    """[(spike, metric)] of the number at each stage of its own; [(None, metric)] where there is one for the whole model."""
    found = [metric for metric in record["metrics"] if metric["name"] == name and metric["value"] is not None]
    by_spike = {metric["where"]["spike"]: metric for metric in found if metric.get("where", {}).keys() == {"spike"}}
    stages = [stage["spike"] for stage in record["stages"] if stage["spike"] != ALL_STAGES]
    return [(spike, by_spike[spike]) for spike in stages if spike in by_spike] or [(None, metric) for metric in found[:1]]


def cell(record, name):
    """"pass: 0.991 [0.986, 0.997]; layer 12: pass, 0.996"."""
    if record is None:
        return ""
    verdict, numbers = shown_verdict(record), at_stages(record, name)
    if record["verdict"] not in OUTCOMES or not numbers:
        return verdict
    verdicts = {stage["spike"]: stage["verdict"] for stage in record["stages"]}
    later = [f"layer {spike}: {verdicts[spike]}, {number(metric['value'])}" for spike, metric in numbers[1:]]
    return "; ".join([f"{verdict}: {with_interval(numbers[0][1])}", *later])


def tables(runs):
    """`runs`: of results_tables.read_runs, those about models."""
    text = row(["what the paper's account says", "claim", "number", *runs]) + "|---" * (3 + len(runs)) + "|\n"
    for says, claim, name, words in STEPS:
        cells = [cell(records.get(claim), name) for records in runs.values()]
        if any(cells):
            text += row([says, f"`{claim}`", words, *cells])
    return text
