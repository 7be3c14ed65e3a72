"""All that is made from a suite's finished runs."""

from __future__ import annotations

from pathlib import Path

from cnnlib.reporting.html import write_report
from cnnlib.reporting.multi_task_gain import write_gains
from cnnlib.reporting.results import SuiteResults
from cnnlib.reporting.summary import write_summary
from cnnlib.reporting.tensorboard import write_layout


def write_suite_files(suite: SuiteResults) -> Path:
    """Writes ``summary.csv``, ``delta_mtl.csv`` where there are single-task baselines, TensorBoard's layout and
    ``report.html``, whose path it returns.

    Raises:
        CnnlibError: one of the folder's files is damaged.
    """
    write_layout(suite)
    write_summary(suite)
    write_gains(suite)
    return write_report(suite)
