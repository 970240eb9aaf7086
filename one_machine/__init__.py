"""One version of a model on one machine with Docker: `docker run`, or compose with nginx in front. Pure."""
