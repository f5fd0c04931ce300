"""The Ray Serve class of the picture classifier."""

from pathlib import Path

from ray import serve

from deployments.classifier import canaries
from deployments.classifier.classifier import Classifier, load
from deployments.classifier.config import ClassifierConfig
from deployments.classifier.vision import VisionJudge
from deployments.classifier.worker import Job, Worker
from deployments.contracts import PictureRequest, PictureVerdict
from deployments.embedded.resolve import resolve
from deployments.llm import LanguageModel
from deployments.policy import Policy


@serve.deployment(name="classifier")
class ClassifierDeployment:
    """Pictures in, verdicts out. A replica is ready once it has judged its canaries right."""

    def __init__(self, config: ClassifierConfig, policy: Policy) -> None:
        self._llm, self._vision = None, None
        output, asks = policy.output, config.vision is not None
        self._classifier = Classifier(load(config), output.thresholds, output.edits, asked=asks)
        for model in filter(None, (config.model, config.transformation)):
            canaries.check(self._classifier, Path(resolve(model)) / canaries.FOLDER)
        if config.vision is not None and output.edits is not None:
            self._llm = LanguageModel("classifier", config.vision)
            kinds = {name: policy.categories.get(name) for name in output.edits.thresholds}
            self._vision = VisionJudge(self._llm, kinds, config.vision_question)
        self._worker = Worker("classifier", config.max_queued, config.stall_seconds)

    async def judge(self, request: PictureRequest) -> PictureVerdict:
        """Judges one picture."""
        edit = None
        if request.input is not None and self._vision is not None:
            edit = await self._vision.scores(request)

        def work(job: Job) -> PictureVerdict:
            verdict = self._classifier.judge(request, edit)
            job.called()
            return verdict

        return await self._worker.run(work)

    async def check_health(self) -> None:
        """Raises when the thread or the vision-language model hangs."""
        self._worker.check_health()
        if self._llm is not None:
            await self._llm.check_health()

    def __del__(self) -> None:
        if worker := getattr(self, "_worker", None):
            worker.close()
        if llm := getattr(self, "_llm", None):
            llm.shutdown()
