"""The four steps of the pipeline, each the work of one stage."""
