"""Grafana's dashboards as code: three pages of rows that ask a question, and panels that answer it.

`python -m grafana` writes `grafana/dashboards/*.json`; a test says that what is committed is what this makes.
"""
