// Package actorpb holds the messages between the actors of different nodes and turns them
// into the values of package naming and back.
package actorpb

//go:generate sh -c "cd ../.. && go build -o target/protoc-gen-go google.golang.org/protobuf/cmd/protoc-gen-go && protoc --plugin=target/protoc-gen-go --go_out=. --go_opt=module=nactor actors/actorpb/actorpb.proto"
