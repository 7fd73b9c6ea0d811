"""Waiting: always for a condition, always with a deadline."""
import time


def until(condition, timeout_s, what, every_s=0.05):
    """Returns the condition's first true value; TimeoutError names `what` and the last value otherwise."""
    end = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"waited {timeout_s} s for {what}; last seen: {value!r}")
        time.sleep(every_s)


def pause(seconds):
    """Spreads a load over time; never used to wait for something to happen."""
    if seconds > 0:
        time.sleep(seconds)
