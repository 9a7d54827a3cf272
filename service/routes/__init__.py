"""One module per resource. Each has `routes`; the application takes them in this order, the busiest first."""

from service.routes import (
    artifacts,
    catalog,
    checkpoints,
    compare,
    datasets,
    evaluations,
    events,
    history,
    jobs,
    operations,
    uploads,
    workers,
)

ALL = tuple(
    module.routes
    for module in (
        jobs,
        evaluations,
        events,
        history,
        checkpoints,
        artifacts,
        compare,
        datasets,
        uploads,
        catalog,
        workers,
        operations,
    )
)
