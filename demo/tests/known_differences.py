"""What is not the same when Envoy is in front, and why.

Tests ask ``site.differs(name)``. A whole run in which no test asked for one of these fails, so that the list stays true.
"""

DIFFERENCES: dict[str, str] = {
    "transcoder-errors": (
        "A request that Envoy's own transcoder refuses (bad JSON, a bad or unknown query parameter) "
        "gets text/plain in Envoy's words, no google.rpc.Status. It never reaches Narthex. The status code is the same."
    ),
    "content-type": (
        "A body of the JSON API that says it is something else than JSON, text or a form (application/octet-stream, say) "
        "is a 415. Envoy's transcoder does not look at the type."
    ),
    "forms": (
        "A body that says it is a form (multipart/form-data) is read as one, and one that is none is a 400. Envoy's transcoder "
        "reads it as JSON whatever it says."
    ),
    "json-by-method": (
        "JSON posted to the path of a method, POST /pkg.Service/Method, calls it. Envoy's transcoder does that if its "
        "auto_mapping is on, for every content type; in the configuration here it is off, and the path is a 415."
    ),
    "grpc-web": (
        "gRPC-Web is gRPC here, so a method that is not there is UNIMPLEMENTED. Envoy's configuration has no filter for it: to "
        "its transcoders it is a request like others, and the application answers."
    ),
    "unknown-fields": "A field that the message does not have is a 400. Envoy's transcoder ignores it.",
    "head-of-json": "HEAD goes where GET goes. For Envoy it is another method, which no binding has: the application answers.",
    "content-type-parameters": (
        "application/grpc with parameters (;charset=utf-8) is gRPC here. For Envoy it is not, so the application gets it."
    ),
    "path-and-body": (
        "A field that both the path and the body name has the path's value. Envoy's transcoder would take the body's, and so "
        "change another book than the path says; its configuration makes that a 400."
    ),
    "json-body-limit": (
        "Envoy's transcoder passes JSON on as it comes, so that its max_request_body_size does not count; Narthex refuses the "
        "gRPC message that becomes too long (RESOURCE_EXHAUSTED, as HTTP 429)."
    ),
    "page-body-limit": (
        "HTTP over gRPC is one HttpBody message each way, which Envoy holds whole: a request over its max_request_body_size "
        "is a 413. Direct, the application takes a stream of any length, unless --max-body says otherwise."
    ),
    "page-streams": (
        "For the same reason a streamed response arrives in one piece when it is complete, with a content-length. "
        "Direct it arrives as it is produced."
    ),
    "content-length-of-nothing": (
        "A response to HEAD has no content-length: the transcoder sets it to the length of the body it got, which is none, "
        "so Envoy's configuration removes it."
    ),
    "framing": (
        "A chunked request reaches the application with a content-length, since the transcoder has read it whole. "
        "Direct it arrives as it was sent."
    ),
    "proxy-headers": (
        "The application sees what a proxy adds: x-forwarded-for, x-forwarded-proto, x-request-id, x-envoy-external-address."
    ),
    "grpc-headers-of-browsers": (
        "Envoy's configuration removes grpc-* from requests that are not gRPC, or a browser could set the deadline and the "
        "encoding of the call that its request becomes. Direct they are headers like others."
    ),
    "http-version": (
        "The application is told HTTP/2, which is what Envoy speaks to Narthex. Direct it is told what the client speaks."
    ),
    "client-address": (
        "The client's port is not known behind a proxy, and for a client on loopback Envoy names an address of its machine."
    ),
}
