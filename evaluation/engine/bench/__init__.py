"""Step-level batching beside its baselines, on this machine: `make bench`.

One engine, one pipeline, one list of requests; the ways differ in who may run with whom. They are
measured in turn, in a rotating order, so that a slow minute of the machine hits all of them alike.

    traffic.py     which requests come, and when
    baselines.py   the ways: ours, and what one would use instead
    measure.py     a way under a closed loop, and under a replayed trace of arrivals
    figures.py     from measurements to ratios and distances
    run.py         the measurement
"""
