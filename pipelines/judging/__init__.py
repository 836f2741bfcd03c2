"""What judges models: views of scores, the worth of families, the past decided again by week."""
