package namingtest

import (
	"context"
	"testing"

	"nactor/naming"
)

func TestConformance(t *testing.T) {
	for _, m := range []Model{V1, V2} {
		t.Run(m.String(), func(t *testing.T) {
			Run(t, func(*testing.T) Rig {
				o := NewOracle(m)
				return Rig{Registry: o, Reader: o, Model: m, Advance: o.Advance}
			})
		})
	}
}

// One rig for all behaviours must do as well.
func TestConformanceOnOneRig(t *testing.T) {
	o := NewOracle(V2)
	Run(t, func(*testing.T) Rig { return Rig{Registry: o, Reader: o, Model: V2, Advance: o.Advance} })
}

func TestOracleSettings(t *testing.T) {
	o, ctx := NewOracle(V2), context.Background()
	s := o.Settings()
	if err := s.SetSwitch(ctx, "pushEnabled", "false", false); err != nil || s.Switches().PushEnabled {
		t.Errorf("pushEnabled: %v, %v", s.Switches().PushEnabled, err)
	}
	if ok, err := s.CreateNamespace(ctx, naming.Namespace{ID: "dev", Name: "dev"}); !ok || err != nil {
		t.Error(ok, err)
	}
	if ok, _ := s.CreateNamespace(ctx, naming.Namespace{ID: "dev"}); ok {
		t.Error("an id was taken twice")
	}
	if err := s.UpdateNamespace(ctx, naming.Namespace{ID: "dev", Name: "d"}); err != nil || s.Namespaces()[0].Name != "d" {
		t.Error(err, s.Namespaces())
	}
	if err := s.RemoveNamespace(ctx, "dev"); err != nil || len(s.Namespaces()) != 0 {
		t.Error(err, s.Namespaces())
	}
}
