"""What judges models: views of the same scores, the past decided again, week by week."""
