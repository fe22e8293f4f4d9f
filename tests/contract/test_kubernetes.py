"""The manifests of deploy/kubernetes: as Kubernetes knows them, and as they should be. Nothing is sent to a cluster."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import kubernetes_validate
import pytest
import yaml

from worker.config.locations import load_accounts, require_one_kind_of_keys
from worker.config.settings import SECRETS_VARIABLE, Settings

DEPLOY = Path(__file__).parents[2] / "deploy"
BASE = DEPLOY / "kubernetes" / "base"
VERSIONS = ("1.30", "1.37")
"""The oldest and the newest Kubernetes that the manifests are checked for."""

GUIDE = (DEPLOY / "docs" / "GUIDE.md").read_text()
COMPONENTS = sorted((DEPLOY / "kubernetes" / "components").iterdir())
KUSTOMIZE = next((found for name in ("kustomize", "kubectl") if (found := shutil.which(name))), None)
GENERATED = {"perps-dma-worker", "perps-dma-shim", "perps-dma-credentials", "perps-dma-accounts"}

Manifest = dict[str, Any]


def manifests(folder: Path = BASE) -> list[Manifest]:
    listed = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
    return [document for name in listed for document in yaml.safe_load_all((folder / name).read_text())]


def named(kind: str, name: str) -> Manifest:
    return next(row for row in manifests() if (row["kind"], row["metadata"]["name"]) == (kind, name))


def pod(deployment: str) -> Manifest:
    found: Manifest = named("Deployment", deployment)["spec"]["template"]["spec"]
    return found


DEPLOYMENTS = ("perps-dma-worker", "perps-dma-shim")


def test_every_manifest_of_the_base_is_listed() -> None:
    listed = yaml.safe_load((BASE / "kustomization.yaml").read_text())["resources"]
    assert sorted([*listed, "kustomization.yaml"]) == sorted(file.name for file in BASE.iterdir())


@pytest.mark.parametrize("version", VERSIONS)
def test_the_manifests_are_what_kubernetes_expects(version: str) -> None:
    assert len(manifests()) == 9
    for manifest in manifests():
        kubernetes_validate.validate(manifest, version, strict=True)


def test_the_check_finds_a_field_that_there_is_not() -> None:
    wrong = named("Deployment", "perps-dma-shim") | {"replicas": 2}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSIONS[-1], strict=True)


@pytest.mark.parametrize("deployment", DEPLOYMENTS)
def test_a_pod_runs_with_nothing_that_it_does_not_need(deployment: str) -> None:
    spec = pod(deployment)
    [container] = spec["containers"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] == 10001
    assert spec["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"requests", "limits"} == set(container["resources"])


@pytest.mark.parametrize("deployment", DEPLOYMENTS)
def test_secrets_are_files_and_the_environment_holds_none(deployment: str) -> None:
    spec = pod(deployment)
    [container] = spec["containers"]
    mounted = {row["name"]: row["mountPath"] for row in container["volumeMounts"]}
    folder = named("ConfigMap", "perps-dma-settings")["data"]["PERPS_DMA_SECRETS"]
    assert mounted["secrets"] == folder
    assert {row["name"] for row in spec["volumes"]} == set(mounted)
    assert not [row for row in container.get("env", ()) if "valueFrom" in row]
    assert not [row for row in container["envFrom"] if "secretRef" in row]


@pytest.mark.parametrize("deployment", DEPLOYMENTS)
def test_the_service_called_perps_dma_sets_no_setting_of_ours(deployment: str) -> None:
    assert named("Service", "perps-dma")
    assert pod(deployment)["enableServiceLinks"] is False


@pytest.mark.parametrize("deployment", DEPLOYMENTS)
def test_a_pod_is_probed_and_is_given_the_time_to_end(deployment: str) -> None:
    spec = pod(deployment)
    [container] = spec["containers"]
    ports = {port["name"] for port in container["ports"]}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container[probe]["httpGet"]["port"] in ports
    assert spec["terminationGracePeriodSeconds"] > Settings().grace_ms / 1000 + 10


@pytest.mark.parametrize("deployment", DEPLOYMENTS)
def test_a_budget_and_a_policy_stand_for_the_pods_of_each_deployment(deployment: str) -> None:
    labels = named("Deployment", deployment)["spec"]["template"]["metadata"]["labels"]
    budget, policy = named("PodDisruptionBudget", deployment), named("NetworkPolicy", deployment)
    assert budget["spec"]["selector"]["matchLabels"] == labels
    assert policy["spec"]["podSelector"]["matchLabels"] == labels
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]


def test_shims_are_scaled_and_nothing_else_says_how_many_there_are() -> None:
    scaler = named("HorizontalPodAutoscaler", "perps-dma-shim")["spec"]
    assert scaler["scaleTargetRef"]["name"] == "perps-dma-shim"
    assert 2 <= scaler["minReplicas"] < scaler["maxReplicas"]
    assert "replicas" not in named("Deployment", "perps-dma-shim")["spec"]


def test_workers_share_shards_and_limits_between_as_many_as_there_are() -> None:
    data, replicas = named("ConfigMap", "perps-dma-settings")["data"], named("Deployment", "perps-dma-worker")["spec"]
    assert int(data["PERPS_DMA_WORKERS"]) == replicas["replicas"]
    assert float(data["PERPS_DMA_LIMIT_SHARE"]) * replicas["replicas"] <= 1
    assert replicas["strategy"]["rollingUpdate"]["maxSurge"] == 0


def test_the_examples_registry_finds_its_keys_where_they_are_mounted(tmp_path: Path) -> None:
    mounts = {row["name"]: row["mountPath"] for row in pod("perps-dma-worker")["containers"][0]["volumeMounts"]}
    text = (DEPLOY / "kubernetes" / "example" / "accounts.toml").read_text()
    referred = re.findall(r"file:([^\"]+)", text)
    generated = yaml.safe_load((DEPLOY / "kubernetes" / "example" / "kustomization.yaml").read_text())
    files = next(row for row in generated["secretGenerator"] if row["name"] == "perps-dma-credentials")["files"]
    assert sorted(referred) == sorted(f"{mounts['credentials']}/{file.partition('=')[0]}" for file in files)
    for path in referred:
        (tmp_path / Path(path).name).write_text("a key")
    registry = tmp_path / "accounts.toml"
    registry.write_text(text.replace(mounts["credentials"], str(tmp_path)))
    assert [account.id for account in load_accounts(Settings(state=tmp_path, accounts=registry)).values()] == [
        "binance-main"
    ]


def built(example: Path) -> list[Manifest]:
    """An overlay as a cluster would get it."""
    assert KUSTOMIZE is not None
    verb = "build" if KUSTOMIZE.endswith("kustomize") else "kustomize"
    printed = subprocess.run([KUSTOMIZE, verb, str(example)], check=True, capture_output=True, text=True)
    return list(yaml.safe_load_all(printed.stdout))


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """A copy of the example, with the secrets that the guide's command makes for it, and nothing else."""
    shutil.copytree(DEPLOY, tmp_path / "deploy", ignore=shutil.ignore_patterns("secrets"))
    [command] = re.findall(r"^(deploy/make-secrets\.sh deploy/kubernetes/\S+)", GUIDE, re.MULTILINE)
    subprocess.run(["sh", *command.split()], check=True, cwd=tmp_path)
    return tmp_path / "deploy" / "kubernetes" / "example"


