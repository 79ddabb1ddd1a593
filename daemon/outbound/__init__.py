"""Mail going out: compose.py makes it, smtp.py speaks it, deliver.py sends it once."""
