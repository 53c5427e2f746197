package http

import (
	"context"
	"crypto/rand"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"nactor/naming"
	"nactor/naming/wire"
)

var namespaceID = regexp.MustCompile(`^[\w-]+$`)

// listNamespaces has three answers: whether an id is taken, one namespace, or all. Which one
// is asked for stands in the query letter by letter (params of Spring's mappings).
func (r *request) listNamespaces() error {
	list := r.s.cfg.Settings.Namespaces()
	switch {
	case string(r.raw("checkNamespaceIdExist")) == "true":
		id := r.spring("customNamespaceId")
		if r.err != nil {
			return r.err
		}
		_, found := findNamespace(list, id)
		return r.answer(id != "" && found)
	case string(r.raw("show")) == "all":
		id := r.spring("namespaceId")
		if r.err != nil {
			return r.err
		}
		return r.showNamespace(list, strings.TrimSpace(id))
	}
	b := append(r.begin(), `{"code":200,"message":null,"data":[{"namespace":"","namespaceShowName":"public","quota":200,"configCount":0,"type":0}`...)
	for _, ns := range list {
		b = wire.AppendString(append(b, `,{"namespace":`...), ns.ID)
		b = wire.AppendString(append(b, `,"namespaceShowName":`...), ns.Name)
		b = append(b, `,"quota":200,"configCount":0,"type":2}`...)
	}
	r.json(append(b, `]}`...))
	return nil
}

func (r *request) showNamespace(list []naming.Namespace, id string) error {
	ns, kind := naming.Namespace{Name: "Public", Description: "Public Namespace"}, 0
	if id != "" {
		var found bool
		if ns, found = findNamespace(list, id); !found {
			return naming.NotFound("namespace %s does not exist", echo([]byte(id)))
		}
		kind = 2
	}
	b := wire.AppendString(append(r.begin(), `{"namespace":`...), ns.ID)
	b = wire.AppendString(append(b, `,"namespaceShowName":`...), ns.Name)
	b = append(b, `,"quota":200,"configCount":0,"type":`+itoa(kind)...)
	b = wire.AppendString(append(b, `,"namespaceDesc":`...), ns.Description)
	r.json(append(b, '}'))
	return nil
}

func findNamespace(list []naming.Namespace, id string) (naming.Namespace, bool) {
	for _, ns := range list {
		if ns.ID == id {
			return ns, true
		}
	}
	return naming.Namespace{}, false
}

// answer answers with a boolean, as JSON.
func (r *request) answer(ok bool) error {
	r.json(fmt.Append(r.begin(), ok))
	return nil
}

func (r *request) createNamespace() error {
	ns := naming.Namespace{ID: r.spring("customNamespaceId"), Name: r.spring("namespaceName"), Description: r.springOr("namespaceDesc", "")}
	if r.err != nil {
		return r.err
	}
	if ns.ID = strings.TrimSpace(ns.ID); ns.ID == "" {
		ns.ID = newUUID()
	}
	if len(ns.ID) > 128 || !namespaceID.MatchString(ns.ID) || badWords(ns) {
		return r.answer(false)
	}
	ctx, cancel := context.WithTimeout(context.Background(), naming.MaxRequestTime)
	defer cancel()
	ok, err := r.s.cfg.Settings.CreateNamespace(ctx, ns)
	if err != nil {
		return err
	}
	return r.answer(ok)
}

func (r *request) updateNamespace() error {
	ns := naming.Namespace{ID: r.spring("namespace"), Name: r.spring("namespaceShowName"), Description: r.springOr("namespaceDesc", "")}
	if r.err != nil {
		return r.err
	}
	if badWords(ns) {
		return naming.Invalid("namespaceShowName or namespaceDesc is longer than %d characters", maxNamespaceWords)
	}
	ctx, cancel := context.WithTimeout(context.Background(), naming.MaxRequestTime)
	defer cancel()
	if err := r.s.cfg.Settings.UpdateNamespace(ctx, ns); err != nil {
		return err
	}
	return r.answer(true)
}

func (r *request) removeNamespace() error {
	id := r.spring("namespaceId")
	if r.err != nil {
		return r.err
	}
	ctx, cancel := context.WithTimeout(context.Background(), naming.MaxRequestTime)
	defer cancel()
	if err := r.s.cfg.Settings.RemoveNamespace(ctx, id); err != nil {
		return err
	}
	return r.answer(true)
}

// maxNamespaceWords bounds name and description, as the columns of Nacos's table do.
const maxNamespaceWords = 256

func badWords(ns naming.Namespace) bool {
	return utf8.RuneCountInString(ns.Name) > maxNamespaceWords || utf8.RuneCountInString(ns.Description) > maxNamespaceWords
}

// newUUID returns a random UUID (version 4).
func newUUID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
