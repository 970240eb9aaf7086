"""The platform below the models: third-party charts, what is scraped, what alerts."""
