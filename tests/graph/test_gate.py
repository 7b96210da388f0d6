"""The gate before a release: missing, failed and stale checks each close it, by name."""

import dagster as dg
import pytest

from churnsaver_assets.defs.lib.gate import GateClosed, passed_checks, verified_upstream

KEY = dg.AssetCheckKey(dg.AssetKey("model"), "good")


def build(*, passed: bool) -> dg.Definitions:
    @dg.asset
    def model() -> dg.MaterializeResult:
        return dg.MaterializeResult(data_version=dg.DataVersion("v1"))

    @dg.asset_check(asset=model, name="good", blocking=True)
    def good() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=passed)

    return dg.Definitions(assets=[model], asset_checks=[good])


def run(defs: dg.Definitions, instance: dg.DagsterInstance, *, checks: bool = True) -> str:
    selection = dg.AssetSelection.assets("model")
    if not checks:
        selection -= dg.AssetSelection.all_asset_checks()
    job = dg.define_asset_job("job", selection)
    merged = dg.Definitions.merge(defs, dg.Definitions(jobs=[job]))
    result = merged.resolve_job_def("job").execute_in_process(
        instance=instance, raise_on_error=False
    )
    return result.run_id


def test_a_passed_check_is_recorded_with_its_run() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        run_id = run(build(passed=True), instance)
        (record,) = passed_checks(instance, [KEY])
        assert (record.asset, record.name, record.run_id) == ("model", "good", run_id)
        upstream = verified_upstream(instance, {"model": dg.DataVersion("v1")})
        assert (upstream["model"].data_version, upstream["model"].run_id) == ("v1", run_id)
        with pytest.raises(GateClosed, match="expected version v1, found v2"):
            verified_upstream(instance, {"model": dg.DataVersion("v2")})


def test_a_missing_check_closes_the_gate() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        run(build(passed=True), instance, checks=False)
        with pytest.raises(GateClosed, match="model:good is missing"):
            passed_checks(instance, [KEY])


def test_a_failed_check_closes_the_gate() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        run_id = run(build(passed=False), instance)
        with pytest.raises(GateClosed, match=f"model:good failed in run {run_id}"):
            passed_checks(instance, [KEY])


def test_a_check_older_than_its_asset_closes_the_gate() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        defs = build(passed=True)
        run(defs, instance)
        run(defs, instance, checks=False)
        with pytest.raises(GateClosed, match="model:good is stale: model changed since"):
            passed_checks(instance, [KEY])


def test_an_asset_that_was_never_made_closes_the_gate() -> None:
    with (
        dg.DagsterInstance.ephemeral() as instance,
        pytest.raises(GateClosed, match="model was never materialised"),
    ):
        verified_upstream(instance, {"model": dg.DataVersion("v1")})


def test_a_check_that_was_planned_and_not_reached_closes_the_gate() -> None:
    @dg.asset
    def model() -> dg.MaterializeResult:
        return dg.MaterializeResult()

    @dg.asset_check(asset=model, name="good", blocking=True)
    def good() -> dg.AssetCheckResult:
        raise RuntimeError("the check itself broke")

    with dg.DagsterInstance.ephemeral() as instance:
        run(dg.Definitions(assets=[model], asset_checks=[good]), instance)
        with pytest.raises(GateClosed, match="model:good is missing"):
            passed_checks(instance, [KEY])
