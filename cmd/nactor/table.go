package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/valyala/fastjson"
)

// printTable prints a JSON answer for people, in the order in which the server wrote it:
// a list of objects as a table below the values that stand beside it, an object as a line
// a value. It knows no field by name, so a server of another version is shown in full.
func printTable(w io.Writer, body []byte) error {
	v, err := fastjson.ParseBytes(body)
	if err != nil {
		return fmt.Errorf("the answer is not JSON: %w", err)
	}
	if data := v.Get("data"); data != nil && (data.Type() == fastjson.TypeObject || data.Type() == fastjson.TypeArray) {
		v = data // {"code":200,"data":…}
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	switch v.Type() {
	case fastjson.TypeArray:
		rows(tw, v.GetArray())
	case fastjson.TypeObject:
		var lists []*fastjson.Value
		v.GetObject().Visit(func(key []byte, value *fastjson.Value) {
			if value.Type() == fastjson.TypeArray && isRows(value.GetArray()) {
				lists = append(lists, value)
				return
			}
			fmt.Fprintf(tw, "%s\t%s\n", plain(string(key)), cell(value))
		})
		for _, list := range lists {
			fmt.Fprintln(tw)
			rows(tw, list.GetArray())
		}
	default:
		fmt.Fprintln(tw, cell(v))
	}
	return tw.Flush()
}

func isRows(list []*fastjson.Value) bool {
	return len(list) > 0 && list[0].Type() == fastjson.TypeObject
}

// rows prints a list of objects with a heading.
func rows(w io.Writer, list []*fastjson.Value) {
	var columns []string
	for _, row := range list {
		if o := row.GetObject(); o != nil {
			o.Visit(func(key []byte, _ *fastjson.Value) {
				if !slices.Contains(columns, string(key)) {
					columns = append(columns, string(key))
				}
			})
		}
	}
	if len(columns) == 0 {
		for _, v := range list {
			fmt.Fprintln(w, cell(v))
		}
		return
	}
	line := make([]string, len(columns))
	for i, c := range columns {
		line[i] = strings.ToUpper(plain(c))
	}
	fmt.Fprintln(w, strings.Join(line, "\t"))
	for _, row := range list {
		for i, c := range columns {
			line[i] = "-"
			if v := row.Get(c); v != nil {
				line[i] = cell(v)
			}
		}
		fmt.Fprintln(w, strings.Join(line, "\t"))
	}
}

// cell returns a value as text that stays within its cell.
func cell(v *fastjson.Value) string {
	switch v.Type() {
	case fastjson.TypeString:
		return plain(string(v.GetStringBytes()))
	case fastjson.TypeNull:
		return "-"
	case fastjson.TypeArray:
		if len(v.GetArray()) == 0 {
			return "-"
		}
	}
	return plain(v.String())
}

// plain escapes what would move a terminal's cursor: names come from strangers.
func plain(s string) string {
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return strconv.Quote(s)
		}
	}
	return s
}
