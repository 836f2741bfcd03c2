"""What a trained model is: score, save, load, publish. `artifacts/` belongs to DVC."""
