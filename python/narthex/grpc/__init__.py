"""Python's part in serving gRPC: collecting what generated code registers, and finding its descriptors.

The calls themselves are native. ``grpc`` and ``google.protobuf`` are optional, and imported only where they are needed.
"""
