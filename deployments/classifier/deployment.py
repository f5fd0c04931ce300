"""The Ray Serve class of the picture classifier."""

from pathlib import Path

from ray import serve

from deployments.classifier import canaries
from deployments.classifier.classifier import Classifier, load
from deployments.classifier.config import ClassifierConfig
from deployments.classifier.worker import Job, Worker
from deployments.contracts import PictureRequest, PictureVerdict
from deployments.embedded.resolve import resolve
from deployments.policy import Policy


@serve.deployment(name="classifier")
class ClassifierDeployment:
    """Pictures in, verdicts out. A replica is ready once it has judged its canaries right."""

    def __init__(self, config: ClassifierConfig, policy: Policy) -> None:
        self._classifier = Classifier(load(config), policy.output.thresholds, policy.output.edits)
        for model in filter(None, (config.model, config.transformation)):
            canaries.check(self._classifier, Path(resolve(model)) / canaries.FOLDER)
        self._worker = Worker("classifier", config.max_queued, config.stall_seconds)

    async def judge(self, request: PictureRequest) -> PictureVerdict:
        """Judges one picture."""

        def work(job: Job) -> PictureVerdict:
            verdict = self._classifier.judge(request)
            job.called()
            return verdict

        return await self._worker.run(work)

    async def check_health(self) -> None:
        """Raises when the thread hangs."""
        self._worker.check_health()

    def __del__(self) -> None:
        if worker := getattr(self, "_worker", None):
            worker.close()