@pytest.fixture
def rendered(example: Path) -> list[Manifest]:
    """The example as a cluster would get it."""
    return built(example)


def test_the_guides_secrets_are_all_that_the_example_takes(example: Path) -> None:
    generators = yaml.safe_load((example / "kustomization.yaml").read_text())["secretGenerator"]
    taken = {entry.partition("=")[2] for generator in generators for entry in generator["files"]}
    assert sorted(name for name in taken if not (example / name).read_text().strip()) == []


def test_a_key_that_was_put_in_a_placeholders_place_stays(example: Path) -> None:
    key = example / "secrets" / "binance-main-secret"
    key.write_text("the venue's own")
    subprocess.run(["sh", str(DEPLOY / "make-secrets.sh"), str(key.parent)], check=True)
    assert key.read_text() == "the venue's own"


def with_components(example: Path) -> list[Manifest]:
    """The example with the components in that it has as comments."""
    file = example / "kustomization.yaml"
    text = file.read_text()
    taken_in = re.sub(r"(?m)^# (components:|  - \.\./components/)", r"\1", text)
    assert taken_in.count("../components/") == len(COMPONENTS) == 2
    file.write_text(taken_in)
    return built(example)


def of_kind(found: list[Manifest], kind: str) -> dict[str, Manifest]:
    return {row["metadata"]["name"]: row for row in found if row["kind"] == kind}


