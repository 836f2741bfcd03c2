"""The commands of `lanes`, but for those that are a few lines in `serving.main`."""
