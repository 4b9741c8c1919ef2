"""Makes one call with each client in each of its ways, at the addresses that the environment names."""

import sys

MESSAGES = [{"role": "user", "content": "Hello"}]


def openai_whole():
    from openai import OpenAI

    return OpenAI().chat.completions.create(model="gpt-5-mini", messages=MESSAGES).choices[0].message.content


def openai_stream():
    from openai import OpenAI

    chunks = OpenAI().chat.completions.create(model="gpt-5-mini", messages=MESSAGES, stream=True)
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


def openai_responses():
    from openai import OpenAI

    return OpenAI().responses.create(model="gpt-5-mini", input="Hello").output_text


def anthropic_whole():
    from anthropic import Anthropic

    answer = Anthropic().messages.create(model="claude-sonnet-4-6", max_tokens=100, messages=MESSAGES)
    return answer.content[0].text


def anthropic_stream():
    from anthropic import Anthropic

    with Anthropic().messages.stream(model="claude-sonnet-4-6", max_tokens=100, messages=MESSAGES) as stream:
        return "".join(stream.text_stream)


def litellm_openai():
    from litellm import completion

    return completion(model="openai/gpt-5-mini", messages=MESSAGES).choices[0].message.content


def litellm_stream():
    from litellm import completion

    chunks = completion(model="openai/gpt-5-mini", messages=MESSAGES, stream=True)
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks)


def litellm_anthropic():
    from litellm import completion

    return completion(model="anthropic/claude-sonnet-4-6", messages=MESSAGES).choices[0].message.content


print(globals()[sys.argv[1]]())