@pytest.mark.skipif(KUSTOMIZE is None, reason="neither kustomize nor kubectl is installed")
def test_key_sets_and_spans_leave_where_their_components_are_taken_in(example: Path) -> None:
    before = of_kind(built(example), "NetworkPolicy")
    found = with_components(example)
    for manifest in found:
        kubernetes_validate.validate(manifest, VERSIONS[-1], strict=True)
    policies = of_kind(found, "NetworkPolicy")
    added = {name: policies[name]["spec"] for name in policies.keys() - before.keys()}
    assert {name: spec["policyTypes"] for name, spec in added.items()} == {
        "perps-dma-shim-jwks": ["Egress"],
        "perps-dma-otlp": ["Egress"],
    }
    assert {name: policies[name] for name in before} == before
    settings = of_kind(found, "ConfigMap")["perps-dma-settings"]["data"]
    assert settings["PERPS_DMA_TRACES"] == "otlp"
    port = urlsplit(settings["OTEL_EXPORTER_OTLP_ENDPOINT"]).port
    assert port in {row["port"] for rule in added["perps-dma-otlp"]["egress"] for row in rule["ports"]}
    named = added["perps-dma-otlp"]["podSelector"]["matchExpressions"][0]["values"]
    assert sorted(named) == sorted(DEPLOYMENTS)


@pytest.mark.skipif(KUSTOMIZE is None, reason="neither kustomize nor kubectl is installed")
def test_a_shim_with_a_key_set_checks_tokens_in_that_way_alone(example: Path, tmp_path: Path) -> None:
    found = with_components(example)
    settings = of_kind(found, "ConfigMap")["perps-dma-settings"]["data"]
    [secret] = [row for name, row in of_kind(found, "Secret").items() if name.startswith("perps-dma-shim-")]
    assert set(secret["data"]) == {"PERPS_DMA_AMQP_URL"}
    chosen = {name.removeprefix("PERPS_DMA_JWT_").lower(): value for name, value in settings.items() if "_JWT_" in name}
    require_one_kind_of_keys(Settings(state=tmp_path, **{f"jwt_{name}": value for name, value in chosen.items()}))
    assert {"jwks_url", "issuer", "audience"} == set(chosen)


@pytest.mark.skipif(KUSTOMIZE is None, reason="neither kustomize nor kubectl is installed")
def test_the_example_is_rendered_to_what_kubernetes_expects(rendered: list[Manifest]) -> None:
    assert len(rendered) == len(manifests()) + len(GENERATED)
    for manifest in rendered:
        kubernetes_validate.validate(manifest, VERSIONS[-1], strict=True)
        assert manifest["metadata"]["namespace"] == "perps-dma"


@pytest.mark.skipif(KUSTOMIZE is None, reason="neither kustomize nor kubectl is installed")
def test_a_changed_secret_is_a_new_rollout(rendered: list[Manifest]) -> None:
    made = {row["metadata"]["name"] for row in rendered if row["kind"] in {"Secret", "ConfigMap"}}
    for deployment in (row for row in rendered if row["kind"] == "Deployment"):
        spec = deployment["spec"]["template"]["spec"]
        secrets = [row["secret"]["secretName"] for row in spec["volumes"] if "secret" in row]
        registries = [row["configMap"]["name"] for row in spec["volumes"] if "configMap" in row]
        for name in (*secrets, *registries):
            assert name in made
            assert name not in GENERATED  # it ends in a hash of its content
        assert spec["containers"][0]["image"] == "registry.example/perps-dma:0.1.0"


@pytest.mark.parametrize(
    "file",
    [*sorted(BASE.glob("*.yaml")), *sorted(DEPLOY.glob("kubernetes/components/*/*.yaml")), DEPLOY / "compose.yaml"],
    ids=lambda path: f"{path.parent.name}/{path.name}",
)
def test_what_is_set_is_a_setting(file: Path) -> None:
    known = {f"PERPS_DMA_{name.upper()}" for name in Settings.model_fields} | {SECRETS_VARIABLE}
    assert set(re.findall(r"^ +(?:- \{name: )?(PERPS_DMA_\w+)[:,]", file.read_text(), re.MULTILINE)) <= known
