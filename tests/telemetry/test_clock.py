import time

from deployments.telemetry.clock import elapsed


def test_elapsed_time_is_in_milliseconds():
    before = time.perf_counter()
    found = elapsed(before - 2.0)
    assert 2000 <= found <= 2000 + 1000 * (time.perf_counter() - before)
