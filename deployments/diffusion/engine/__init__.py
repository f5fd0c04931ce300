"""Step-level batching for unmodified diffusers pipelines.

Each request runs its pipeline in a greenlet of its own. Where the pipeline calls a model (denoiser,
decoder), the greenlet is parked, and the engine runs the calls of many requests as one. So no
pipeline and no scheduler is rewritten: steps, guidance, scheduler and steering stay with each
request's own pipeline, and only rows of tensors meet.

    calls.py      model calls put together by rows, and taken apart again
    schedule.py   which requests begin, and whose calls run next (no torch)
    engine.py     the loop on one thread: plan, run, settle
    row_cap.py    how many rows pay on this device, and how long they take
    door.py       which requests may come in, and when the refused ones should come back
"""
