// Package api holds the description of the HTTP API, which every node serves at
// /nacos/v1/openapi.yaml. Tests in package http drive the server from it.
package api

import _ "embed"

// OpenAPI is the description, OpenAPI 3.1 in YAML.
//
//go:embed openapi.yaml
var OpenAPI []byte
