"""The plan adds up replicas and refuses what the machine cannot start."""

import pytest
import yaml

from deployments.ops.plan import fit_on_cards, main


@pytest.fixture
def config(tmp_path):
    """Writes a configuration with these deployments."""

    def write(*deployments: dict, args: dict | None = None) -> str:
        application = {"import_path": "a:b", "args": args or {}, "deployments": list(deployments)}
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump({"applications": [application]}))
        return str(path)

    return write


def deployment(name: str, cpus: float, gpus: float = 0, fewest: int = 1, most: int = 1) -> dict:
    return {
        "name": name,
        "ray_actor_options": {"num_cpus": cpus, "num_gpus": gpus},
        "autoscaling_config": {"min_replicas": fewest, "max_replicas": most},
    }


def test_sums_are_printed_for_fewest_and_most_replicas(config, capsys):
    path = config(deployment("gateway", 0.5, most=2), deployment("guard", 1, 0.25))
    assert main([path, "--cpus", "2", "--gpus", "1"]) == 0
    together = capsys.readouterr().out.splitlines()[-2].split()
    assert together == ["together", "1.5..2", "0.25..0.25"]


def test_too_many_cpus_at_most_replicas_are_refused(config, capsys):
    path = config(deployment("gateway", 0.5, most=3), deployment("guard", 1))
    assert main([path, "--cpus", "2", "--gpus", "0"]) == 1
    assert "at the most replicas 2.5 CPUs are asked for, there are 2" in capsys.readouterr().err


def test_shares_that_no_card_can_hold_are_refused_though_their_sum_fits(config, capsys):
    path = config(deployment("diffusion", 0, 0.6, fewest=3, most=3))
    assert main([path, "--cpus", "1", "--gpus", "2"]) == 1
    assert "do not fit on 2 cards" in capsys.readouterr().err


def test_deployment_without_settings_takes_a_whole_cpu(config):
    path = config({"name": "gateway"}, {"name": "guard", "num_replicas": 2})
    assert main([path, "--cpus", "3", "--gpus", "0"]) == 0
    assert main([path, "--cpus", "2.9", "--gpus", "0"]) == 1


def test_open_number_of_replicas_is_refused(config, capsys):
    assert main([config({"name": "gateway", "num_replicas": "auto"})]) == 2
    assert "say how many" in capsys.readouterr().err


def test_service_without_settings_is_refused(config, capsys):
    path = config(deployment("gateway", 0.1), args={"gateway": {}, "guard": {}, "policy": "p"})
    assert main([path]) == 2
    assert "says nothing under `deployments` of guard" in capsys.readouterr().err


def test_file_that_is_no_configuration_is_refused(tmp_path, capsys):
    (tmp_path / "none.yaml").write_text("applications: 3")
    assert main([str(tmp_path / "none.yaml")]) == 2
    assert main([str(tmp_path / "missing.yaml")]) == 2
    assert "cannot read" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("shares", "cards", "fits"),
    [
        ([0.5, 0.3, 0.2], 1, True),
        ([0.1] * 10, 1, True),
        ([0.6, 0.6], 1, False),
        ([0.6, 0.6, 0.4, 0.4], 2, True),
        ([2.0, 0.5], 2, False),
        ([2.0, 0.5], 3, True),
        ([1.5], 2, False),
        ([], 0, True),
        ([0.0], 0, True),
    ],
)
def test_shares_are_never_split_between_cards(shares, cards, fits):
    assert fit_on_cards(shares, cards) is fits
