package wire

import (
	"encoding/json"
	"strings"

	"nactor/naming"
)

// AppendChecker appends a cluster's health checker; the zero value is {"type":"TCP"}.
func AppendChecker(dst []byte, c naming.HealthChecker) []byte {
	switch c.Type {
	case "HTTP":
		dst = appendStringField(dst, `{"type":"HTTP","path":`, c.Path)
		dst = appendStringField(dst, `,"headers":`, c.Headers)
		dst = appendIntField(dst, `,"expectedResponseCode":`, int64(c.ExpectedResponseCode))
		return append(dst, '}')
	case "MYSQL":
		dst = appendStringField(dst, `{"type":"MYSQL","user":`, c.User)
		dst = appendStringField(dst, `,"pwd":`, c.Password)
		dst = appendStringField(dst, `,"cmd":`, c.Command)
		return append(dst, '}')
	case "NONE":
		return append(dst, `{"type":"NONE"}`...)
	}
	return append(dst, `{"type":"TCP"}`...)
}

// ParseChecker reads the healthChecker parameter of PUT /cluster. A type that Nacos does
// not know counts as NONE, as there.
func ParseChecker(s string) (naming.HealthChecker, error) {
	in := struct {
		Type                 *string
		Path, Headers        string
		ExpectedResponseCode *int
		User, Pwd, Cmd       string
	}{}
	if err := json.Unmarshal([]byte(s), &in); err != nil || in.Type == nil {
		return naming.HealthChecker{}, naming.Rejected("errCode: 101, errMsg: Nacos deserialize for class [com.alibaba.nacos.api.naming.pojo.healthcheck.AbstractHealthChecker] failed.  ;caused: not a health checker")
	}
	switch strings.ToUpper(*in.Type) {
	case "TCP":
		return naming.HealthChecker{Type: "TCP"}, nil
	case "HTTP":
		code := 200
		if in.ExpectedResponseCode != nil {
			code = *in.ExpectedResponseCode
		}
		return naming.HealthChecker{Type: "HTTP", Path: in.Path, Headers: in.Headers, ExpectedResponseCode: code}, nil
	case "MYSQL":
		return naming.HealthChecker{Type: "MYSQL", User: in.User, Password: in.Pwd, Command: in.Cmd}, nil
	}
	return naming.HealthChecker{Type: "NONE"}, nil
}
