// Writes the descriptors of gRPC's interop test service, as a FileDescriptorSet with imports.
//
// grpc-go carries the generated code but not the .proto files, which are in a repository that is no Go module.
package main

import (
	"log"
	"os"

	"google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

func main() {
	set := &descriptorpb.FileDescriptorSet{}
	add(set, map[string]bool{}, grpc_testing.File_grpc_testing_test_proto)
	encoded, err := proto.Marshal(set)
	if err != nil {
		log.Fatalf("the descriptors cannot be encoded: %v", err)
	}
	if _, err := os.Stdout.Write(encoded); err != nil {
		log.Fatalf("the descriptors cannot be written: %v", err)
	}
}

// add appends the file after what it imports, as protoc wants them.
func add(set *descriptorpb.FileDescriptorSet, seen map[string]bool, file protoreflect.FileDescriptor) {
	if seen[file.Path()] {
		return
	}
	seen[file.Path()] = true
	for i := range file.Imports().Len() {
		add(set, seen, file.Imports().Get(i).FileDescriptor)
	}
	set.File = append(set.File, protodesc.ToFileDescriptorProto(file))
}
