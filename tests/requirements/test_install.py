"""What ships is what is tested: the image's build stage runs here, and what it makes serves.

The steps are read from k8s/Dockerfile, so what is tested has the image's packages and no others.
"""

import base64
import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml
from PIL import Image

from deployments.paths import ROOT
from tests.cluster.conftest import free_port

pytestmark = [pytest.mark.long, pytest.mark.install, pytest.mark.timeout(1800)]

WORKDIR = "/app"
"""Where the image has everything; a temporary folder stands for it here."""
LINKS = os.environ.get("UV_FIND_LINKS") or os.environ.get("PIP_FIND_LINKS")


def steps() -> Iterator[tuple[str, str]]:
    """The build stage's instructions: a keyword, and what follows it."""
    text = (ROOT / "k8s" / "Dockerfile").read_text(encoding="utf-8")
    stage = re.split(r"^FROM .*\n", text, flags=re.MULTILINE)[1]
    lines = re.sub(r"^#.*\n", "", stage, flags=re.MULTILINE).replace("\\\n", " ")
    for line in filter(None, lines.splitlines()):
        keyword, _, rest = line.partition(" ")
        yield keyword, rest


def environment(**more: str) -> dict[str, str]:
    """This process's environment without the running one's packages."""
    path = f"{Path(sys.base_prefix) / 'bin'}:{os.environ['PATH']}"
    own = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return {**own, "PATH": path, **more}


def run(command: str, app: Path, arguments: dict[str, str]) -> str:
    ended = subprocess.run(
        ["bash", "-c", command.replace(WORKDIR, str(app))],
        cwd=app,
        env=environment(**arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, f"{command}\n{ended.stdout}"
    return ended.stdout


def copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy2(source, target)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder that the build stage leaves, and what its last command printed."""
    app, printed = tmp_path_factory.mktemp("image"), ""
    arguments: dict[str, str] = {}
    for keyword, rest in steps():
        if keyword == "ARG":
            name, _, default = rest.partition("=")
            arguments[name] = LINKS if name == "FIND_LINKS" and LINKS else default
        elif keyword == "COPY":
            source, target = rest.split()
            copy(ROOT / source, app / target / source if target == "./" else app / target)
        elif keyword == "RUN":
            printed = run(rest, app, arguments)
        else:  # ENV keeps uv's cache out of the image; here the machine's may serve
            assert (keyword, rest) in {("WORKDIR", WORKDIR), ("ENV", "UV_NO_CACHE=1")}
    return app, printed


@pytest.fixture(scope="module")
def url(image: tuple[Path, str]) -> Iterator[str]:
    """Where the image's services answer, started by its own command."""
    app, _ = image
    config = yaml.safe_load((app / "configs" / "miniature.yaml").read_text(encoding="utf-8"))
    config["http_options"]["port"] = free_port()
    (app / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    command = [app / ".venv" / "bin" / "python", "-m", "deployments.ops.run", "config.yaml"]
    variables = environment(PYTHONPATH=str(app), SAFELIGHT_CACHE=str(app / "cache"))
    with subprocess.Popen(
        command, cwd=app, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        said = ""
        while "is ready at" not in said:
            line = process.stdout.readline()
            assert line, f"it ended with {process.wait(60)}:\n{said}"
            said += line
        yield f"http://127.0.0.1:{config['http_options']['port']}"
        process.terminate()


def picture(answer: httpx.Response) -> Image.Image:
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["safety"]["decision"] == "delivered"
    return Image.open(io.BytesIO(base64.b64decode(body["data"][0]["b64_json"])))


def test_image_assembles_every_embedded_model(image):
    app, printed = image
    folders = dict(re.findall(r"^  (\w+) +[\d.]+ s  (.+)$", printed, flags=re.MULTILINE))
    source = (app / "deployments" / "inference" / "embedded" / "resolve.py").read_text()
    assert folders.keys() == set(re.findall(r'^    "(\w+)": lambda', source, flags=re.MULTILINE))
    assert all(Path(folder).is_relative_to(app) for folder in folders.values())
    assert all(any(Path(folder).iterdir()) for folder in folders.values())


def test_image_has_no_package_of_training_or_tests(image):
    app, _ = image
    for package in ("peft", "pytest"):
        command = [app / ".venv" / "bin" / "python", "-c", f"import {package}"]
        ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=app)
        assert "ModuleNotFoundError" in ended.stderr


def test_image_answers_one_generation_and_one_edit(url):
    with httpx.Client(base_url=f"{url}/v1/images", timeout=300) as client:
        prompt = {"prompt": "a woman in a red dress on a beach", "seed": 7}
        made = picture(client.post("/generations", json=prompt))
        given = io.BytesIO()
        made.save(given, "PNG")
        form = {"prompt": "make her dress blue", "seed": "7"}
        edited = picture(client.post("/edits", data=form, files={"image": given.getvalue()}))
    assert made.size == edited.size == (64, 64)
    assert made.tobytes() != edited.tobytes()
