"""LiteLLM's own log of what calls cost: a line of JSON per call, in the file that COST_LOG names."""

import json
import os

from litellm.integrations.custom_logger import CustomLogger


class CostLog(CustomLogger):
    async def async_log_success_event(self, kwargs, response_obj, start_time, end_time):
        line = {
            "call": kwargs.get("litellm_call_id"),
            "usd": kwargs.get("response_cost"),
            "hit": bool(kwargs.get("cache_hit")),
        }
        with open(os.environ["COST_LOG"], "a") as file:
            file.write(json.dumps(line) + "\n")


cost_log = CostLog()
