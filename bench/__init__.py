"""Measurements. Each module is one command that prints ratios measured side by side in one run.

    python -m bench             all of them
    python -m bench.api         polls, submissions, start-up and memory, beside a bare FastAPI application
    python -m bench.ingest      a CSV file over HTTP, until it is a dataset, beside `pyarrow.csv` alone
    python -m bench.job_list    a page of 100,000 jobs, beside a page of 1,000
    python -m bench.memory      what plans predict of a training's memory, beside what it takes
    python -m bench.proof       how long a plan takes
    python -m bench.train       a job from POST to succeeded, beside a plain `python train.py`

`RESULTS.md` keeps what was measured, with the command and the machine.
"""
