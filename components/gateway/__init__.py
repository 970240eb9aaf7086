"""The gateway: a neutral model of routes and tenants, its LiteLLM renderer, manifests and component."""
