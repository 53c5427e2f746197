package actorpb

import "google.golang.org/protobuf/proto"

// Wire returns the names of the messages that nodes send each other.
func Wire() []string {
	var out []string
	for _, m := range []proto.Message{&Packet{}, &Ack{}, &Commands{}, &Replies{}, &Beats{}, &BeatsTaken{},
		&ActorsQuery{}, &ActorsAnswer{}, &ActorQuery{}, &ActorAnswer{}, &StructureQuery{}, &StructureAnswer{}, &SubscribersQuery{}, &SubscribersAnswer{},
		&ClientsQuery{}, &ClientsAnswer{},
		&UpgradeReport{}, &UpgradeAsk{}, &UpgradeExplain{}, &UpgradeClose{}, &UpgradeAnswer{}} {
		out = append(out, string(proto.MessageName(m)))
	}
	return out
}
