"""From a declaration to a lane that is kept: model, histories, bundles, modes, overrides."""
