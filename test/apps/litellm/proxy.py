"""Runs LiteLLM's proxy until standard input closes, so that it never outlives the test that started it."""

import os
import sys
import threading

from litellm import run_server


def end_with_parent():
    sys.stdin.read()
    os._exit(0)


threading.Thread(target=end_with_parent, daemon=True).start()
run_server()
