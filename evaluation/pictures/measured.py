"""A measurement on the configured picture services, with the judge beside them."""

from evaluation.common.measurement import Measurement
from evaluation.common.service import Service
from training.judge.model import Judge
from training.paths import MODELS


class PictureMeasurement(Measurement):
    """Loads the services and the judge, and ends the services."""

    async def start(self) -> None:
        self._service, self._judge = Service(self.options), Judge(MODELS / "judge")
        await self._service.start()

    async def stop(self) -> None:
        await self._service.stop()
