"""byod: bring your own data - from two words to a picture model you can trust and give away."""

import os

__version__ = "0.1.0"

# onnxruntime (1.32) otherwise writes a device id and a queue of events below the user's cache when it is imported
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
