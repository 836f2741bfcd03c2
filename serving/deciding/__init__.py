"""From a declaration to a lane that is kept: model, histories, bundles, modes, overrides.

Where to begin: `parts` is a service with all that belongs to it. `assign` is the way of a
declaration, `predictor` what decides on it; `receiving` is the way of inspections and of what
people do. `lessons` is what the histories learn then, `catch_up` how they learn a log at a start,
`histories_file` what spares them most of it. `published`, `trial`, `successor` and `handover` are
how another bundle takes over. `follow_log`, `follow_bundle` and `keep_histories` run beside the
service; `governing`, `overriding` and `acknowledging` are what people do.
"""
