"""Anomaly scores from the class logits, instead of the anomaly logits. Higher = more anomalous."""

from dataclasses import replace

from torch import Tensor
from torch.nn.functional import log_softmax, softplus

from lib.model.detector import Logits, no_lead
from lib.model.model_params import Score


def rescored(logits: Logits, score: Score) -> Logits:
    """Replace the anomaly logits by another score (see class_score; combined: plus the anomaly logit).

    Of these, none is of the vehicle ahead.
    """
    if score == "anomaly_logit":
        return logits
    cell_BRC = class_score(logits.cell_class_BSRC, score)
    pixel_Bhw = class_score(logits.pixel_class_BShw, score)
    if score == "combined":
        cell_BRC, pixel_Bhw = cell_BRC + logits.cell_BRC, pixel_Bhw + logits.pixel_Bhw
    return replace(logits, cell_BRC=cell_BRC, pixel_Bhw=pixel_Bhw, lead_B=no_lead(cell_BRC))


def class_score(logits_BSRC: Tensor, score: Score) -> Tensor:
    """Anomaly score (B, R, C) from the logits (B, S, R, C) of the S normal classes.
    max_softmax: -log of the highest softmax (Hendrycks and Gimpel, ICLR 2017; the logarithm keeps float32 from ties);
    max_logit: -highest logit (Hendrycks et al., ICML 2022); energy: -logsumexp (Liu et al., NeurIPS 2020);
    rejected_by_all, combined: log-probability that each one-versus-all class rejects, sum of log(1 - sigmoid)
    (the idea of RbA: Nayal et al., ICCV 2023).
    """
    if score == "max_softmax":
        return -log_softmax(logits_BSRC, dim=1).amax(1)
    if score == "max_logit":
        return -logits_BSRC.amax(1)
    if score == "energy":
        return -logits_BSRC.logsumexp(1)
    assert score in ("rejected_by_all", "combined"), score
    return -softplus(logits_BSRC).sum(1)
