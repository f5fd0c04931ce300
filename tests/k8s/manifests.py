"""Overlays as `kubectl kustomize` renders them, and the schemas that they must satisfy."""

import copy
import gzip
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import yaml

from deployments.paths import ROOT

OVERLAYS = sorted(path for path in (ROOT / "k8s" / "overlays").iterdir() if path.is_dir())
CRD = ROOT / "tests" / "data" / "ray.io_rayservices.yaml.gz"
KUBERNETES = "1.32"
Manifest = dict[str, Any]


def render(folder: Path) -> list[Manifest]:
    """The manifests of a kustomization: its resources, with its patches merged in.

    Covers what ours use: `resources`, and `patches` by path. A custom resource has no strategic
    merge, so kustomize merges its patches as RFC 7386 does.
    """
    kustomization = _load(folder / "kustomization.yaml")[0]
    extra = set(kustomization) - {"apiVersion", "kind", "resources", "patches"}
    assert not extra, f"this renderer does not know {extra}"
    manifests: list[Manifest] = []
    for resource in kustomization["resources"]:
        path = (folder / resource).resolve()
        manifests += render(path) if path.is_dir() else _load(path)
    for entry in kustomization.get("patches", ()):
        for patch in _load(folder / entry["path"]):
            (target,) = (m for m in manifests if _identity(m) == _identity(patch))
            manifests[manifests.index(target)] = merge(target, patch)
    return manifests


def merge(target: Any, patch: Any) -> Any:
    """JSON merge patch (RFC 7386)."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), value)
    return merged


def validate(manifest: Manifest) -> None:
    """Validates one manifest by the schema of its kind, unknown keys forbidden.

    Raises:
        jsonschema.ValidationError, kubernetes_validate.ValidationError: it does not fit.
    """
    if manifest["kind"] == "RayService":
        ray_service_validator().validate(manifest)
    else:
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


@cache
def ray_service_validator() -> jsonschema.Draft202012Validator:
    """For a RayService (v1): its schema made strict, with the metadata that ours have."""
    with gzip.open(CRD) as file:
        definition = yaml.load(file, yaml.CSafeLoader)  # a megabyte; the other loader takes 20 s
    (version,) = (v for v in definition["spec"]["versions"] if v["name"] == "v1")
    schema = version["schema"]["openAPIV3Schema"]
    text = {"type": "object", "additionalProperties": {"type": "string"}}
    schema["properties"]["metadata"]["properties"] = {
        "name": {"type": "string"}, "labels": text, "annotations": text,
    }  # fmt: skip
    schema["properties"]["kind"]["const"] = "RayService"
    schema["properties"]["apiVersion"]["const"] = "ray.io/v1"
    schema["required"] = ["apiVersion", "kind", "metadata", "spec"]
    return jsonschema.Draft202012Validator(_strict(schema))


def _strict(schema: Any) -> Any:
    """The API server drops unknown keys of a structural schema; here they are errors."""
    if isinstance(schema, list):
        return [_strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _strict(value) for key, value in schema.items()}
    if schema.get("x-kubernetes-int-or-string") is True:
        closed["type"] = ["integer", "string"]
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        closed.setdefault("additionalProperties", False)
    return closed


def _load(path: Path) -> list[Manifest]:
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


def _identity(manifest: Manifest) -> tuple[str, str, str]:
    return manifest["apiVersion"], manifest["kind"], manifest["metadata"]["name"]
