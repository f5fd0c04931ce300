"""The Ray Serve class of the picture classifier."""

import logging
from functools import partial
from pathlib import Path

from ray import serve

from deployments.classifier import canaries
from deployments.classifier.classifier import Classifier
from deployments.classifier.config import ClassifierConfig
from deployments.classifier.loading import load_models
from deployments.classifier.transformation.vision import VisionScorer
from deployments.classifier.worker import Worker
from deployments.contracts import PictureRequest, PictureVerdict
from deployments.inference.embedded.resolve import resolve
from deployments.inference.language_model import LanguageModel
from deployments.policy import Policy

logger = logging.getLogger(__name__)


@serve.deployment(name="classifier")
class ClassifierDeployment:
    """Pictures in, verdicts out. A replica that misjudges a canary does not start."""

    async def __init__(  # type: ignore[misc]
        self, config: ClassifierConfig, policy: Policy
    ) -> None:
        self._llm, self._vision = None, None
        output = policy.output
        attributes = None if config.vision is None else config.vision_question.attributes
        self._classifier = Classifier(load_models(config), output, attributes)
        for model in filter(None, (config.model, config.transformation)):
            canaries.check(self._classifier, Path(resolve(model)) / canaries.FOLDER)
        if config.vision is not None and output.edits is not None:
            self._llm = LanguageModel("classifier", config.vision)
            kinds = {name: policy.categories.get(name) for name in output.edits.thresholds}
            try:
                self._vision = VisionScorer(self._llm, kinds, config.vision_question)
                await self._check_vision(config.vision_question.canaries)
            except BaseException:
                self._llm.shutdown()
                raise
        self._worker = Worker("classifier", config.max_queued, config.stall_seconds)

    async def judge(self, request: PictureRequest) -> PictureVerdict:
        """Judges one picture."""
        edit = None
        if request.input is not None and self._vision is not None:
            edit = await self._vision.scores(request)
        return await self._worker.run(partial(self._classifier.judge, request, edit))

    async def check_health(self) -> None:
        """Raises when the thread or the vision-language model hangs."""
        self._worker.check_health()
        if self._llm is not None:
            await self._llm.check_health()

    async def _check_vision(self, folder: str | None) -> None:
        if folder is None:
            logger.warning(
                "classifier.vision_question.canaries is not set: the vision-language model that "
                "judges edits is not checked"
            )
        elif self._vision is not None:
            path = Path(resolve(folder))
            await canaries.check_with(self._vision.scores, self._classifier, path)

    def __del__(self) -> None:
        if worker := getattr(self, "_worker", None):
            worker.close()
        if llm := getattr(self, "_llm", None):
            llm.shutdown()
