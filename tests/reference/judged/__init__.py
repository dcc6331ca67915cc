"""The judged numbers of the mechanism and intervention claims, computed again from their definitions in
docs/measures.md and configs/claims with `transformers`, PyTorch and scipy, without any code of this project."""
