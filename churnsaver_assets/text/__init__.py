"""Text models: data in, language models out, and the messages they write. No Dagster here."""
