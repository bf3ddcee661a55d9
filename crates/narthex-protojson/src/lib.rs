//! Descriptors, and ProtoJSON text to and from protobuf wire.
