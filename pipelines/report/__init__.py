"""The HTML report of a run: one file that needs nothing else. `pipelines.report.write.write_report` writes it."""
