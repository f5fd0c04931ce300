"""What multistep schedulers remember of earlier steps, and how they are made to forget it.

A multistep solver extrapolates from the last clean latents to the next. Where steering sets in, the
newest has been moved and the older ones have not. The solver takes the move for a trend, and its
step goes further than the steerer meant (measured: 1.3 times in DPM-Solver++ 2M, 1.7 in UniPC). So
that one step is taken at first order, which is DDIM's. From the next step on, all of the history in
use is steered.
"""

from diffusers import (
    DPMSolverMultistepScheduler,
    DPMSolverSinglestepScheduler,
    UniPCMultistepScheduler,
)

from deployments.diffusion.steering.prediction import Scheduler


def forget_history(scheduler: Scheduler) -> None:
    """Makes the scheduler's next step one of first order; the one after it uses history again."""
    if isinstance(scheduler, DPMSolverMultistepScheduler):
        scheduler.lower_order_nums = 0
    elif isinstance(scheduler, UniPCMultistepScheduler):
        scheduler.lower_order_nums = 0
        scheduler.last_sample = None  # the corrector would redo the last step with the moved latent
    elif isinstance(scheduler, DPMSolverSinglestepScheduler):
        scheduler.model_outputs = [None] * len(scheduler.model_outputs)
