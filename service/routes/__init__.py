"""One module per resource. Each has `routes`; the application takes them in this order, the busiest first."""

from service.routes import (
    artifacts,
    catalog,
    checkpoints,
    compare,
    evaluations,
    events,
    history,
    jobs,
    operations,
    workers,
)

ALL = tuple(
    module.routes
    for module in (jobs, evaluations, events, history, checkpoints, artifacts, compare, catalog, workers, operations)
)
