// Package grpcpb holds the frame of messages between Nacos 2.x clients and this server.
package grpcpb

//go:generate sh -c "cd ../.. && go build -o target/protoc-gen-go google.golang.org/protobuf/cmd/protoc-gen-go && protoc --plugin=target/protoc-gen-go --go_out=. --go_opt=module=nactor grpc/grpcpb/grpcpb.proto"
