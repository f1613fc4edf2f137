"""Metrics for Prometheus. Gauges are read from the history when they are asked for; counters are of this process."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily

from sqlflow.service import figures
from sqlflow.service.http.endpoints import Served
from sqlflow.service.nouns import Run
from sqlflow.service.states import ACTIVE

_BUCKETS = (1, 5, 15, 60, 300, 900, 1800, 3600, 7200, 14400, 43200, 86400)
"""Seconds: what a run takes reaches from moments to a day."""


class Metrics:
    """What `/metrics` answers. `ended` is to be called once for each run that has ended."""

    media_type = "text/plain; version=0.0.4; charset=utf-8"

    def __init__(self, service: Served) -> None:
        self.service = service
        self.registry = CollectorRegistry()
        self.runs = Counter(
            "sqlflow_runs_ended", "Runs that have ended since the service began.", ["pipeline", "status"],
            registry=self.registry,
        )  # fmt: skip
        self.seconds = Histogram(
            "sqlflow_run_seconds", "What runs took that have ended since the service began.", ["pipeline"],
            buckets=_BUCKETS, registry=self.registry,
        )  # fmt: skip
        self.registry.register(self)

    def ended(self, run: Run) -> None:
        """Count a run that has ended."""
        self.runs.labels(run.pipeline, run.status).inc()
        if run.seconds is not None:
            self.seconds.labels(run.pipeline).observe(run.seconds)

    def text(self) -> bytes:
        """Return the metrics in Prometheus's text format. Raise TargetError if the history cannot be read."""
        found: bytes = generate_latest(self.registry)
        return found

    def describe(self) -> list[Any]:
        """Return nothing: the history is read when metrics are asked for, and not before."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield what the history tells."""
        history = self.service.history
        kept = GaugeMetricFamily("sqlflow_runs", "Runs in the history.", labels=["pipeline", "status"])
        for (pipeline, status), count in history.counts().items():
            kept.add_metric([pipeline, status], count)
        yield kept
        yield from self._latest()
        yield from self._queue()
        yield from self._data()
        ticks = GaugeMetricFamily("sqlflow_ticks", "Ticks in the history.", labels=["pipeline", "outcome"])
        for (pipeline, outcome), count in figures.ticks(history).items():
            ticks.add_metric([pipeline, outcome], count)
        yield ticks
        yield GaugeMetricFamily(
            "sqlflow_tick_lag_seconds", "By how much the latest tick was decided late.", value=figures.tick_lag(history)
        )
        yield GaugeMetricFamily("sqlflow_pipelines", "Pipelines of the project.", value=len(self.service.pipelines()))
        yield GaugeMetricFamily(
            "sqlflow_faults", "What is wrong in the project's files.", value=len(self.service.faults())
        )

    def _latest(self) -> Iterator[GaugeMetricFamily]:
        history = self.service.history
        seconds = GaugeMetricFamily("sqlflow_latest_run_seconds", "What the latest run took.", labels=["pipeline"])
        for pipeline, run in history.latest().items():
            if run.seconds is not None:
                seconds.add_metric([pipeline], run.seconds)
        yield seconds
        good = GaugeMetricFamily(
            "sqlflow_last_success_timestamp_seconds", "When the latest run that ended well has ended.",
            labels=["pipeline"],
        )  # fmt: skip
        for pipeline, at in figures.last_good(history).items():
            good.add_metric([pipeline], at.timestamp())
        yield good

    def _queue(self) -> Iterator[GaugeMetricFamily]:
        queue = figures.queue(self.service.history)
        active = GaugeMetricFamily("sqlflow_active_runs", "Runs that have not ended.", labels=["status"])
        for status in ACTIVE:
            active.add_metric([status], queue.runs.get(status, 0))
        yield active
        waited = (datetime.now(UTC) - queue.oldest).total_seconds() if queue.oldest else 0.0
        yield GaugeMetricFamily(
            "sqlflow_queue_lag_seconds", "How long the longest-waiting run has been due.", value=max(0.0, waited)
        )

    def _data(self) -> Iterator[GaugeMetricFamily]:
        labels, now = ["name", "kind", "target", "environment"], datetime.now(UTC)
        seconds = GaugeMetricFamily(
            "sqlflow_data_age_seconds", "How old the data of a block or a source is.", labels=labels
        )
        stale = GaugeMetricFamily(
            "sqlflow_data_stale", "0 where data is as young as it must be, 1 where it is older or that is not known.",
            labels=labels,
        )  # fmt: skip
        for one in self.service.ages().found:
            place, age = [one.name, one.kind, one.target, one.environment], one.seconds(now)
            if age is not None:
                seconds.add_metric(place, age)
            stale.add_metric(place, float(one.status(now) != "fresh"))
        yield seconds
        yield stale
