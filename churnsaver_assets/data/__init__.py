"""Sources, schemas, splits and the generated sample. No models here."""
