#include "reports/content.h"

namespace replicate {

Definitions glossary() {
  const auto entry = [](const char* term, const char* meaning) {
    return std::pair<std::string, Line>{term, {span::text(meaning)}};
  };
  return {{
      entry("Counting",
            "Layers and heads count from 1, positions, neurons and dimensions from 0. The paper "
            "counts "
            "layers from 0: its layer 1 is layer 2 here. The input of layer l is the residual stream "
            "that enters block l. B sequences of T positions each."),
      entry("Attention to the first token",
            "The attention probability on position 0, averaged over heads, sequences and the queries "
            "after it."),
      entry("Uniform attention, excess attention",
            "A query that attends to all it sees alike gives position 0 the share u = mean of "
            "1/(q+1). "
            "Excess attention is e = (a − u) / (1 − u): 0 when no more than that, 1 when "
            "everything."),
      entry("Sink, sink layers, onset layer",
            "A layer has a sink when its excess attention is at least 0.2; the onset layer is the "
            "first "
            "that has."),
      entry("Sink rate",
            "Share of heads whose mean attention to position 0, all queries counted, exceeds 0.3 "
            "(Gu et al., arXiv 2410.10781; there at T = 64)."),
      entry("Spike, dominant spike",
            "A layer that at least doubles the norm of position 0 over the median norm of the "
            "rest, to "
            "at least 5 times it. The dominant spike is the one that adds most norm to position 0."),
      entry("Dominance ratio",
            "max |h| / mean |h| over the dimensions of one position's residual: about 4 for a "
            "Gaussian "
            "vector, hundreds where a few dimensions carry everything."),
      entry("Top-4 energy", "Share of the squared norm in a vector's four largest dimensions."),
      entry("Effective rank",
            "exp of the entropy of the singular values, scaled to sum to 1, of the T × D hidden "
            "states "
            "(Roy and Vetterli 2007): T when all directions are used alike, 1 when one is."),
      entry("Target, masked target",
            "The position k that an intervention acts on; masked, it may attend only to itself, in "
            "every layer unless said otherwise."),
      entry("Inputs",
            "natural: distinct passages of public-domain prose; random: uniform token ids; "
            "repeated: one "
            "id over and over; tokens: ids that the reader supplied. No BOS token unless it says "
            "so."),
      entry("Null model",
            "The same shapes with freshly drawn weights. What it shows comes from the "
            "architecture, not "
            "from training."),
      entry("95% interval",
            "Bias-corrected and accelerated bootstrap (BCa) over sequences; Student's t over seeds, paired, for "
            "training claims: how "
            "far the number would move with other sequences or seeds of the same kind."),
      entry("Criterion",
            "Passes when its whole interval lies on the right side of the threshold, fails when it "
            "lies "
            "wholly on the wrong side; otherwise it is inconclusive."),
      entry("Control",
            "Something that should not produce the effect. Negative while its interval stays "
            "within a "
            "stated fraction of the effect; it fires when its interval lies wholly outside."),
      entry("Verdict",
            "pass: every criterion passes and every control is negative. fail: a criterion fails "
            "or a "
            "control fires. inconclusive: the data do not decide. skipped: the claim does not "
            "apply to "
            "this model. error: it could not be measured. Only pass counts as pass."),
      entry("†",
            "Part of the claim holds by arithmetic, in any weights; the first of its notes says which "
            "part. A null model may pass there; read the difference between trained and null model."),
  }};
}

}  // namespace replicate
