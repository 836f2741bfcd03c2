"""The stages from past outcomes to a bundle: one module per stage of dvc.yaml, same name."""
