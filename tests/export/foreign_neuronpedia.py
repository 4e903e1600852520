"""Run with `neuronpedia` 1.2.1: read features from a static server and upload them to where the request is only kept.

Arguments: the server's address, then MODEL/SOURCE/INDEX of each feature. Prints, as JSON, what was read and sent.
"""

import contextlib
import json
import sys
from dataclasses import asdict

import neuronpedia
from neuronpedia.np_feature import Feature
from neuronpedia.requests.base_request import NPRequest
from neuronpedia.requests.feature_request import FeatureRequest

NPRequest.BASE_URL = f"{sys.argv[1]}/api"
neuronpedia.set_api_key("any")
with contextlib.redirect_stdout(sys.stderr):
    features = []
    for name in sys.argv[2:]:
        model, source, index = name.split("/")
        features.append(Feature.get(model, source, int(index)))

    sent = {}
    FeatureRequest.send_request = lambda self, **kwargs: sent.update(kwargs)
    FeatureRequest().upload_batch(model, source, features)
print(json.dumps({"read": [asdict(one) for one in features], "sent": sent["json"]}))
