"""The models of a release: encoding, boosters, calibration, reasons."""
