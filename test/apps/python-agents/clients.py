"""Makes one call with each agent library, at the addresses that the environment names."""

import sys


def google_genai_whole():
    from google import genai

    # A client that nobody holds is closed.
    client = genai.Client()
    return client.models.generate_content(model="gemini-2.5-flash", contents="Hello").text


def google_genai_stream():
    from google import genai

    client = genai.Client()
    chunks = client.models.generate_content_stream(model="gemini-2.5-flash", contents="Hello")
    return "".join(chunk.text or "" for chunk in chunks)


def pydantic_ai_openai():
    from pydantic_ai import Agent

    return Agent("openai-chat:gpt-5-mini").run_sync("Hello").output


def pydantic_ai_anthropic():
    from pydantic_ai import Agent

    return Agent("anthropic:claude-sonnet-4-6").run_sync("Hello").output


def langchain_openai_whole():
    from langchain_openai import ChatOpenAI

    return ChatOpenAI(model="gpt-5-mini").invoke("Hello").text


def langchain_openai_stream():
    from langchain_openai import ChatOpenAI

    return "".join(chunk.text for chunk in ChatOpenAI(model="gpt-5-mini").stream("Hello"))


def openai_agents():
    from agents import Agent, Runner, set_tracing_disabled

    set_tracing_disabled(True)
    return Runner.run_sync(Agent(name="greeter", model="gpt-5-mini"), "Hello").final_output


print(globals()[sys.argv[1]]())
