"""Which provider answers at a host: one SDK reaches many."""

from __future__ import annotations

import functools

_BY_SUFFIX = (
    ("openai.com", "openai"),
    ("openai.azure.com", "azure.ai.openai"),
    ("cognitiveservices.azure.com", "azure.ai.openai"),
    ("services.ai.azure.com", "azure.ai.inference"),
    ("models.ai.azure.com", "azure.ai.inference"),
    ("anthropic.com", "anthropic"),
    ("groq.com", "groq"),
    ("deepseek.com", "deepseek"),
    ("mistral.ai", "mistral_ai"),
    ("x.ai", "x_ai"),
    ("perplexity.ai", "perplexity"),
    ("moonshot.ai", "moonshot_ai"),
    ("moonshot.cn", "moonshot_ai"),
    ("cohere.com", "cohere"),
    ("cohere.ai", "cohere"),
    ("openrouter.ai", "openrouter"),
    ("together.xyz", "together"),
    ("together.ai", "together"),
    ("fireworks.ai", "fireworks"),
    ("cerebras.ai", "cerebras"),
    ("ml.cloud.ibm.com", "ibm.watsonx.ai"),
    ("generativelanguage.googleapis.com", "gcp.gemini"),
    ("aiplatform.googleapis.com", "gcp.vertex_ai"),
)


@functools.lru_cache(maxsize=256)
def provider_of(host: str, default: str) -> str:
    """Return ``gen_ai.provider.name`` for a host; `default` for a proxy, a gateway or a test."""
    host = host.lower().rstrip(".")
    for suffix, provider in _BY_SUFFIX:
        if host == suffix or host.endswith(("." + suffix, "-" + suffix)):
            return provider
    if host.startswith("bedrock") and host.endswith((".amazonaws.com", ".amazonaws.com.cn")):
        return "aws.bedrock"
    return default


def behind_openai(host: str) -> str:
    """Return the provider behind OpenAI's SDK."""
    return provider_of(host, "openai")


def behind_anthropic(host: str) -> str:
    """Return the provider behind Anthropic's SDK."""
    return provider_of(host, "anthropic")


def behind_google(host: str) -> str:
    """Return the provider behind Google's interactions."""
    return provider_of(host, "gcp.gemini")
