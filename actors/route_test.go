package actors

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"nactor/naming"
	"nactor/naming/dual"
)

// A caller waits for its own node to show what another one did, but not for what will not be
// shown: nothing, what is gone already, or a structure that no reader sees.
func TestAwaitShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := amongOthers(t, Config{Begin: dual.Layout{Serves: dual.V2, DoubleWrite: true}}, nil)
		defer end(s)
		rev := naming.Revision{Activation: 7, Counter: 7}
		shown := testKey(1)
		show(s, shown, testInstance(1, true))
		in := testInstance(1, true)
		for _, tt := range []struct {
			name string
			key  naming.Key
			cmd  naming.Command
			rev  naming.Revision
			want bool
		}{
			{"registered, on its way", testKey(2), naming.Register{Instance: in}, rev, true},
			{"changed, on its way", shown, naming.Update{Addr: in.Addr()}, rev, true},
			{"deregistered, on its way", shown, naming.Deregister{Addr: in.Addr()}, rev, true},
			{"removed, on its way", shown, naming.RemoveService{}, rev, true},
			{"removed, and gone", testKey(2), naming.RemoveService{}, rev, false},
			{"the last instance deregistered, and gone", testKey(2), naming.Deregister{Addr: in.Addr()}, rev, false},
			{"removed from what serves, and gone", testKey(2), naming.In{Structure: dual.V2, Command: naming.RemoveService{}}, rev, false},
			{"in what serves, on its way", testKey(2), naming.In{Structure: dual.V2, Command: naming.CreateService{}}, rev, true},
			{"in what does not serve", testKey(2), naming.In{Structure: dual.V1, Command: naming.CreateService{}}, rev, false},
			{"asked", testKey(2), naming.Show{Structure: dual.V1}, rev, false},
			{"nothing there", testKey(2), naming.Register{Instance: in}, naming.Revision{}, false},
		} {
			begin := time.Now()
			s.awaitShown(context.Background(), tt.key, tt.cmd, tt.rev)
			if waited := time.Since(begin); waited != 0 != tt.want {
				t.Errorf("%s: waited %v", tt.name, waited)
			}
		}
	})
}
